import numpy as np
import pytest
from torch.utils.data import ConcatDataset

from pedsearch.datasets.samplers import CrossDomainSampler

from .labeled_crops import be_rank, pairs, random_crops


class TwoDomains(ConcatDataset):
    """Source in front, target behind."""

    def __init__(self) -> None:
        self.source, self.target = random_crops(90, 8, seed=1), random_crops(150, 15, seed=2)
        super().__init__([self.source, self.target])
        self.source_size = 90


SOURCE = dict(type='PKSampler', num_instances=4)
TARGET = dict(type='MultipleGallerySampler', num_instances=2, use_cameras=False)


def batches_of(dataset, rank=0, world_size=1, monkeypatch=None, **kwargs) -> np.ndarray:
    if monkeypatch is not None:
        be_rank(monkeypatch, rank, world_size)
    sampler = CrossDomainSampler(dataset, SOURCE, TARGET, 16, num_iters=6, seed=0, **kwargs)
    assert len(sampler) == 6 * 16 // world_size
    return np.array(pairs(sampler)).reshape(6, -1, 2)


def test_halves_are_batches_of_their_domain():
    dataset = TwoDomains()
    indices = batches_of(dataset)[..., 0]
    source, target = indices[:, :8], indices[:, 8:] - 90
    assert source.max() < 90
    assert target.min() >= 0
    blocks = dataset.source.labels[source].reshape(6, 2, 4)
    assert (blocks == blocks[:, :, :1]).all()
    assert (blocks[:, 0, 0] != blocks[:, 1, 0]).all()
    blocks = dataset.target.labels[target].reshape(6, 4, 2)
    assert (blocks == blocks[:, :, :1]).all()
    assert min(blocks.min(), dataset.source.labels[source].min()) >= 0


@pytest.mark.parametrize('world_size', [2, 4])
def test_processes_hold_both_halves(monkeypatch, world_size):
    dataset = TwoDomains()
    alone = batches_of(dataset)
    ranks = [batches_of(dataset, rank, world_size, monkeypatch) for rank in range(world_size)]
    half = 8 // world_size
    assert all((local[:, :half, 0] < 90).all() and (local[:, half:, 0] >= 90).all() for local in ranks)
    joined = [local[:, :half] for local in ranks] + [local[:, half:] for local in ranks]
    assert np.array_equal(np.concatenate(joined, axis=1), alone)


def test_equal_domains_are_drawn_independently():
    dataset = TwoDomains()
    dataset.target = dataset.source
    sampler = CrossDomainSampler(dataset, SOURCE, SOURCE, 16, num_iters=6, seed=0)
    indices = np.array([i for i, _ in pairs(sampler)]).reshape(6, 2, 8)
    assert not np.array_equal(indices[:, 0], indices[:, 1] - 90)


def test_both_halves_change_with_the_epoch():
    sampler = CrossDomainSampler(TwoDomains(), SOURCE, TARGET, 16, num_iters=6, seed=0)
    first = np.array([i for i, _ in pairs(sampler)]).reshape(6, 2, 8)
    sampler.set_epoch(1)
    second = np.array([i for i, _ in pairs(sampler)]).reshape(6, 2, 8)
    assert not (first == second).all(axis=(0, 2)).any()


def test_labels_and_start():
    dataset = TwoDomains()
    sampler = CrossDomainSampler(dataset, SOURCE, TARGET, 16, num_iters=6, seed=0)
    dataset.target.labels[:] = -1
    with pytest.raises(ValueError, match='no sample has a label among 150'):
        iter(sampler)
    dataset.target.labels[:] = np.arange(150) % 20
    whole = pairs(sampler)
    sampler.set_start(32)
    assert pairs(sampler) == whole[32:]


def test_epoch_without_number_of_iterations():
    assert CrossDomainSampler(TwoDomains(), SOURCE, TARGET, 16).num_iters == 15
    assert len(pairs(CrossDomainSampler(TwoDomains(), SOURCE, TARGET, 16))) == 240


def test_bad_arguments(monkeypatch):
    dataset = TwoDomains()
    with pytest.raises(TypeError, match='with source and target, got LabeledCrops; use CrossDomainDataset'):
        CrossDomainSampler(dataset.source, SOURCE, TARGET, 16)
    with pytest.raises(ValueError, match='positive divisor of the batch of 6, got 4'):
        CrossDomainSampler(dataset, SOURCE, TARGET, 12)
    with pytest.raises(ValueError, match='multiple of 2 parts x 1 processes, got 7'):
        CrossDomainSampler(dataset, SOURCE, TARGET, 7)
    with pytest.raises(TypeError, match='num_iters'):
        CrossDomainSampler(dataset, dict(**SOURCE, num_iters=3), TARGET, 16)
