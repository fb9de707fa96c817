import pickle
import random

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset

from pedsearch.datasets.seeding import SeededIndex, sample_seed, seeded


def draw() -> tuple:
    return random.random(), np.random.rand(), torch.rand(()).item()


def test_index_is_an_integer_that_survives_pickling():
    index = pickle.loads(pickle.dumps(SeededIndex(7, 123)))
    assert index == 7
    assert list(range(9))[index] == 7
    assert hash(index) == hash(7)
    assert index.seed == 123


class Recorder(BaseDataset):
    """Returns the index it is asked for."""

    def load_data_list(self) -> list[dict]:
        return [dict(), dict(), dict()]

    def __getitem__(self, idx: int) -> int:
        return idx


def test_seed_passes_through_wrappers():
    concatenated = ConcatDataset([Recorder(), Recorder()])
    assert concatenated[SeededIndex(4, 99)] == 1
    assert concatenated[SeededIndex(4, 99)].seed == 99
    repeated = RepeatDataset(Recorder(), 3)
    assert repeated[SeededIndex(8, 99)] == 2
    assert repeated[SeededIndex(8, 99)].seed == 99


def test_block_is_repeatable_and_leaves_no_trace():
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    undisturbed = [draw(), draw()]
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    first = draw()
    with seeded(5):
        inside = draw()
    with pytest.raises(ZeroDivisionError), seeded(5):
        draw() and 1 / 0
    with seeded(5):
        assert draw() == inside
    assert [first, draw()] == undisturbed
    with seeded(6):
        assert all(a != b for a, b in zip(draw(), inside))
    with seeded(None):
        assert draw() != inside


def test_seeds_differ_between_runs_epochs_and_samples():
    seeds = {sample_seed(run, epoch, index) for run in range(5) for epoch in range(5) for index in range(40)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**32 for seed in seeds)
