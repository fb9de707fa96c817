import pytest

from pedsearch.datasets.samplers.resumable_sampler import ResumableSampler

from .labeled_crops import be_rank


class TenSamples(ResumableSampler):

    def __len__(self) -> int:
        return 10


def test_place_among_processes(monkeypatch):
    be_rank(monkeypatch, 2, 3)
    sampler = TenSamples(range(5), None, seed=4)
    assert (sampler.rank, sampler.world_size, sampler.global_batch_size, sampler.seed) == (2, 3, 3, 4)
    assert TenSamples(range(5), 9, seed=4).global_batch_size == 9
    for group in (0, -3, 8):
        with pytest.raises(ValueError, match=f'positive multiple of the 3 processes, got {group}; use batch_size'):
            TenSamples(range(5), group, seed=4)


def test_seed_of_all_processes(monkeypatch):
    monkeypatch.setattr('pedsearch.datasets.samplers.resumable_sampler.sync_random_seed', lambda: 99)
    assert TenSamples(range(5), None, seed=None).seed == 99
    assert TenSamples(range(5), None, seed=0).seed == 0


def test_epoch_and_start():
    sampler = TenSamples(range(5), None, seed=0)
    assert (sampler.epoch, sampler.start) == (0, 0)
    sampler.set_epoch(3)
    sampler.set_start(10)
    assert (sampler.epoch, sampler.start) == (3, 10)
    for start in (-1, 11):
        with pytest.raises(ValueError, match=f'between 0 and the 10 samples of an epoch, got {start}'):
            sampler.set_start(start)


def test_empty_dataset():
    with pytest.raises(ValueError, match='TenSamples needs a dataset with at least one sample, got an empty one'):
        TenSamples([], None, seed=0)
