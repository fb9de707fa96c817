import torch

from pedsearch.models.losses import mean_across_processes
from tests.processes import run_on_processes
from tests.test_models.host_traffic import host_traffic

TERMS = [[1., 2., 3., 4.], [10.]]


def test_one_process_is_the_plain_mean():
    assert mean_across_processes(torch.tensor(6.), 4) == 1.5


def test_no_terms_give_zero_with_a_graph():
    x = torch.zeros(0, requires_grad=True)
    loss = mean_across_processes(x.sum(), 0)
    loss.backward()
    assert loss == 0


def share(rank: int, world_size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    total, count = torch.tensor(TERMS[rank]).sum(), len(TERMS[rank])
    counted = torch.tensor(float(count))
    return mean_across_processes(total, count), mean_across_processes(total, counted), counted


def test_mean_of_the_shares_is_the_mean_over_all_terms():
    *both, counts = zip(*run_on_processes(share, 2))
    for shares in both:
        assert torch.stack(shares).mean() == sum(sum(TERMS, [])) / 5
    assert counts == (4, 1)  # as given


def test_a_count_is_not_copied_to_the_device():
    total = torch.zeros((), device='meta')
    with host_traffic() as counts:
        mean_across_processes(total, 4)
        mean_across_processes(total, torch.zeros((), dtype=torch.long, device='meta'))
    assert not counts
