"""Batch norm with statistics and affine parameters of its own for a source domain.

Shape legend: B rows of this process' batch, C channels.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from pedsearch.registry import MODELS

from .batch_norm_conversion import convert_batch_norms
from .split_batch_norm import SplitBatchNorm1d, SplitBatchNorm2d, _SplitBatchNorm, splits_per_process


class _DomainBatchNorm(_SplitBatchNorm):
    """Two batch norms: the source domain's, and the target domain's, which is used at test time.

    The training batch of each process is [source half; target half]. In eval mode all rows go through the target's
    norm. Its keys in the state dict are those of plain batch norm, the source's are under ``source.``: a plain
    checkpoint fills both, and a state dict without the ``source.`` keys fits the plain network.

    Args:
        num_features, eps, momentum, affine, track_running_stats, running_stats: as in
            :class:`~pedsearch.models.layers.SplitBatchNorm2d`.
        num_splits: contiguous chunks of one domain's rows in the global batch.

    **State** as in torch, twice.

    Source: Chang et al., "Domain-Specific Batch Normalization for Unsupervised Domain Adaptation", CVPR 2019, with the
    halves of SpCL (Ge et al., NeurIPS 2020). Deviation: a frozen shift stays frozen in both domains; the released
    conversion thaws it.
    """

    def __init__(self, num_features: int, *args: Any, num_splits: int = 1, running_stats: str = 'first',
                 **kwargs: Any) -> None:
        super().__init__(num_features, *args, num_splits=num_splits, running_stats=running_stats, **kwargs)
        self._add_source()

    def _add_source(self) -> None:
        source = deepcopy(self)
        source.__class__ = SplitBatchNorm1d if isinstance(self, nn.BatchNorm1d) else SplitBatchNorm2d
        self.source = source

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, ...) -> the same shape.

        Raises:
            ValueError: the batch has no two equal halves, or they do not fit ``num_splits``.
        """
        if not self.training:
            return super().forward(input)
        if len(input) % 2:
            raise ValueError(f'domain batch norm needs a batch [source half; target half], got {len(input)} rows; draw '
                             'as many source as target images')
        source, target = input.chunk(2)
        return torch.cat([self.source(source), super().forward(target)])

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        for name in self.source.state_dict():
            if prefix + name in state_dict:
                state_dict.setdefault(f'{prefix}source.{name}', state_dict[prefix + name].clone())
        super()._load_from_state_dict(state_dict, prefix, *args)


@MODELS.register_module()
class DomainBatchNorm1d(_DomainBatchNorm, nn.BatchNorm1d):
    __doc__ = _DomainBatchNorm.__doc__


@MODELS.register_module()
class DomainBatchNorm2d(_DomainBatchNorm, nn.BatchNorm2d):
    __doc__ = _DomainBatchNorm.__doc__


def domain_batch_norms(module: nn.Module, num_splits: int = 1, running_stats: str = 'first') -> nn.Module:
    """Turn every batch norm inside a module into a :class:`DomainBatchNorm2d` or 1d, in place.

    The source's norm starts as a copy of the norm, frozen parameters stay frozen in both. It has parameters of its own,
    so the optimizer is built afterwards.

    Args:
        module (nn.Module): a network, or a batch norm itself.
        num_splits, running_stats: as in :class:`DomainBatchNorm2d`.

    Returns:
        nn.Module: the module.

    Raises:
        TypeError: a norm of another kind, see :func:`~pedsearch.models.layers.convert_batch_norms`.
        ValueError: settings that do not fit.
    """
    splits_per_process(num_splits, running_stats)  # before anything is changed
    for norm in convert_batch_norms(module, DomainBatchNorm1d, DomainBatchNorm2d):
        norm._set_splits(num_splits, running_stats)
        norm._add_source()
    return module
