import torch

from pedsearch.models.losses import mean_across_processes
from tests.processes import run_on_processes

TERMS = [[1., 2., 3., 4.], [10.]]


def test_one_process_is_the_plain_mean():
    assert mean_across_processes(torch.tensor(6.), 4) == 1.5


def test_no_terms_give_zero_with_a_graph():
    x = torch.zeros(0, requires_grad=True)
    loss = mean_across_processes(x.sum(), 0)
    loss.backward()
    assert loss == 0


def share(rank: int, world_size: int) -> torch.Tensor:
    return mean_across_processes(torch.tensor(TERMS[rank]).sum(), len(TERMS[rank]))


def test_mean_of_the_shares_is_the_mean_over_all_terms():
    shares = run_on_processes(share, 2)
    assert torch.stack(shares).mean() == sum(sum(TERMS, [])) / 5
