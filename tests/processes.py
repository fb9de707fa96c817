"""Runs a function on several gloo processes of this machine."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def _enter(rank: int, function: Callable, world_size: int, folder: str, args: tuple) -> None:
    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world_size))  # as torchrun does
    dist.init_process_group('gloo', init_method=f'file://{folder}/store', rank=rank, world_size=world_size)
    torch.save(function(rank, world_size, *args), Path(folder, f'{rank}.pt'))
    dist.barrier()
    os._exit(0)  # as exit_process_group: gloo aborts now and then when it is taken down


def run_on_processes(function: Callable, world_size: int, *args: object) -> list:
    """Results of ``function(rank, world_size, *args)`` on each of ``world_size`` processes, by rank.

    The function must be importable, its result storable by ``torch.save``.
    """
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(_enter, (function, world_size, folder, args), nprocs=world_size)
        return [torch.load(Path(folder, f'{rank}.pt'), weights_only=False) for rank in range(world_size)]
