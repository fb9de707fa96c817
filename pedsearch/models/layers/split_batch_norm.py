"""Batch norm of contiguous chunks of the batch, as data parallel training on several devices computes it.

Shape legend: B rows of this process' batch, C channels, W processes, S chunks of this process.
"""

from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce, get_rank, get_world_size
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pedsearch.registry import MODELS

from .batch_norm_conversion import convert_batch_norms

RUNNING_STATS = ('first', 'mean', 'sequential')


class _SplitBatchNorm(_BatchNorm):
    """Batch norm that normalises each contiguous chunk of the batch by the chunk's own statistics.

    The chunks are those of the global batch, of which process r holds the r-th contiguous part: with W processes each
    of them has ``num_splits / W``. Their affine parameters are shared. In eval mode it is plain batch norm, and so are
    the keys of its state dict.

    Args:
        num_features, eps, momentum, affine, track_running_stats: as in torch.
        num_splits: chunks of the global batch, a multiple of W.
        running_stats: whose statistics the running ones follow. 'first': the first chunk's, as with
            ``nn.DataParallel``. 'mean': the average over chunks. 'sequential': those of one chunk after another, as
            when they were batches of their own (one process only). The first two need :func:`sync_running_stats`
            before evaluation where W > 1.

    **State** as in torch; with 'sequential' ``num_batches_tracked`` counts chunks.

    Source: own; it is what ``nn.DataParallel`` does on ``num_splits`` devices. Deviation: none.
    """

    def __init__(self, num_features: int, *args: Any, num_splits: int, running_stats: str = 'first',
                 **kwargs: Any) -> None:
        super().__init__(num_features, *args, **kwargs)
        self._set_splits(num_splits, running_stats)

    def _set_splits(self, num_splits: int, running_stats: str) -> None:
        self.num_splits = num_splits
        self.local_splits = splits_per_process(num_splits, running_stats)
        self.running_stats = running_stats

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, ...) -> the same shape.

        Raises:
            ValueError: the chunks would be unequal, or have one value per channel.
        """
        if not self.training:
            return super().forward(input)
        self._check_input_dim(input)
        splits = self.local_splits
        if len(input) % splits or input.numel() < 2 * splits * input.size(1):
            raise ValueError(f'batch norm in {splits} splits needs a batch that is a multiple of {splits} and two '
                             f'values per channel and split, got {tuple(input.shape)}; change the batch size (and drop '
                             'incomplete batches) or bn_splits')
        if splits == 1:
            return super().forward(input)
        means = variances = [None] * splits
        if self.track_running_stats:  # momentum 1 makes batch norm fill them with the chunks' statistics
            means, variances = (stat.new_zeros(splits, input.size(1)) for stat in (self.running_mean, self.running_var))
        # A loop over a handful of chunks: one call on (B / S, S * C, ...) copies the batch twice more and loses the
        # channels-last layout.
        output = torch.cat([F.batch_norm(chunk, mean, var, self.weight, self.bias, True, 1., self.eps)
                            for chunk, mean, var in zip(input.chunk(splits), means, variances)])
        if self.track_running_stats:
            self._follow(means, variances)
        return output

    def _follow(self, means: Tensor, variances: Tensor) -> None:
        """Move the running statistics towards those of the chunks, both (S, C)."""
        if self.running_stats == 'first':
            means, variances = means[:1], variances[:1]
        elif self.running_stats == 'mean':
            means, variances = means.mean(dim=0, keepdim=True), variances.mean(dim=0, keepdim=True)
        for mean, var in zip(means, variances):
            self.num_batches_tracked.add_(1)
            weight = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean, weight)
            self.running_var.lerp_(var, weight)

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, num_splits={self.num_splits}, running_stats={self.running_stats}'


@MODELS.register_module()
class SplitBatchNorm1d(_SplitBatchNorm, nn.BatchNorm1d):
    __doc__ = _SplitBatchNorm.__doc__


@MODELS.register_module()
class SplitBatchNorm2d(_SplitBatchNorm, nn.BatchNorm2d):
    __doc__ = _SplitBatchNorm.__doc__


def splits_per_process(num_splits: int, running_stats: str) -> int:
    """S of the settings of :class:`SplitBatchNorm2d`.

    Raises:
        ValueError: settings that do not fit each other or the number of processes.
    """
    world_size = get_world_size()
    if running_stats not in RUNNING_STATS:
        raise ValueError(f'running_stats must be one of {", ".join(RUNNING_STATS)}, got {running_stats!r}')
    if num_splits < 1 or num_splits % world_size:
        raise ValueError(f'num_splits must be a positive multiple of the number of processes, {world_size}, got '
                         f'{num_splits}; use more splits, or CrossProcessBatchNorm for statistics over processes')
    if running_stats == 'sequential' and world_size > 1:
        raise ValueError(f"running_stats='sequential' needs one process, got {world_size}; use 'first' or 'mean'")
    return num_splits // world_size


def split_batch_norms(module: nn.Module, num_splits: int, running_stats: str = 'first') -> nn.Module:
    """Turn every batch norm inside a module into a :class:`SplitBatchNorm2d` or 1d, in place.

    Keys of the state dict, parameters and flags stay, so weights may be loaded before or after.

    Args:
        module (nn.Module): a network, or a batch norm itself.
        num_splits, running_stats: as in :class:`SplitBatchNorm2d`.

    Returns:
        nn.Module: the module.

    Raises:
        TypeError: a norm of another kind, see :func:`~pedsearch.models.layers.convert_batch_norms`.
        ValueError: settings that do not fit.

    Example:
        >>> split_batch_norms(nn.Sequential(nn.BatchNorm1d(8)), num_splits=2)[0].num_splits
        2
    """
    splits_per_process(num_splits, running_stats)  # before anything is changed
    for norm in convert_batch_norms(module, SplitBatchNorm1d, SplitBatchNorm2d):
        norm._set_splits(num_splits, running_stats)
    return module


@torch.no_grad()
def sync_running_stats(module: nn.Module) -> None:
    """Give the split batch norms of all processes the running statistics that one process would have.

    Call it on every process before evaluating or saving. One collective operation; none for one process or a module
    without split norms.

    Args:
        module (nn.Module): a network, wrapped or not.
    """
    norms = [norm for norm in module.modules() if isinstance(norm, _SplitBatchNorm) and norm.track_running_stats]
    if get_world_size() == 1 or not norms:
        return
    first_share, mean_share = float(get_rank() == 0), 1 / get_world_size()
    flat = torch.cat([torch.cat([norm.running_mean, norm.running_var])
                      * (first_share if norm.running_stats == 'first' else mean_share) for norm in norms])
    all_reduce(flat)
    for norm, stats in zip(norms, flat.split([2 * norm.num_features for norm in norms])):
        norm.running_mean.copy_(stats[:norm.num_features])
        norm.running_var.copy_(stats[norm.num_features:])
