"""From an appearance code to the means and spreads that the decoder gives its maps.

Shape legend: B samples, C code channels, P parts (horizontal stripes), J blocks of the decoder, D decoder channels.
"""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from pedsearch.registry import MODELS

from .conv_blocks import SLOPE

PART_LAYOUTS = ('channel', 'part')


def flatten_codes(codes: Tensor, part_layout: str = 'channel') -> Tensor:
    """Part codes (B, C, P) as vectors (B, C * P).

    Args:
        codes (Tensor): (B, C, P).
        part_layout (str): 'channel': value ``P * channel + part``; a contiguous slice has all parts of some channels.
            'part': value ``C * part + channel``; each of P slices is one part.

    Example:
        >>> flatten_codes(torch.tensor([[[0, 1], [2, 3], [4, 5]]]), 'part')
        tensor([[0, 2, 4, 1, 3, 5]])
    """
    return (codes if part_layout == 'channel' else codes.transpose(1, 2)).flatten(1)


@MODELS.register_module()
class StyleMapper(BaseModule):
    """2 J small perceptrons: slice j of the code gives the scales and shifts of the two AdaIN layers of block j.

    Each has three linear layers, ``code_dims / J`` -> ``hidden_dims`` -> ``hidden_dims`` -> ``2 * channels``.

    Args:
        code_dims: C * P, a multiple of J.
        hidden_dims: of a perceptron.
        channels: D.
        num_blocks: J.
        part_layout: which values slice j holds, see :func:`flatten_codes`; 'part' needs P = J.
        init_cfg: as in mmengine; None: Kaiming normal weights (fan in, gain of a ReLU), zero biases.

    Raises:
        ValueError: settings that do not fit each other.

    Source: Chen et al., "Joint Generative and Contrastive Learning for Unsupervised Person Re-identification", CVPR
    2021 (GCL), whose released code has the layout 'channel'. Deviation: none.

    Example:
        >>> scales, shifts = StyleMapper(code_dims=64, hidden_dims=16, channels=8)(torch.zeros(3, 16, 4))
        >>> scales.shape, shifts.shape
        (torch.Size([3, 8, 8]), torch.Size([3, 8, 8]))
    """

    def __init__(self, code_dims: int = 8192, hidden_dims: int = 512, channels: int = 128, num_blocks: int = 4,
                 part_layout: str = 'channel', init_cfg: dict | list | None = None) -> None:
        super().__init__(init_cfg or dict(type='Kaiming', layer='Conv1d', mode='fan_in'))
        if part_layout not in PART_LAYOUTS:
            raise ValueError(f'part_layout must be one of {", ".join(PART_LAYOUTS)}, got {part_layout!r}')
        if code_dims % num_blocks:
            raise ValueError(f'code_dims must be a multiple of num_blocks = {num_blocks}, got {code_dims}; it is the '
                             'number of channels of the backbone times the number of parts')
        self.code_dims = code_dims
        self.channels = channels
        self.num_blocks = num_blocks
        self.part_layout = part_layout
        num = 2 * num_blocks  # perceptrons, side by side as the groups of one convolution
        self.perceptrons = nn.Sequential(
            nn.Conv1d(2 * code_dims, num * hidden_dims, 1, groups=num), nn.LeakyReLU(SLOPE),
            nn.Conv1d(num * hidden_dims, num * hidden_dims, 1, groups=num), nn.LeakyReLU(SLOPE),
            nn.Conv1d(num * hidden_dims, num * 2 * channels, 1, groups=num))

    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Scales and shifts of codes.

        Args:
            codes (Tensor): (B, C, P), C * P = code_dims.

        Returns:
            tuple[Tensor, Tensor]: each (B, 2 J, D), two layers of block 0 first.

        Raises:
            ValueError: another shape.
        """
        if codes.ndim != 3 or codes[0].numel() != self.code_dims:
            raise ValueError(f'codes must have shape (B, C, P) with C * P = {self.code_dims}, got '
                             f'{tuple(codes.shape)}; set code_dims to the backbone\'s channels times the parts')
        if self.part_layout == 'part' and codes.size(2) != self.num_blocks:
            raise ValueError(f"part_layout='part' needs as many parts as blocks, {self.num_blocks}, got "
                             f"{codes.size(2)}; change one of them, or use part_layout='channel'")
        slices = flatten_codes(codes, self.part_layout)[..., None]  # (B, code_dims, 1)
        styles = self.perceptrons(torch.cat([slices, slices], dim=1))  # (B, 2 J * 2 D, 1): all scales, all shifts
        scales, shifts = styles.view(len(codes), 2, 2 * self.num_blocks, self.channels).unbind(dim=1)
        return scales, shifts
