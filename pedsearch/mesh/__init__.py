"""Human bodies, their rendering, and the toy world made of them."""

from .anny_body import AnnyBody
from .bodies import BodyPart, BodyProvider, BodyShape, Gait
from .cameras import Camera, OrthographicCamera, PinholeCamera, look_rotation
from .prism_body import PrismBody
from .renderers import Fragments, RenderOutput, SoftwareRenderer, rasterize, vertex_normals
from .scene_writer import write_toy_scenes
from .toy_world import PRESETS, ToyWorld, ToyWorldConfig

__all__ = [
    'PRESETS',
    'AnnyBody',
    'BodyPart',
    'BodyProvider',
    'BodyShape',
    'Camera',
    'Fragments',
    'Gait',
    'OrthographicCamera',
    'PinholeCamera',
    'PrismBody',
    'RenderOutput',
    'SoftwareRenderer',
    'ToyWorld',
    'ToyWorldConfig',
    'look_rotation',
    'rasterize',
    'vertex_normals',
    'write_toy_scenes',
]
