"""Deformable RoI pooling that predicts its own offsets.

Shape legend: B images, C channels, H x W feature map, R RoIs, h x w bins of a RoI.
"""

from mmengine.model import BaseModule
from torch import Tensor, nn

from pedsearch.ops import deform_roi_pool
from pedsearch.registry import MODELS


@MODELS.register_module()
class DeformRoIPoolPack(BaseModule):
    """Pool without offsets, let three linear layers make offsets from that, pool again.

    The last layer begins at zero, so that a new layer is RoIAlign. The parameters have the names of mmcv's layer of
    this name.

    Args:
        output_size: (h, w).
        channels: C.
        fc_channels: width of the two hidden layers.
        gamma: shift of a bin per unit of offset, as a fraction of the size of the RoI.
        spatial_scale: pixels of the map per pixel of the image.

    Source: Dai et al., Deformable Convolutional Networks, ICCV 2017, section 2.2.
    Deviation: sampling of RoIAlign, see :func:`pedsearch.ops.deform_roi_pool`.
    """

    def __init__(self, output_size: tuple[int, int], channels: int, fc_channels: int = 1024, gamma: float = 0.1,
                 spatial_scale: float = 1.0, init_cfg: dict | list | None = None) -> None:
        super().__init__(init_cfg)
        self.output_size = tuple(output_size)
        self.channels, self.gamma, self.spatial_scale = channels, gamma, spatial_scale
        bins = self.output_size[0] * self.output_size[1]
        self.offset_fc = nn.Sequential(
            nn.Linear(bins * channels, fc_channels), nn.ReLU(inplace=True),
            nn.Linear(fc_channels, fc_channels), nn.ReLU(inplace=True),
            nn.Linear(fc_channels, bins * 2))
        nn.init.zeros_(self.offset_fc[-1].weight)
        nn.init.zeros_(self.offset_fc[-1].bias)

    def forward(self, feats: Tensor, rois: Tensor) -> Tensor:
        """Maps (B, C, H, W) and rois (R, 5) rows (image index, x1, y1, x2, y2) in pixels -> (R, C, h, w)."""
        if feats.shape[1] != self.channels:
            raise ValueError(f'feats must have shape (B, {self.channels}, H, W), got {tuple(feats.shape)}; '
                             'set channels to the width of the neck')
        pooled = deform_roi_pool(feats, rois, None, self.output_size, self.spatial_scale)
        offsets = self.offset_fc(pooled.flatten(1)).view(-1, 2, *self.output_size)  # (R, C h w) -> (R, 2, h, w)
        return deform_roi_pool(feats, rois, offsets, self.output_size, self.spatial_scale, gamma=self.gamma)
