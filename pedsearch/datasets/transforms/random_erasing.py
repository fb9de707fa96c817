"""Random erasing as the re-identification recipes have it.

Shape legend: H × W image, n draws.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from mmcv.transforms import BaseTransform

from pedsearch.registry import TRANSFORMS


class ErasingLaw(NamedTuple):
    """How the size of the erased box is drawn."""

    area: tuple[float, float]
    """Range of the box's share of the image, uniform."""

    aspect: tuple[float, float]
    """Range of height / width."""

    log_aspect: bool
    """Draw the aspect uniformly in its logarithm."""

    max_tries: int
    """Sizes drawn until one fits; then the image stays whole."""


LAWS = {
    'plain': ErasingLaw(area=(.02, .4), aspect=(.3, 1 / .3), log_aspect=False, max_tries=100),
    'log': ErasingLaw(area=(.02, .33), aspect=(.3, 3.3), log_aspect=True, max_tries=10),
}


def draw_box_sizes(num: int, img_shape: tuple[int, int], law: ErasingLaw) -> np.ndarray:
    """Draw sizes of boxes to erase, whether they fit into the image or not.

    h = round(sqrt(share · H · W · aspect)), w = round(sqrt(share · H · W / aspect)), from NumPy's global generator.

    Args:
        num (int): n.
        img_shape (tuple[int, int]): (H, W).
        law (ErasingLaw): Ranges of share and aspect.

    Returns:
        np.ndarray: (n, 2) int64, heights and widths.
    """
    area = np.random.uniform(*law.area, num) * np.prod(img_shape)
    if law.log_aspect:
        aspect = np.exp(np.random.uniform(*np.log(law.aspect), num))
    else:
        aspect = np.random.uniform(*law.aspect, num)
    return np.rint(np.sqrt(np.stack([area * aspect, area / aspect], axis=1))).astype(np.int64)


@TRANSFORMS.register_module()
class RandomErasing(BaseTransform):
    """Paint a random box of the image in one colour.

    The first drawn size that is smaller than the image in height and in width is taken; its place is uniform. Changes
    ``img``, which must be (H, W, 3).

    Args:
        law (str): 'plain' (share U(0.02, 0.4), aspect U(0.3, 1/0.3), 100 tries) or 'log', torchvision's (share
            U(0.02, 0.33), aspect log-uniform in 0.3...3.3, 10 tries). Default: 'plain'.
        prob (float): Probability in [0, 1]. Default: 0.5.
        fill (Sequence[float]): Colour in pixel values 0...255, in the channel order of the image: BGR after
            ``LoadImage``. Rounded for integer images. The default is what becomes 0.485, 0.456, 0.406 (RGB) once the
            ImageNet statistics are applied; ``(103.53, 116.28, 123.675)``, the mean colour, becomes 0.

    Raises:
        ValueError: An unknown law, a probability or colour out of range, or an image without three channels.

    Source: Zhong et al., "Random Erasing Data Augmentation", AAAI 2020, algorithm 1; law and colours of the public code
        of BoT, SpCL and Cluster Contrast ('plain') and fast-reid ('log', mean colour).
    Deviation: these paint after the normalisation; here the colour of an integer image is rounded before it, by at most
        half a grey level (0.5/255 before division by the standard deviation).
    """

    def __init__(self, law: str = 'plain', prob: float = 0.5,
                 fill: Sequence[float] = (126.8, 142.3, 152.0)) -> None:
        if law not in LAWS:
            raise ValueError(f'law must be one of {sorted(LAWS)}, got {law!r}')
        if not 0 <= prob <= 1:
            raise ValueError(f'prob must lie in [0, 1], got {prob}')
        if len(fill) != 3 or not all(0 <= value <= 255 for value in fill):
            raise ValueError(f'fill must be three pixel values in 0...255 (BGR), got {fill}')
        self.law = law
        self.prob = prob
        self.fill = tuple(fill)

    def transform(self, results: dict) -> dict:
        img = results['img']
        if img.ndim != 3 or img.shape[2] != 3:
            raise ValueError(f'img must have shape (H, W, 3), got {img.shape}; read it in colour (LoadImage)')
        if np.random.random() >= self.prob:
            return results
        law, img_shape = LAWS[self.law], img.shape[:2]
        sizes = draw_box_sizes(law.max_tries, img_shape, law)
        sizes = sizes[(sizes < img_shape).all(axis=1)]
        if len(sizes):
            height, width = sizes[0]
            top, left = np.random.randint(np.subtract(img_shape, sizes[0]) + 1)
            img = img.copy()
            fill = np.rint(self.fill) if np.issubdtype(img.dtype, np.integer) else self.fill
            img[top:top + height, left:left + width] = fill
            results['img'] = img
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(law={self.law!r}, prob={self.prob}, fill={self.fill})'
