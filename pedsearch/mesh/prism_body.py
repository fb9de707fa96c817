"""A body of boxes: the provider for tests and for machines without anny."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pedsearch.registry import TASK_UTILS

from .bodies import Attachment, BodyPart, BodyShape, Gait, Rest, carry, gait_rotations, skin

_LIMBS = dict(hip='root', knee='hip', ankle='knee', shoulder='spine', elbow='shoulder')
"""Joint of a side -> its parent."""

_PARENTS = {'root': None, 'spine': 'root', 'head': 'spine'}
for _side in '.L', '.R':
    _PARENTS |= {joint + _side: parent + _side if parent in _LIMBS else parent for joint, parent in _LIMBS.items()}
_BONES = list(_PARENTS)

# Joints of the left side at rest, in body heights.
_JOINTS = dict(
    root=(0.0, 0.0, 0.53), spine=(0.0, 0.0, 0.58), neck=(0.0, 0.0, 0.855), head=(0.0, 0.0, 0.875),
    shoulder=(0.11, 0.0, 0.80), elbow=(0.11, 0.0, 0.66), wrist=(0.11, 0.0, 0.50), hip=(0.055, 0.0, 0.52),
    knee=(0.055, 0.0, 0.29), ankle=(0.055, 0.0, 0.05),
)  # fmt: skip

# (bone, part, low corner, high corner) of the left side and the middle.
_BOXES = (
    ('head', BodyPart.HEAD, (-0.045, -0.06, 0.86), (0.045, 0.05, 1.0)),
    ('spine', BodyPart.TORSO, (-0.095, -0.055, 0.55), (0.095, 0.055, 0.85)),
    ('root', BodyPart.TORSO, (-0.09, -0.055, 0.48), (0.09, 0.055, 0.56)),
    ('shoulder', BodyPart.UPPER_ARM, (0.095, -0.025, 0.66), (0.14, 0.025, 0.82)),
    ('elbow', BodyPart.LOWER_ARM, (0.097, -0.022, 0.50), (0.138, 0.022, 0.665)),
    ('elbow', BodyPart.HAND, (0.10, -0.02, 0.43), (0.135, 0.02, 0.505)),
    ('hip', BodyPart.UPPER_LEG, (0.01, -0.045, 0.285), (0.088, 0.045, 0.50)),
    ('knee', BodyPart.LOWER_LEG, (0.02, -0.035, 0.04), (0.082, 0.035, 0.29)),
    ('ankle', BodyPart.FOOT, (0.015, -0.105, 0.0), (0.085, 0.04, 0.045)),
)


def subdivided_box(low: Sequence[float], high: Sequence[float], cells: int = 3) -> tuple[Tensor, Tensor]:
    """Box of ``cells`` x ``cells`` squares a side: vertices and outward triangles."""
    low, high = torch.tensor(low), torch.tensor(high)
    ramp = torch.linspace(0, 1, cells + 1)
    u, v = (value.flatten() for value in torch.meshgrid(ramp, ramp, indexing='ij'))
    corner = (torch.arange(cells)[:, None] * (cells + 1) + torch.arange(cells)).flatten()
    quad = torch.stack((corner, corner + cells + 1, corner + cells + 2, corner + 1), 1)
    square = torch.cat((quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]))
    vertices, faces = [], []
    for axis in range(3):
        for end in (0.0, 1.0):
            side = torch.empty(len(u), 3)
            side[:, axis], side[:, (axis + 1) % 3], side[:, (axis + 2) % 3] = end, u, v
            faces.append((square if end else square.flip(1)) + len(u) * len(vertices))
            vertices.append(low + side * (high - low))
    return torch.cat(vertices), torch.cat(faces)


@TASK_UTILS.register_module()
class PrismBody:
    """A jointed stack of boxes that walks like AnnyBody; of a shape, only ``height`` and ``weight`` count."""

    def __init__(self) -> None:
        vertices, faces, parts, bones = [], [], [], []
        for bone, part, low, high in _BOXES:
            sides = ('',) if bone in _BONES else ('.L', '.R')
            for side in sides:
                points, triangles = subdivided_box(low, high)
                if side == '.R':
                    points, triangles = points * torch.tensor([-1.0, 1.0, 1.0]), triangles.flip(1)
                faces.append(triangles + sum(map(len, vertices)))
                vertices.append(points)
                parts.append(torch.full((len(points),), int(part)))
                bones.append(torch.full((len(points),), _BONES.index(bone + side)))
        self.height = 1.75
        self.faces = torch.cat(faces)
        self.weights = torch.nn.functional.one_hot(torch.cat(bones), len(_BONES)).float()
        bone_of = {'head': 'head', 'chest': 'spine', 'pelvis': 'root', 'thigh.L': 'hip.L', 'thigh.R': 'hip.R'}
        self.carriers = {name: _BONES.index(bone) for name, bone in bone_of.items()}
        part = torch.cat(parts)
        is_arm = (part == BodyPart.UPPER_ARM) | (part == BodyPart.LOWER_ARM) | (part == BodyPart.HAND)
        joints = {name: torch.tensor(place) for name, place in _JOINTS.items()}
        self.rest = Rest(torch.cat(vertices), part, joints, is_arm.float())
        self._places = torch.stack([
            joints[name] * (torch.tensor([-1.0, 1.0, 1.0]) if side == 'R' else 1.0)
            for name, _, side in (bone.partition('.') for bone in _BONES)
        ])  # fmt: skip

    def pose(self, shapes: list[BodyShape], gaits: list[Gait], attachments: Sequence[Attachment] = ()) -> Tensor:
        """See :class:`~pedsearch.mesh.bodies.BodyProvider`."""
        if len(shapes) != len(gaits):
            raise ValueError(f'expected one gait per shape, got {len(shapes)} shapes and {len(gaits)} gaits')
        tall = torch.tensor([1.4 + 0.7 * shape.height for shape in shapes])[:, None, None]
        wide = torch.tensor([0.8 + 0.4 * shape.weight for shape in shapes])[:, None, None]
        scale = torch.cat((tall * wide, tall * wide, tall), 2)  # (B, 1, 3)
        rotations = gait_rotations(gaits, torch.tensor([-1.0, 0.0, 0.0]), arm_drop=-0.06)
        places = self._places * scale
        transforms: list[Tensor] = []
        for index, (bone, parent) in enumerate(_PARENTS.items()):
            rotation = rotations.get(bone, torch.eye(3).expand(len(shapes), 3, 3))
            local = torch.eye(4).repeat(len(shapes), 1, 1)
            local[:, :3, :3] = rotation
            local[:, :3, 3] = places[:, index] - (rotation @ places[:, index, :, None])[..., 0]
            transforms.append(local if parent is None else transforms[_BONES.index(parent)] @ local)
        rest, weights = carry(self, self.rest.vertices * scale, attachments)
        posed = skin(rest, weights, torch.stack(transforms, 1))
        lowest = posed[:, : len(self.rest.vertices), 2].amin(1)
        return posed - lowest[:, None, None] * torch.tensor([0.0, 0.0, 1.0])
