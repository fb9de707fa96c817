import logging

import numpy as np
import pytest
from torch.utils.data import DataLoader

from pedsearch.datasets.samplers import CameraSampler, EpochSampler, MultipleGallerySampler, PKSampler
from pedsearch.datasets.samplers.global_batch_sampler import GlobalBatchSampler
from pedsearch.datasets.seeding import sample_seed
from pedsearch.registry import DATA_SAMPLERS

from .labeled_crops import LabeledCrops, be_rank, pairs, random_crops

SAMPLERS = [MultipleGallerySampler, PKSampler, CameraSampler]


class CountingSampler(GlobalBatchSampler):
    """The stream 0, 1, 2, ..."""

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        return np.arange(self.num_iters * self.global_batch_size).reshape(self.num_iters, -1)


class TwoPartSampler(CountingSampler):
    num_parts = 2


@pytest.fixture
def warnings_logged(monkeypatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr('pedsearch.datasets.samplers.global_batch_sampler.print_log',
                        lambda text, level, **kwargs: lines.append(text) if level == logging.WARNING else None)
    return lines


@pytest.mark.parametrize(('sampler_type', 'rank', 'expected'), [
    (CountingSampler, 0, [0, 1, 2, 3, 8, 9, 10, 11]),
    (CountingSampler, 1, [4, 5, 6, 7, 12, 13, 14, 15]),
    (TwoPartSampler, 0, [0, 1, 4, 5, 8, 9, 12, 13]),
    (TwoPartSampler, 1, [2, 3, 6, 7, 10, 11, 14, 15]),
])
def test_ranks_take_contiguous_chunks_of_each_part(monkeypatch, sampler_type, rank, expected):
    be_rank(monkeypatch, rank, 2)
    sampler = sampler_type(LabeledCrops([0] * 16), 8, seed=5)
    sampler.set_epoch(3)
    assert pairs(sampler) == [(i, sample_seed(5, 3, i)) for i in expected]  # the seed follows the place in the stream
    assert len(sampler) == 8


@pytest.mark.parametrize('sampler_type', SAMPLERS)
def test_processes_share_the_batches_of_one_process(monkeypatch, sampler_type):
    dataset = random_crops(200, 20)
    alone = pairs(sampler_type(dataset, 16, 4, num_iters=9, seed=1))
    assert len(alone) == 9 * 16
    assert {dataset.labels[i] for i, _ in alone} <= set(range(20))
    for world_size in (2, 4):
        ranks = []
        for rank in range(world_size):
            be_rank(monkeypatch, rank, world_size)
            ranks.append(np.array(pairs(sampler_type(dataset, 16, 4, num_iters=9, seed=1))).reshape(9, -1, 2))
        assert np.concatenate(ranks, axis=1).reshape(-1, 2).tolist() == [list(pair) for pair in alone]


@pytest.mark.parametrize('sampler_type', SAMPLERS)
def test_epochs_and_seeds_differ_and_repeat(sampler_type):
    dataset = random_crops(200, 20)
    runs, orders = {}, set()
    for run, (seed, epoch) in enumerate([(0, 0), (0, 1), (1, 0), (0, 0)]):
        np.random.seed(run)  # the generators of the process must not matter
        sampler = sampler_type(dataset, 16, 4, num_iters=5, seed=seed)
        sampler.set_epoch(epoch)
        runs[run] = pairs(sampler)
        orders.add(tuple(index for index, _ in runs[run]))
    assert runs[0] == runs[3]
    assert len(orders) == 3
    assert len({seed for run in range(3) for _, seed in runs[run]}) == 3 * 80


@pytest.mark.parametrize('sampler_type', SAMPLERS)
def test_start_in_mid_epoch_counts_once(monkeypatch, sampler_type):
    be_rank(monkeypatch, 1, 2)
    sampler = sampler_type(random_crops(200, 20), 16, 4, num_iters=5, seed=0)
    sampler.set_epoch(4)
    whole = pairs(sampler)
    sampler.set_start(3 * 8)
    sampler.set_epoch(4)  # mmengine's seed hook comes after
    assert len(sampler) == 40
    assert pairs(sampler) == whole[24:]
    assert pairs(sampler) == whole
    sampler.set_start(40)
    assert pairs(sampler) == []
    with pytest.raises(ValueError, match='between 0 and the 40 samples of an epoch, got 48'):
        sampler.set_start(48)


@pytest.mark.parametrize('num_workers', [0, 1])
def test_labels_set_between_epochs_count(num_workers):
    dataset = random_crops(100, 10)
    sampler = PKSampler(dataset, 8, 2, num_iters=3, seed=0)
    loader = DataLoader(dataset, 8, sampler=sampler, num_workers=num_workers, persistent_workers=num_workers > 0)
    assert len(loader) == 3
    first = [batch[0].numpy() for batch in loader]
    dataset.labels[:] = np.arange(100) // 5
    dataset.labels[50:] = -1
    sampler.set_epoch(1)
    second = [batch[0].numpy() for batch in loader]
    assert len(first) == len(second) == 3
    for indices in second:
        assert indices.max() < 50
        assert set(np.unique(indices // 5, return_counts=True)[1]) == {2}


@pytest.mark.parametrize(('num', 'batch', 'iterations'), [(12936, 64, 202), (30248, 64, 472), (5, 8, 1)])
def test_epoch_without_number_of_iterations(num, batch, iterations):
    sampler = PKSampler(LabeledCrops(np.arange(num) % 3), batch, 4)  # Market-1501 and MSMT17 in fast-reid
    assert sampler.num_iters == iterations
    assert len(sampler) == iterations * batch


@pytest.mark.parametrize('sampler_type', SAMPLERS)
def test_fewer_identities_than_a_batch_has_places_for(sampler_type, warnings_logged):
    dataset = LabeledCrops([0] * 6 + [-1] * 5 + [4] * 6 + [7] * 6)
    sampler = sampler_type(dataset, 16, 4, num_iters=5, seed=0)
    labels = dataset.labels[[i for i, _ in pairs(sampler)]]
    assert len(warnings_logged) == 1
    assert '3 identities fill 12 of the 16 places of a batch (4 images each)' in warnings_logged[0]
    passes = labels[:72].reshape(6, 3, 4)  # whole passes, over the borders of the batches
    assert (passes == passes[:, :, :1]).all()
    assert (np.sort(passes[:, :, 0]) == [0, 4, 7]).all()
    pairs(sampler)
    assert len(warnings_logged) == 2


def test_few_identities_with_many_images(warnings_logged):
    dataset = LabeledCrops(np.repeat(range(3), 12))  # nine chunks of four: two batches of four blocks and one left over
    indices = np.array([i for i, _ in pairs(PKSampler(dataset, 16, 4, num_iters=6, seed=0))]).reshape(3, 32)
    assert all(len(set(one_pass)) == 32 for one_pass in indices.tolist())
    assert len(warnings_logged) == 1
    assert '3 identities fill 12 of the 16 places' in warnings_logged[0]


@pytest.mark.parametrize('sampler_type', SAMPLERS)
def test_one_identity_with_one_image(sampler_type, warnings_logged):
    assert [i for i, _ in pairs(sampler_type(LabeledCrops([-1, 3, -1]), 8, 4, num_iters=2, seed=0))] == [1] * 16
    assert len(warnings_logged) == 1


@pytest.mark.parametrize('sampler_type', SAMPLERS)
def test_enough_identities_are_no_warning(sampler_type, warnings_logged):
    pairs(sampler_type(random_crops(200, 20), 16, 4, num_iters=5, seed=0))
    assert not warnings_logged


@pytest.mark.parametrize('sampler_type', SAMPLERS)
def test_no_label(sampler_type):
    sampler = sampler_type(LabeledCrops([-1] * 9), 8, 2)
    with pytest.raises(ValueError, match='got none: no sample has a label among 9; set pseudo labels'):
        iter(sampler)


@pytest.mark.parametrize('sampler_type', SAMPLERS)
def test_bad_arguments(monkeypatch, sampler_type):
    dataset = random_crops(20, 4)
    with pytest.raises(ValueError, match='positive divisor of the batch of 16, got 5'):
        sampler_type(dataset, 16, 5)
    with pytest.raises(ValueError, match='positive divisor of the batch of 16, got 0'):
        sampler_type(dataset, 16, 0)
    with pytest.raises(ValueError, match='num_iters must be at least 1, got 0'):
        sampler_type(dataset, 16, 4, num_iters=0)
    with pytest.raises(ValueError, match='at least one sample, got an empty one'):
        sampler_type(LabeledCrops([]), 16, 4)
    with pytest.raises(TypeError, match=r'needs a dataset with labels and camids \(N,\), got list; use a ReIDDataset'):
        sampler_type([1, 2], 2, 1)
    be_rank(monkeypatch, 0, 3)
    with pytest.raises(ValueError, match='positive multiple of the 3 processes, got 16'):
        sampler_type(dataset, 16, 4)


def test_batch_that_its_parts_do_not_divide(monkeypatch):
    be_rank(monkeypatch, 0, 2)
    with pytest.raises(ValueError, match='multiple of 2 parts x 2 processes, got 6'):
        TwoPartSampler(LabeledCrops([0] * 8), 6)


@pytest.mark.parametrize('name', ['CameraSampler', 'CrossDomainSampler', 'EpochSampler', 'MultipleGallerySampler', 'PKSampler'])
def test_configs_find_the_samplers(name):
    assert DATA_SAMPLERS.get(name).__name__ == name
    assert issubclass(DATA_SAMPLERS.get(name), (GlobalBatchSampler, EpochSampler))
