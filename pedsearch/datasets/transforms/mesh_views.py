"""Pictures of a person's body beside the photo: as photographed, and turned.

Shape legend: H x W network input.
"""

import re
from collections.abc import Callable, Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from pedsearch.registry import TASK_UTILS, TRANSFORMS

_MOVING = re.compile('Flip|Crop|Affine|Rotat|Perspective|Translate|Shear')


@TRANSFORMS.register_module()
class LoadMeshViews(BaseTransform):
    """Set ``mesh`` and ``turned_mesh``, (H, W) uint8 each with background 255, and ``angle_deg``.

    Reads ``img`` and ``name``, the photo's path below the data root. The angle is drawn uniformly from a list, at every
    visit anew. Stands behind the transform that gives the photo its size; none in the pipeline may move the person
    within the frame, so neither flips nor crops. Where the bodies' names are known, all photos must be among them.

    Args:
        views (dict): a ``MeshViewGenerator`` or ``PrecomputedViews``.
        angles_deg (Sequence[int]): degrees that a body is turned by.

    Raises:
        ValueError: No angles, a mesh of another size than the photo, a pipeline that moves people, or a photo without a
            body.

    Source: Chen et al., "Joint Generative and Contrastive Learning for Unsupervised Person Re-identification", CVPR
    2021; the released code never draws 315.
    """

    def __init__(self, views: dict, angles_deg: Sequence[int] = (45, 90, 135, 180, 225, 270, 315)) -> None:
        if not len(angles_deg):
            raise ValueError('LoadMeshViews needs at least one angle, got none')
        self.views = TASK_UTILS.build(views)
        self.angles_deg = tuple(angles_deg)

    def check_pipeline(self, steps: Sequence[Callable]) -> None:
        """Raise where a step of the pipeline moves the person."""
        moving = [type(step).__name__ for step in steps if _MOVING.search(type(step).__name__)]
        if moving:
            raise ValueError(f'bodies are drawn where the photo shows the person, got {", ".join(moving)} in the '
                             'pipeline, which would move the photo alone; leave it out')

    def check_names(self, names: Sequence[str]) -> None:
        """Raise where a photo of the dataset has no body."""
        known = getattr(getattr(self.views, 'bodies', None), 'names', None)
        missing = sorted(set(names) - set(known)) if known else []
        if missing:
            raise ValueError(f'every training photo must have a body, got none for {len(missing)} of {len(names)}, '
                             f'first: {missing[0]}; fit bodies to this dataset, see docs/mesh.md')

    def transform(self, results: dict) -> dict:
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
