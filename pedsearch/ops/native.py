"""Find, load and call the compiled kernels.

The kernels are plain C functions on raw pointers, so that a library built once serves every Python and torch version.
Its file name carries a hash of the sources: a library built from other sources is never loaded. Everything works
without one, through the torch references beside each operator.

Calling convention of a kernel: tensors as pointers to contiguous memory, integers as ``int64_t``, floats as
``double``, tuples of either as pointers to memory of the host, then the number of threads (CPU, ``int64_t``) or the
stream (CUDA, ``void*``); it returns 0, 1 for out of memory, or 2 for a failed CUDA call.
"""

import ctypes
import hashlib
import os
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

SOURCES = Path(__file__).parent / 'csrc'
BUILD_COMMANDS = {'cpu': 'python -m pedsearch.ops.build', 'cuda': 'python -m pedsearch.ops.build --cuda'}
_SUFFIXES = {'cpu': ('.h', '.cpp'), 'cuda': ('.h', '.cuh', '.cu')}
_ERRORS = {1: (MemoryError, 'a native kernel of pedsearch ran out of memory; use fewer samples or fewer neighbours'),
           2: (RuntimeError, 'a CUDA kernel of pedsearch failed; run again with CUDA_LAUNCH_BLOCKING=1 to see where')}

_use_native: ContextVar[bool] = ContextVar('use_native', default=True)


class NativeLibrary:
    """The compiled kernels of one kind of device."""

    def __init__(self, path: Path, device_type: str) -> None:
        self.functions = ctypes.CDLL(str(path))
        _ = self.functions.sparse_product  # AttributeError from a library that lacks the kernels
        self.device_type = device_type

    def call(self, name: str, *args: Tensor | int | float | tuple | None) -> None:
        """Run the kernel ``name`` on ``args``.

        Args:
            name: C name of the function.
            args: contiguous tensors on the library's device (None for a null pointer), integers, floats, tuples.

        Raises:
            MemoryError, RuntimeError: if the kernel reports an error.
        """
        values = [self._convert(name, arg) for arg in args]
        device = next(arg.device for arg in args if isinstance(arg, Tensor))
        if self.device_type == 'cuda':
            with torch.cuda.device(device):
                status = self.functions[name](*values, ctypes.c_void_p(torch.cuda.current_stream().cuda_stream))
        else:
            status = self.functions[name](*values, ctypes.c_int64(torch.get_num_threads()))
        if status:
            error, message = _ERRORS[status]
            raise error(message)

    def _convert(self, name: str, arg: Tensor | int | float | tuple | None) -> Any:
        if arg is None:
            return ctypes.c_void_p(None)
        if isinstance(arg, Tensor):
            if not arg.is_contiguous() or arg.device.type != self.device_type:
                raise ValueError(f'{name} needs contiguous tensors on {self.device_type}, got strides {arg.stride()} '
                                 f'on {arg.device}')
            return ctypes.c_void_p(arg.data_ptr())
        if isinstance(arg, tuple):
            kind = ctypes.c_double if isinstance(arg[0], float) else ctypes.c_int64
            return (kind * len(arg))(*arg)
        return ctypes.c_double(arg) if isinstance(arg, float) else ctypes.c_int64(arg)


def native_library(device: torch.device) -> NativeLibrary | None:
    """The compiled kernels for ``device``, or None where the torch references have to do.

    Warns once if none were built. ``PEDSEARCH_NATIVE=0`` in the environment, or :func:`reference_kernels`, turns them
    off.
    """
    if not _use_native.get() or os.environ.get('PEDSEARCH_NATIVE') == '0' or device.type not in BUILD_COMMANDS:
        return None
    return _load(device.type)


@contextmanager
def reference_kernels() -> Iterator[None]:
    """Use the torch references inside the block, whether or not kernels are compiled."""
    token = _use_native.set(False)
    try:
        yield
    finally:
        _use_native.reset(token)


@cache
def _load(device_type: str) -> NativeLibrary | None:
    for folder in library_folders():
        path = folder / library_name(device_type)
        if os.path.isfile(path):  # False, too, where the folder may not be read
            try:
                return NativeLibrary(path, device_type)
            except (OSError, AttributeError) as error:
                warnings.warn(f'{path} cannot be loaded ({error}); build it again: {BUILD_COMMANDS[device_type]}',
                              stacklevel=4)
    warnings.warn(f'the native {device_type} kernels of pedsearch are not built; it goes on with slower torch code. '
                  f'Build them once: {BUILD_COMMANDS[device_type]}', stacklevel=4)
    return None


def library_folders() -> list[Path]:
    """Where a library is looked for: beside the sources, then in the user's cache (for read-only installations)."""
    cache_home = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    return [SOURCES.parent / 'lib', Path(cache_home) / 'pedsearch']


def library_name(device_type: str) -> str:
    """File name of the library that the present sources make on this kind of machine."""
    digest = hashlib.sha256()
    for path in sources(device_type):
        digest.update(path.name.encode() + b'\0' + path.read_bytes() + b'\0')
    return f'pedsearch_{device_type}_{platform.system()}_{platform.machine()}_{digest.hexdigest()[:12]}.so'.lower()


def sources(device_type: str) -> list[Path]:
    """All source files of one library, headers included, in a fixed order."""
    return sorted(path for path in SOURCES.iterdir() if path.suffix in _SUFFIXES[device_type])
