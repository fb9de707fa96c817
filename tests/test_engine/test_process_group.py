import pytest
import torch
import torch.distributed as dist

from pedsearch.engine import init_cpu_process_group


def test_one_process_needs_no_group():
    init_cpu_process_group('none')
    assert not dist.is_initialized()


@pytest.mark.skipif(torch.cuda.is_available(), reason='tells what happens without a GPU')
def test_launchers_that_need_a_gpu_are_refused():
    with pytest.raises(ValueError, match="launcher must be 'none' or 'pytorch', got 'slurm'; use torchrun"):
        init_cpu_process_group('slurm')
