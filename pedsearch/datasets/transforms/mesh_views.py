"""Pictures of a person's body beside the photo: as photographed, and turned.

Shape legend: H x W network input.
"""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from pedsearch.registry import TASK_UTILS, TRANSFORMS


@TRANSFORMS.register_module()
class LoadMeshViews(BaseTransform):
    """Set ``mesh`` and ``turned_mesh``, (H, W) uint8 each with background 255, and ``angle_deg``.

    Reads ``img`` and ``name``, the photo's path below the data root. The angle is drawn uniformly from a list, at every
    visit anew. Stands behind the transforms that give the photo its size; none of them may move the person within the
    frame, so neither flips nor crops.

    Args:
        views (dict): a ``MeshViewGenerator`` or ``PrecomputedViews``.
        angles_deg (Sequence[int]): degrees that a body is turned by.

    Raises:
        ValueError: No angles, a mesh of another size than the photo, or a photo that was flipped or cropped.

    Source: Chen et al., "Joint Generative and Contrastive Learning for Unsupervised Person Re-identification", CVPR
    2021; the released code never draws 315.
    """

    def __init__(self, views: dict, angles_deg: Sequence[int] = (45, 90, 135, 180, 225, 270, 315)) -> None:
        if not len(angles_deg):
            raise ValueError('LoadMeshViews needs at least one angle, got none')
        self.views = TASK_UTILS.build(views)
        self.angles_deg = tuple(angles_deg)

    def transform(self, results: dict) -> dict:
        if results.get('flip'):
            raise ValueError(f'the photo {results["img_path"]} was flipped and its mesh was not; leave RandomFlip out')
        angle = self.angles_deg[np.random.randint(len(self.angles_deg))]
        mesh, turned = self.views(results['name'], (0, angle))
        size = results['img'].shape[:2]
        if mesh.shape != size:
            raise ValueError(f'mesh and photo must have one size, got {mesh.shape} and {size} for '
                             f'{results["img_path"]}; give the views the image_size of the photos')
        results.update(mesh=mesh, turned_mesh=turned, angle_deg=angle)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(views={self.views!r}, angles_deg={self.angles_deg})'
