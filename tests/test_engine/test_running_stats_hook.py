import torch
from torch import nn

from pedsearch.engine import RunningStatsHook
from pedsearch.models.layers import split_batch_norms
from tests.processes import run_on_processes


class Stub:
    """A runner as far as the hook looks."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model


def step(rank: int, world_size: int) -> torch.Tensor:
    norm = split_batch_norms(nn.BatchNorm1d(3), num_splits=2)
    norm(torch.arange(12.).view(4, 3) * (rank + 1))
    RunningStatsHook().after_train_iter(Stub(norm), 0)
    return norm.running_mean


def test_all_processes_have_the_statistics_of_the_first():
    norm = nn.BatchNorm1d(3)
    norm(torch.arange(12.).view(4, 3))
    for mean in run_on_processes(step, 2):
        torch.testing.assert_close(mean, norm.running_mean)
