"""Turns the batch norms of a finished network into norms of another kind."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def convert_batch_norms(module: nn.Module, norm_1d: type[_BatchNorm], norm_2d: type[_BatchNorm]) -> list[_BatchNorm]:
    """Change the class of every batch norm inside a module, in place.

    The norms stay the same objects: parameters, ``requires_grad``, buffers, settings, mode and hooks are kept, and an
    optimizer that was built before still fits.

    Args:
        module (nn.Module): a network, or a batch norm itself.
        norm_1d, norm_2d (type): classes without attributes of their own, which the caller sets.

    Returns:
        list[_BatchNorm]: the norms.

    Raises:
        TypeError: a norm that is neither one- nor two-dimensional, or has parts of its own. Nothing is changed then.
    """
    norms = {name: norm for name, norm in module.named_modules() if isinstance(norm, _BatchNorm)}
    for name, norm in norms.items():
        if not isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d)) or list(norm.children()):
            raise TypeError(f'batch norms to be converted must be BatchNorm1d or BatchNorm2d, got '
                            f"{type(norm).__name__} at {name!r}; build the model with norm_cfg=dict(type='BN') and "
                            'convert it once')
    for norm in norms.values():
        norm.__class__ = norm_1d if isinstance(norm, nn.BatchNorm1d) else norm_2d
    return list(norms.values())
