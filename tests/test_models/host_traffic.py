"""Counts where code would wait for a device, without one.

Meta tensors stand for the device's: they have no values, so a value that is asked for has to come from here.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

ATEN = torch.ops.aten


class Creations(TorchFunctionMode):
    """Counts tensors made on the device from Python's numbers, which are copied there."""

    def __init__(self, counts: Counter) -> None:
        super().__init__()
        self.counts = counts

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.tensor, torch.as_tensor) and not isinstance(args[0], torch.Tensor):
            self.counts['to device'] += torch.device(kwargs.get('device') or 'cpu').type == 'meta'
        return func(*args, **kwargs)


class Operators(TorchDispatchMode):
    """Counts values read (answered with 1), sizes that depend on values (all of them), and copies."""

    def __init__(self, counts: Counter) -> None:
        super().__init__()
        self.counts = counts

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs, operator = kwargs or {}, func.overloadpacket
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        target = kwargs.get('device') or (tensors[0].device if tensors else 'cpu')
        devices = {torch.device(target).type} | {tensor.device.type for tensor in tensors}
        if 'meta' not in devices:
            return func(*args, **kwargs)
        if operator is ATEN._local_scalar_dense:
            self.counts['value'] += 1
            return args[0].dtype == torch.bool or 1
        if operator is ATEN.nonzero or operator in (ATEN.index, ATEN.index_put, ATEN.index_put_) and any(
                index.dtype == torch.bool for index in args[1] if index is not None):
            self.counts['nonzero'] += 1
        elif 'cpu' in devices:
            to_host = torch.device(target).type == 'cpu'
            self.counts['to host' if to_host else 'to device'] += 1
            if to_host:
                return torch.ones(args[-1 if operator is ATEN.copy_ else 0].shape, dtype=kwargs.get('dtype'))
        return func(*args, **kwargs)


@contextmanager
def host_traffic() -> Iterator[Counter]:
    """Number of things inside that wait for the device, by kind."""
    counts = Counter()
    with (mock.patch('torch.autocast', return_value=nullcontext()),  # does not know meta tensors
          mock.patch('torch.fx.experimental._config.meta_nonzero_assume_all_nonzero', True),
          Creations(counts), Operators(counts)):
        yield counts
    counts += Counter()  # without zeros
