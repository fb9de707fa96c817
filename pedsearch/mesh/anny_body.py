"""A full human body without a licence fee: anny (Apache-2.0 code, CC0 data)."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from pedsearch.registry import TASK_UTILS

from .bodies import Attachment, BodyPart, BodyShape, Gait, Rest, carry, gait_rotations, skin

_PART_OF_BONE = (
    ('upperarm', BodyPart.UPPER_ARM),
    ('lowerarm', BodyPart.LOWER_ARM),
    ('wrist', BodyPart.HAND),
    ('finger', BodyPart.HAND),
    ('metacarpal', BodyPart.HAND),
    ('upperleg', BodyPart.UPPER_LEG),
    ('lowerleg', BodyPart.LOWER_LEG),
    ('foot', BodyPart.FOOT),
    ('toe', BodyPart.FOOT),
    ('root', BodyPart.TORSO),
    ('pelvis', BodyPart.TORSO),
    ('spine', BodyPart.TORSO),
    ('breast', BodyPart.TORSO),
    ('clavicle', BodyPart.TORSO),
    ('shoulder', BodyPart.TORSO),
)  # every other bone is of the head: neck, jaw, eyes, muscles of the face

_BONE_OF_JOINT = dict(
    neck='neck01', head='head', shoulder='upperarm01.L', elbow='lowerarm01.L', wrist='wrist.L', hip='upperleg01.L',
    knee='lowerleg01.L', ankle='foot.L',
)  # fmt: skip


@TASK_UTILS.register_module()
class AnnyBody:
    """Bodies of anny, posed as walkers.

    The first construction on a machine reads anny's source data for about half a minute and caches the result, 0.8 GB,
    under ``ANNY_CACHE_DIR`` (default ``~/.cache/anny``); it writes nowhere else and needs no network.

    Args:
        topology (str): anny's name of the mesh. Defaults to 'anny', 13,718 vertices.

    Raises:
        ImportError: If anny is not installed.
    """

    def __init__(self, topology: str = 'anny') -> None:
        try:
            import anny
        except ImportError as error:
            raise ImportError(
                "AnnyBody needs anny, which is not installed; run `pip install 'pedsearch[mesh]'`"
            ) from error
        self.model = anny.Anny(topology=topology, skinning_method='lbs').float()
        self.faces = self.model.faces.long()
        self.weights = self.model.dense_vertex_bone_weights  # (V, J)
        labels = list(self.model.bone_labels)
        self.bone_index = {label: index for index, label in enumerate(labels)}
        self.carriers = {
            'head': self.bone_index['head'], 'chest': self.bone_index['spine02'], 'pelvis': self.bone_index['root'],
            'thigh.L': self.bone_index['upperleg01.L'], 'thigh.R': self.bone_index['upperleg01.R'],
        }  # fmt: skip
        vertices, heads, _ = self._rest_model([BodyShape()])
        vertices, heads = vertices[0], heads[0]
        floor = torch.stack((vertices.new_zeros(()), vertices.new_zeros(()), vertices[:, 2].min()))
        self.height = float(vertices[:, 2].max() - floor[2])
        kind = torch.tensor(
            [next((part for name, part in _PART_OF_BONE if label.startswith(name)), BodyPart.HEAD) for label in labels]
        )
        is_arm = (kind == BodyPart.UPPER_ARM) | (kind == BodyPart.LOWER_ARM) | (kind == BodyPart.HAND)
        self.rest = Rest(
            vertices=(vertices - floor) / self.height,
            parts=kind[self.weights.argmax(1)],
            joints={
                name: (heads[self.bone_index[bone]] - floor) / self.height for name, bone in _BONE_OF_JOINT.items()
            },
            arm_weight=self.weights[:, is_arm].sum(1),
        )
        arm = self.rest.joints['elbow'] - self.rest.joints['shoulder']
        self._arm_drop = math.atan2(float(arm[0]), -float(arm[2])) - 0.10  # a hand's breadth from the hip
        forward = torch.tensor([0.0, -1.0, 0.0])
        self._elbow_axis = torch.nn.functional.normalize(torch.linalg.cross(arm, forward), dim=0)

    def _rest_model(self, shapes: list[BodyShape]) -> tuple[Tensor, Tensor, Tensor]:
        names = ('gender', 'age', 'muscle', 'weight', 'height', 'proportions')
        phenotype = {name: torch.tensor([getattr(shape, name) for shape in shapes]) for name in names}
        with torch.no_grad():
            rest = self.model.get_rest_model(self.model.get_phenotype_blendshape_coefficients(**phenotype))
        return rest['rest_vertices'], rest['rest_bone_heads'], rest['rest_bone_poses']

    def pose(self, shapes: list[BodyShape], gaits: list[Gait], attachments: Sequence[Attachment] = ()) -> Tensor:
        """See :class:`~pedsearch.mesh.bodies.BodyProvider`."""
        if len(shapes) != len(gaits):
            raise ValueError(f'expected one gait per shape, got {len(shapes)} shapes and {len(gaits)} gaits')
        vertices, heads, bone_poses = self._rest_model(shapes)
        rotations = gait_rotations(gaits, self._elbow_axis, self._arm_drop)
        delta = torch.eye(4).repeat(len(shapes), len(self.bone_index), 1, 1)
        bone_of_joint = dict(_BONE_OF_JOINT, spine='spine04')
        for name, rotation in rotations.items():
            joint, _, side = name.partition('.')
            bone = bone_of_joint[joint].removesuffix('.L') + ('.' + side if side else '')
            delta[:, self.bone_index[bone], :3, :3] = rotation
        with torch.no_grad():
            transforms, _ = self.model.get_bone_transforms(delta, bone_poses)
        rest, weights = carry(self, vertices, attachments)
        posed = skin(rest, weights, transforms)
        hips = transforms[:, 0, :3, :3] @ heads[:, 0, :, None]  # root
        origin = (hips[..., 0] + transforms[:, 0, :3, 3]) * torch.tensor([1.0, 1.0, 0.0])
        origin[:, 2] = posed[:, : vertices.shape[1], 2].amin(1)
        return posed - origin[:, None]
