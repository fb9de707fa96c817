"""Tells photos from generated images, at several resolutions.

Shape legend: B images, H x W their size, K channels of the first convolution, S scales.
"""

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from pedsearch.registry import MODELS

from .conv_blocks import ResidualBlock, conv_block


@MODELS.register_module()
class MultiScaleDiscriminator(BaseModule):
    """The same network, with weights of its own, on the image, on its half, on its quarter, and so on.

    A score near 1 says photo, near 0 generated; each sees 77 x 77 pixels of its scale. There is no norm anywhere.

    Args:
        num_scales: S.
        base_channels: K.
        num_blocks: residual blocks of a scale.
        init_cfg: as in mmengine; None: weights from N(0, 0.02), zero biases.

    Source: Chen et al., "Joint Generative and Contrastive Learning for Unsupervised Person Re-identification", CVPR
    2021 (GCL). Deviation: none.

    Example:
        >>> import torch
        >>> [tuple(score.shape) for score in MultiScaleDiscriminator()(torch.zeros(2, 3, 64, 32))]
        [(2, 1, 16, 8), (2, 1, 8, 4), (2, 1, 4, 2)]
    """

    def __init__(self, num_scales: int = 3, base_channels: int = 32, num_blocks: int = 4,
                 init_cfg: dict | list | None = None) -> None:
        super().__init__(init_cfg or dict(type='Normal', layer='Conv2d', std=0.02))
        width = base_channels
        self.min_size = 4 * 2 ** (num_scales - 1) + 1  # two rows and columns in the last map, or a border has no mirror
        self.scales = nn.ModuleList(
            nn.Sequential(
                conv_block(3, width, 1), conv_block(width, width, 3), conv_block(width, width, 3, stride=2),
                conv_block(width, width, 3), conv_block(width, 2 * width, 3, stride=2),
                *(ResidualBlock(2 * width) for _ in range(num_blocks)), nn.Conv2d(2 * width, 1, 1))
            for _ in range(num_scales))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Score maps of images.

        Args:
            images (Tensor): (B, 3, H, W), normalised.

        Returns:
            list[Tensor]: scale s (B, 1, H / (4 * 2^s), W / (4 * 2^s)), rounded up.

        Raises:
            ValueError: another shape, or images that are too small.
        """
        if images.ndim != 4 or images.size(1) != 3 or min(images.shape[2:]) < self.min_size:
            raise ValueError(f'images must have shape (B, 3, H, W) with H and W >= {self.min_size}, got '
                             f'{tuple(images.shape)}; use larger images or fewer scales')
        scores = [self.scales[0](images)]
        for scale in self.scales[1:]:
            images = F.avg_pool2d(images, 3, stride=2, padding=1, count_include_pad=False)
            scores.append(scale(images))
        return scores
