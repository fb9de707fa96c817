import subprocess
import sys

import pytest
import torch
import torch.distributed as dist

from pedsearch.engine import exit_process_group, init_cpu_process_group


def test_one_process_needs_no_group():
    init_cpu_process_group('none')
    assert not dist.is_initialized()


@pytest.mark.skipif(torch.cuda.is_available(), reason='tells what happens without a GPU')
def test_launchers_that_need_a_gpu_are_refused():
    with pytest.raises(ValueError, match="launcher must be 'none' or 'pytorch', got 'slurm'; use torchrun"):
        init_cpu_process_group('slurm')


def test_without_a_group_the_process_goes_on():
    exit_process_group()


SCRIPT = """
import sys, torch.distributed as dist
from pedsearch.engine import exit_process_group
rank, store = int(sys.argv[1]), sys.argv[2]
dist.init_process_group('gloo', init_method=f'file://{store}', rank=rank, world_size=2)
print('done', rank)
exit_process_group()
print('not reached')
"""


def test_processes_of_a_group_end_together_with_what_they_said(tmp_path):
    processes = [subprocess.Popen([sys.executable, '-W', 'ignore', '-c', SCRIPT, str(rank), str(tmp_path / 'store')],
                                  stdout=subprocess.PIPE, text=True) for rank in range(2)]
    assert [process.communicate()[0].splitlines()[-1] for process in processes] == ['done 0', 'done 1']
    assert [process.returncode for process in processes] == [0, 0]
