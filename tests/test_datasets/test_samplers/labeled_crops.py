"""What samplers see of a dataset, and how to be one of several processes."""

import numpy as np
import pytest
from torch.utils.data import Dataset


class LabeledCrops(Dataset):
    """N samples with labels and cameras; sample i is (i, its seed)."""

    def __init__(self, labels: list[int] | np.ndarray, camids: list[int] | np.ndarray | None = None) -> None:
        self.labels = np.array(labels)
        self.camids = np.full(len(self.labels), -1) if camids is None else np.array(camids)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[int, int]:
        return int(index), index.seed


def random_crops(num: int, num_ids: int, num_cameras: int = 4, seed: int = 0) -> LabeledCrops:
    """Labels -1 (none) to num_ids - 1."""
    rng = np.random.default_rng(seed)
    return LabeledCrops(rng.integers(-1, num_ids, num), rng.integers(0, num_cameras, num))


def be_rank(monkeypatch: pytest.MonkeyPatch, rank: int, world_size: int) -> None:
    monkeypatch.setattr('pedsearch.datasets.samplers.resumable_sampler.get_dist_info', lambda: (rank, world_size))


def pairs(sampler) -> list[tuple[int, int]]:
    """Index and seed of each sample of an epoch."""
    return [(int(index), index.seed) for index in sampler]


def blocks_of(indices: list[int], labels: np.ndarray) -> list[list[int]]:
    """Cut a pass where the label changes."""
    borders = np.flatnonzero(np.diff(labels[indices])) + 1
    return [block.tolist() for block in np.split(np.array(indices), borders)]
