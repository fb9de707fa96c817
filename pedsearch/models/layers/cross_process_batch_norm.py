"""Batch norm over all processes.

Shape legend: R rows (regions of interest or images), C channels.
"""

import torch
from mmengine.dist import get_world_size
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

from pedsearch.registry import MODELS

from .batch_norm_conversion import convert_batch_norms


class _CrossProcessBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm whose training statistics are those of all processes, on any device.

    A batch that has one value per channel over all processes is normalised by the running statistics, which then stay
    as they are, where torch raises an error. Arguments and **State** as in torch.

    Source: own; ``torch.nn.SyncBatchNorm`` has no CPU implementation.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(R, C, ...) -> the same shape; R may differ between processes and may be 0."""
        if not self.training:
            return super().forward(input)
        if get_world_size() == 1:
            if input.numel() > input.size(1):
                return super().forward(input)
            return self._normalize(input, self.running_mean, self.running_var)
        x = input.float()
        dims = [dim for dim in range(x.ndim) if dim != 1]
        count = all_reduce(x.new_tensor(x.numel() / x.size(1)))
        if count <= 1:
            return self._normalize(input, self.running_mean, self.running_var)
        mean = all_reduce(x.sum(dim=dims)) / count
        var = all_reduce(((x - self._per_channel(mean, x))**2).sum(dim=dims)) / count
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var * count / (count - 1), self.momentum)
            self.num_batches_tracked.add_(1)
        return self._normalize(input, mean, var)

    def _normalize(self, input: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        scale = torch.rsqrt(var + self.eps) * self.weight
        shift = self.bias - mean * scale
        output = input.float() * self._per_channel(scale, input) + self._per_channel(shift, input)
        return output.to(input.dtype)

    @staticmethod
    def _per_channel(values: Tensor, like: Tensor) -> Tensor:
        return values.view(-1, *[1] * (like.ndim - 2))


class CrossProcessBatchNorm1d(_CrossProcessBatchNorm, nn.BatchNorm1d):
    __doc__ = _CrossProcessBatchNorm.__doc__


@MODELS.register_module()
class CrossProcessBatchNorm2d(_CrossProcessBatchNorm, nn.BatchNorm2d):
    __doc__ = _CrossProcessBatchNorm.__doc__


def cross_process_batch_norms(module: nn.Module) -> nn.Module:
    """Turn every batch norm inside a module into a :class:`CrossProcessBatchNorm2d` or 1d, in place.

    Args:
        module (nn.Module): a network, or a batch norm itself.

    Returns:
        nn.Module: the module.

    Raises:
        TypeError: a norm of another kind, see :func:`~pedsearch.models.layers.convert_batch_norms`.
    """
    convert_batch_norms(module, CrossProcessBatchNorm1d, CrossProcessBatchNorm2d)
    return module
