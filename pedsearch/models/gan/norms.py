"""Norms of the generator. Statistics are those of each sample alone, computed in float32 at least.

Shape legend: B samples, C channels, h x w size of a map.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def adain(x: Tensor, scale: Tensor, shift: Tensor, eps: float = 1e-5) -> Tensor:
    """Give each map of each sample a mean and a spread: ``scale * (x - mean) / sqrt(var + eps) + shift``.

    Args:
        x (Tensor): (B, C, h, w), h * w > 1. ``mean`` and ``var`` (biased) are over h and w.
        scale, shift (Tensor): (B, C).
        eps (float): > 0.

    Returns:
        Tensor: (B, C, h, w) of x's type.

    Source: Huang and Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization", ICCV 2017,
    eq. 8. Deviation: none.

    Example:
        >>> x = torch.tensor([[[[1., 2.], [3., 4.]]]])
        >>> adain(x, torch.full((1, 1), 2.), torch.full((1, 1), 0.5)).flatten()
        tensor([-2.1833, -0.3944,  1.3944,  3.1833])
    """
    statistics = torch.promote_types(x.dtype, torch.float32)
    maps = x.reshape(1, -1, *x.shape[2:])  # (1, B * C, h, w): to batch norm each map is a channel of one sample
    scale, shift = scale.to(statistics).flatten(), shift.to(statistics).flatten()
    return F.batch_norm(maps, None, None, scale, shift, training=True, eps=eps).view(x.shape)


def sample_layer_norm(x: Tensor, gain: Tensor, shift: Tensor, eps: float = 1e-5) -> Tensor:
    """Layer norm over a whole sample, ``gain * (x - mean) / (std + eps) + shift``.

    Not the layer norm of torch, nor its group norm with one group: the standard deviation is the unbiased one and
    ``eps`` is added outside the root. A constant sample becomes ``shift``.

    Args:
        x (Tensor): (B, C, h, w); mean and std are over C, h and w.
        gain, shift (Tensor): (C,).
        eps (float): > 0.

    Returns:
        Tensor: (B, C, h, w) of x's type.
    """
    with torch.autocast(x.device.type, enabled=False):
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        std, mean = torch.std_mean(wide, dim=(1, 2, 3), keepdim=True)  # (B, 1, 1, 1)
        return torch.addcmul(shift[:, None, None], (wide - mean) / (std + eps), gain[:, None, None]).to(x.dtype)


class SampleLayerNorm(nn.Module):
    """:func:`sample_layer_norm` with a learnt gain, drawn from U(0, 1), and shift, 0 at first, per channel.

    Args:
        num_channels: C.
        eps: > 0.
    """

    def __init__(self, num_channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.rand(num_channels))
        self.shift = nn.Parameter(torch.zeros(num_channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape."""
        return sample_layer_norm(x, self.gain, self.shift, self.eps)

    def extra_repr(self) -> str:
        return f'{len(self.gain)}, eps={self.eps}'
