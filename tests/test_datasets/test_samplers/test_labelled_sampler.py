from collections import Counter

import numpy as np
import pytest

from pedsearch.datasets.samplers import LabelledSampler

from .labeled_crops import LabeledCrops, be_rank, pairs, random_crops


def test_an_epoch_is_made_of_shuffled_passes_over_the_labelled():
    dataset = random_crops(100, 5)
    labelled = np.flatnonzero(dataset.labels >= 0)
    whole = len(labelled) // 8 * 8
    sampler = LabelledSampler(dataset, 8, num_iters=3 * whole // 8, seed=0)
    drawn = [index for index, _ in pairs(sampler)]
    assert len(drawn) == len(sampler) == 3 * whole
    passes = [drawn[start:start + whole] for start in (0, whole, 2 * whole)]
    for part in passes:
        assert len(set(part)) == whole
        assert set(part) <= set(labelled.tolist())
    assert len({tuple(part) for part in passes}) == 3


def test_epochs_differ_and_labels_of_an_epoch_count_at_once():
    dataset = random_crops(64, 4)
    sampler = LabelledSampler(dataset, 8, seed=0)
    first = pairs(sampler)
    assert first == pairs(sampler)
    sampler.set_epoch(1)
    assert pairs(sampler) != first
    assert len(sampler) == 64
    dataset.labels[:] = -1
    dataset.labels[3:13] = 0
    assert set(Counter(index for index, _ in pairs(sampler))) == set(range(3, 13))


def test_processes_share_the_batches(monkeypatch):
    dataset = random_crops(40, 4)
    alone = pairs(LabelledSampler(dataset, 8, seed=0))
    parts = []
    for rank in range(2):
        be_rank(monkeypatch, rank, 2)
        parts.append(pairs(LabelledSampler(dataset, 8, seed=0)))
    joined = [part[start:start + 4] for start in range(0, 20, 4) for part in parts]
    assert sum(joined, []) == alone


def test_fewer_labelled_samples_than_a_batch():
    drawn = [index for index, _ in pairs(LabelledSampler(LabeledCrops([-1, 0, 0, 1, -1]), 8, num_iters=2, seed=0))]
    assert len(drawn) == 16
    assert set(drawn) == {1, 2, 3}


def test_no_label_is_an_error():
    with pytest.raises(ValueError, match='LabelledSampler needs samples with a label, got none'):
        list(LabelledSampler(LabeledCrops([-1, -1]), 2, seed=0))
    with pytest.raises(TypeError, match=r'LabelledSampler needs a dataset with labels \(N,\), got list'):
        LabelledSampler([1, 2], 2, seed=0)
