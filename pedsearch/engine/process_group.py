"""Several processes on a machine without GPU."""

import logging
import os
import sys

import torch
import torch.distributed as dist


def init_cpu_process_group(launcher: str) -> None:
    """Join torchrun's processes over gloo where there is no GPU; do nothing elsewhere.

    mmengine's own launcher code takes a GPU for granted. Call it before the Runner is built.

    Args:
        launcher: as on the command line; only 'pytorch' (torchrun) can run without GPU.

    Raises:
        ValueError: another launcher on a machine without GPU.
    """
    if launcher == 'none' or torch.cuda.is_available() or dist.is_initialized():
        return
    if launcher != 'pytorch':
        raise ValueError(f"without a GPU, launcher must be 'none' or 'pytorch', got {launcher!r}; use torchrun")
    dist.init_process_group('gloo')


def exit_process_group() -> None:
    """End this process once all of its group have come here; return where there is no group.

    A process that takes its gloo group down while others still use theirs aborts now and then, after all its work is
    done, and torchrun then reports a failure. So on the CPU the process ends at once, without taking anything down.
    """
    if not dist.is_initialized():
        return
    dist.barrier()
    if dist.get_backend() != 'gloo':
        dist.destroy_process_group()
        return
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
