"""MobileNetV2 with a finer last map.

Shape legend: B images, H and W their height and width in pixels.
"""

from mmpretrain.models.backbones import MobileNetV2

from pedsearch.registry import MODELS


@MODELS.register_module()
class ReIDMobileNetV2(MobileNetV2):
    """``mmpretrain.MobileNetV2`` whose sixth stage can keep the size of its input.

    Parameters and their names stay those of ``mmpretrain.MobileNetV2``, without those behind the last of its
    ``out_indices``; with all of them the last map has shape
    (B, 1280, H / 16, W / 16) with ``last_stride=1`` and (B, 1280, H / 32, W / 32) with 2.

    Args:
        last_stride: stride of the last stage that has one (``layer6``), 1 or 2.
        **kwargs: of ``mmpretrain.MobileNetV2``.

    Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018, table 2.
    Deviation: the last stride is 1 by default, as person re-identification keeps it.

    Example:
        >>> import torch
        >>> ReIDMobileNetV2(widen_factor=0.25)(torch.zeros(1, 3, 64, 32))[-1].shape
        torch.Size([1, 1280, 4, 2])
    """

    def __init__(self, last_stride: int = 1, **kwargs) -> None:
        if last_stride not in (1, 2):
            raise ValueError(f'last_stride must be 1 or 2, got {last_stride}')
        super().__init__(**kwargs)
        self.layer6[0].conv[1].conv.stride = (last_stride, last_stride)
        for name in self.layers[max(self.out_indices) + 1:]:  # they would run and never get a gradient
            delattr(self, name)
        del self.layers[max(self.out_indices) + 1:]
