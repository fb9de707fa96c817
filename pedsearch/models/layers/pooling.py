"""Maps to vectors.

Shape legend: R rows (regions of interest or images), C channels, h x w positions of a map.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pedsearch.registry import MODELS

MIN_POWER = 1e-3


def global_max_pool(x: Tensor) -> Tensor:
    """(R, C, h, w) -> (R, C)."""
    return F.adaptive_max_pool2d(x, 1).flatten(1)


def gem_pool(x: Tensor, p: float | Tensor, eps: float = 1e-6) -> Tensor:
    """Generalised mean over all positions, ``y = mean(max(x, eps)^p)^(1/p)``.

    ``p = 1`` is average pooling, large ``p`` approaches max pooling. The powers are those of x over its largest value,
    so none overflows.

    Args:
        x (Tensor): (R, C, h, w); computed in float32 at least, since the cube of 41 is no float16.
        p (float | Tensor): the power, () or (1,); taken for 0.001 where it is smaller.
        eps (float): lower bound of the values.

    Returns:
        Tensor: (R, C) in at least float32.

    Source: Radenovic et al., "Fine-tuning CNN Image Retrieval with No Human Annotation", TPAMI 2019, eq. 3.
    Deviation: the bounds of x and p.

    Example:
        >>> round(gem_pool(torch.tensor([1., 2., 3., 4.]).view(1, 1, 2, 2), p=3).item(), 6)
        2.924018
    """
    x = x.to(torch.promote_types(x.dtype, torch.float32)).clamp(min=eps)
    p = torch.as_tensor(p, dtype=x.dtype, device=x.device).clamp(min=MIN_POWER)
    top = x.detach().amax(dim=(2, 3), keepdim=True)  # cancels out of the formula, hence out of the gradient
    return (x / top).pow(p).mean(dim=(2, 3)).pow(1 / p) * top.flatten(1)


@MODELS.register_module()
class GeMPooling(nn.Module):
    """:func:`gem_pool` with one power for all channels.

    Args:
        p: initial power.
        trainable: whether the power is learnt.
        eps: lower bound of the values.

    State: parameter ``p`` (1,).
    """

    def __init__(self, p: float = 3., trainable: bool = True, eps: float = 1e-6) -> None:
        super().__init__()
        if p < MIN_POWER or eps <= 0:
            raise ValueError(f'GeMPooling needs p >= {MIN_POWER} and eps > 0, got {p} and {eps}; p=1 is the average')
        self.p = nn.Parameter(torch.full((1, ), float(p)), requires_grad=trainable)
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(R, C, h, w) -> (R, C)."""
        return gem_pool(x, self.p, self.eps)
