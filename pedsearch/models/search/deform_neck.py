"""The neck of DICL: the last two stages of the backbone added, each through a deformable convolution.

Shape legend: B images, C4 and C5 channels of the last two stages, H × W their common size.
"""

from mmengine.model import BaseModule
from torch import Tensor, nn

from pedsearch.registry import MODELS

from ..layers import DeformConv2dPack


@MODELS.register_module()
class DeformC45Neck(BaseModule):
    """One map from the last two of equal size: ``r = C4 + DCN1x1(C5)``, ``out = r + DCN3x3(r)``.

    Args:
        in_channels: (C4, C5).
        offset_init: 'xavier' draws the offset convolutions as the released code does, where an initialisation meant for
            others reaches them: samples start about 1.4 times the size of the activations away. 'zero' starts from
            ordinary convolutions.

    Source: DICL (Wang et al., Pattern Recognition 2024), released code. Deviation: its layers without use are left out.
    """

    def __init__(self, in_channels: tuple[int, int] = (1024, 2048), offset_init: str = 'xavier',
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if offset_init not in ('xavier', 'zero'):
            raise ValueError(f"offset_init must be 'xavier' or 'zero', got {offset_init!r}")
        self.offset_init = offset_init
        c4, c5 = in_channels
        self.lateral = DeformConv2dPack(c5, c4, 1)
        self.fusion = DeformConv2dPack(c4, c4, 3, padding=1)

    def init_weights(self) -> None:
        super().init_weights()
        if self.offset_init == 'xavier':
            for layer in (self.lateral, self.fusion):
                nn.init.xavier_uniform_(layer.conv_offset.weight)

    def forward(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
        """Last two (B, C4, H, W), (B, C5, H, W) of the backbone's maps -> one map (B, C4, H, W)."""
        c4, c5 = inputs[-2:]
        if c4.shape[2:] != c5.shape[2:]:
            raise ValueError(f'the last two stages must have maps of one size, got {tuple(c4.shape[2:])} and '
                             f'{tuple(c5.shape[2:])}; set the stride of the last stage to 1')
        fused = c4 + self.lateral(c5)
        return (fused + self.fusion(fused), )
