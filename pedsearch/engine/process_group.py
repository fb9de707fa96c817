"""Several processes on a machine without GPU."""

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


def leave_process_group() -> None:
    """Wait for the other processes and leave the group; without it a process may abort while it ends."""
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()
