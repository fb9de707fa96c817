import pytest
import torch
import torch.distributed as dist

from pedsearch.engine import init_cpu_process_group, leave_process_group
from tests.processes import run_on_processes


def test_one_process_needs_no_group():
    init_cpu_process_group('none')
    assert not dist.is_initialized()


@pytest.mark.skipif(torch.cuda.is_available(), reason='tells what happens without a GPU')
def test_launchers_that_need_a_gpu_are_refused():
    with pytest.raises(ValueError, match="launcher must be 'none' or 'pytorch', got 'slurm'; use torchrun"):
        init_cpu_process_group('slurm')


def leave(rank: int, world_size: int) -> tuple:
    before = dist.is_initialized()
    leave_process_group()
    after = dist.is_initialized()
    dist.init_process_group('gloo', init_method='tcp://127.0.0.1:0', rank=0, world_size=1)  # for the caller to leave
    return before, after


def test_leaving_the_group():
    leave_process_group()  # nothing to leave
    assert run_on_processes(leave, 2) == [(True, False)] * 2
