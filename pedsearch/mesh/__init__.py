"""Human bodies, their rendering, and the toy world made of them."""

from .anny_body import AnnyBody
from .bodies import BodyPart, BodyProvider, BodyShape, Gait
from .body_fitting import BodyFits, FitSettings, fit_bodies
from .body_pose import BodyParameters, PosedAnny
from .cameras import Camera, OrthographicCamera, PinholeCamera, look_rotation
from .fit_overlays import contact_sheet, draw_overlays
from .fitted_bodies import AnnyFits, load_fits, save_fits
from .keypoints import LAYOUTS, Keypoints, read_coco_keypoints, read_market_points
from .mesh_views import ANGLES_DEG, MeshViewGenerator
from .person_meshes import MeshProvider, PersonMeshes, perspective_from_weak
from .precomputed_views import PrecomputedViews, view_path, write_views
from .prism_body import PrismBody
from .pytorch3d_renderer import PyTorch3DRenderer
from .renderers import Fragments, RenderOutput, SoftwareRenderer, rasterize, vertex_normals
from .scene_writer import write_toy_scenes
from .smpl_bodies import SMPLFits
from .toy_bodies import ToyBodies
from .toy_world import PRESETS, ToyWorld, ToyWorldConfig
from .walking_bodies import WalkingBodies

__all__ = [
    'ANGLES_DEG',
    'LAYOUTS',
    'PRESETS',
    'AnnyBody',
    'AnnyFits',
    'BodyFits',
    'BodyParameters',
    'BodyPart',
    'BodyProvider',
    'BodyShape',
    'Camera',
    'FitSettings',
    'Fragments',
    'Gait',
    'Keypoints',
    'MeshProvider',
    'MeshViewGenerator',
    'OrthographicCamera',
    'PersonMeshes',
    'PinholeCamera',
    'PosedAnny',
    'PrecomputedViews',
    'PrismBody',
    'PyTorch3DRenderer',
    'RenderOutput',
    'SMPLFits',
    'SoftwareRenderer',
    'ToyBodies',
    'ToyWorld',
    'ToyWorldConfig',
    'WalkingBodies',
    'contact_sheet',
    'draw_overlays',
    'fit_bodies',
    'load_fits',
    'look_rotation',
    'perspective_from_weak',
    'rasterize',
    'read_coco_keypoints',
    'read_market_points',
    'save_fits',
    'vertex_normals',
    'view_path',
    'write_toy_scenes',
    'write_views',
]
