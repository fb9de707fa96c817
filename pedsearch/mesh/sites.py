"""Cameras in their places: what each sees when nobody walks by, how it is lit, and how its sensor answers.

A place is ground, houses or trees behind it, sky, and things that hide people. It is ray-cast and rasterised once per
camera into a :class:`Backdrop`; people are composed into that by depth, image after image.

Shape legend: H x W pixels of the image, s samples per pixel side, sH x sW samples.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize

from .cameras import PinholeCamera, look_rotation
from .clothing import linear_rgb
from .props import Prop, place_prop
from .renderers import rasterize, vertex_normals
from .textures import GROUNDS, SKYLINES, sky

FAR = 1e4
"""Depth of the sky in metres."""

ADULT = 1.75
"""Height in metres of the person that sizes in pixels speak of."""


@dataclass(frozen=True)
class SiteStyle:
    """How one camera differs from the next.

    Args:
        height (float): Of the camera above the ground, metres.
        focal (float): Focal length in image widths.
        ground, skyline (str): Names of :data:`~pedsearch.mesh.textures.GROUNDS` and ``SKYLINES``.
        skyline_distance (float): Metres from the camera.
        near (float): Size of the nearest people, as a share of the configured size.
        sun (tuple[float, float, float]): Direction to the sun.
        sun_color, sky_color (tuple[float, float, float]): Direct and ambient light, linear RGB.
        gain (tuple[float, float, float]): White balance.
        contrast (float): Exponent on the linear image.
        props (tuple[str, ...]): Names of :data:`~pedsearch.mesh.props.PROPS`.
    """

    height: float
    focal: float
    ground: str
    skyline: str
    skyline_distance: float
    near: float
    sun: tuple[float, float, float]
    sun_color: tuple[float, float, float]
    sky_color: tuple[float, float, float]
    gain: tuple[float, float, float]
    contrast: float
    props: tuple[str, ...]


STYLES = (
    # a street in the morning, seen from eye level
    SiteStyle(1.75, 1.00, 'asphalt', 'houses', 27.0, 1.00, (-0.55, -0.50, 0.75), (1.05, 0.98, 0.86), (0.34, 0.38, 0.46),
              (1.0, 1.0, 1.0), 1.0, ('lamp', 'car', 'bollard', 'tree')),
    # a square in warm evening light
    SiteStyle(2.50, 0.92, 'slabs', 'houses', 21.0, 0.94, (0.75, -0.25, 0.55), (1.22, 0.98, 0.70), (0.34, 0.34, 0.40),
              (1.06, 1.0, 0.88), 1.08, ('bench', 'planter', 'lamp', 'bollard')),
    # a park under clouds
    SiteStyle(3.00, 1.10, 'lawn', 'trees', 26.0, 0.88, (0.15, -0.60, 0.80), (0.46, 0.47, 0.48), (0.66, 0.70, 0.76),
              (0.94, 1.0, 1.07), 0.96, ('bush', 'tree', 'bench', 'bush')),
    # a forecourt from a mast, cool light
    SiteStyle(3.60, 1.25, 'terrazzo', 'houses', 27.0, 0.80, (-0.70, 0.10, 0.70), (0.78, 0.80, 0.86), (0.42, 0.46, 0.55),
              (1.02, 1.03, 0.94), 1.12, ('planter', 'bollard', 'bollard', 'lamp')),
)  # fmt: skip


@dataclass(frozen=True)
class Backdrop:
    """The static picture of a place, at s samples per pixel side.

    Args:
        albedo (Tensor): (sH, sW, 3) linear RGB.
        normal (Tensor): (sH, sW, 3) unit, world axes.
        depth (Tensor): (sH, sW) metres along the optical axis, :data:`FAR` for the sky.
        is_ground (Tensor): (sH, sW) bool.
        is_sky (Tensor): (sH, sW) bool; the sky shines by itself and takes no shading.
        sunlit (Tensor): (sH, sW) in [0, 1], 0 in the shadow of a static thing.
    """

    albedo: Tensor
    normal: Tensor
    depth: Tensor
    is_ground: Tensor
    is_sky: Tensor
    sunlit: Tensor


@dataclass(frozen=True)
class Site:
    """A camera, its place and its light.

    Args:
        camera (PinholeCamera): For the image at one sample per pixel.
        backdrop (Backdrop): What stays.
        sun (Tensor): (3,) unit vector to the sun.
        sun_color, sky_color (Tensor): (3,) linear RGB of direct and ambient light.
        gain (Tensor): (3,) white balance and exposure.
        contrast (float): Exponent on the linear image.
        noise (float): Standard deviation of the sensor noise in grey levels.
        depth_range (tuple[float, float]): Where people walk, metres from the camera.
        obstacles (list[tuple[float, float, float]]): x, y, radius of the ground that props take.
    """

    camera: PinholeCamera
    backdrop: Backdrop
    sun: Tensor
    sun_color: Tensor
    sky_color: Tensor
    gain: Tensor
    contrast: float
    noise: float
    depth_range: tuple[float, float]
    obstacles: list[tuple[float, float, float]]

    def half_width(self, depth: float) -> float:
        """Metres from the middle to the edge of the view at a distance."""
        return depth * self.camera.principal[0] / self.camera.focal

    def is_free(self, x: float, y: float, reach: float) -> bool:
        """Whether no prop stands within ``reach`` metres."""
        return _is_free(self.obstacles, x, y, reach)


def build_site(
    style: SiteStyle,
    image_size: tuple[int, int],
    person_height: tuple[float, float],
    supersample: int,
    rng: np.random.Generator,
) -> Site:
    """Set up a camera, with small random differences from its style.

    Args:
        style (SiteStyle): The camera.
        image_size (tuple[int, int]): (H, W).
        person_height (tuple[float, float]): Pixels of an adult at the far and the near end of the walk.
        supersample (int): s.
        rng (np.random.Generator): Source of the differences.
    """
    height, width = image_size
    focal = width * style.focal * rng.uniform(0.96, 1.04)
    lift = style.height * rng.uniform(0.95, 1.05)
    near, far = focal * ADULT / (person_height[1] * style.near), focal * ADULT / person_height[0]
    # Pitch so that the feet of the nearest people stand on the lower edge of the image.
    pitch = math.atan2(lift, near) - math.atan2(0.465 * height, focal)
    camera = PinholeCamera(look_rotation(0.0, pitch), torch.tensor([0.0, 0.0, lift]), (width / 2, height / 2), focal)
    sun = normalize(torch.tensor(style.sun) + torch.from_numpy(rng.normal(0, 0.05, 3)).float(), dim=0)
    props, obstacles = _furnish(style.props, near, far, width / 2 / focal, rng)
    sharp, size = camera.resized(supersample), (height * supersample, width * supersample)
    return Site(
        camera=camera,
        backdrop=build_backdrop(sharp, size, style, props, sun, int(rng.integers(1000))),
        sun=sun,
        sun_color=torch.tensor(style.sun_color),
        sky_color=torch.tensor(style.sky_color),
        gain=torch.tensor(style.gain) * torch.from_numpy(rng.uniform(0.97, 1.03, 3)).float(),
        contrast=style.contrast,
        noise=float(rng.uniform(1.5, 3.0)),
        depth_range=(near, far),
        obstacles=obstacles,
    )


def _furnish(
    names: tuple[str, ...], near: float, far: float, slope: float, rng: np.random.Generator
) -> tuple[list[Prop], list[tuple[float, float, float]]]:
    """Stand props where people walk, off the middle and apart; ``slope`` is half the view's width per metre."""
    props: list[Prop] = []
    obstacles: list[tuple[float, float, float]] = []
    for name in names:
        for _ in range(20):
            y = rng.uniform(near + 0.25 * (far - near), far * 0.92)
            x = rng.choice([-1, 1]) * rng.uniform(0.15, 0.92) * y * slope
            parts = place_prop(name, x, y, rng.uniform(-0.5, 0.5), rng)
            if _is_free(obstacles, x, y, parts[0].footprint[2] + 0.9):
                props += parts
                obstacles.append(parts[0].footprint)
                break
    return props, obstacles


def _is_free(obstacles: list[tuple[float, float, float]], x: float, y: float, reach: float) -> bool:
    return all(math.hypot(x - ox, y - oy) > radius + reach for ox, oy, radius in obstacles)


def cast_shadow(vertices: Tensor, sun: Tensor) -> Tensor:
    """Slide points (..., 3) along the light onto the ground; ``sun`` (3,) points to it."""
    shadow = vertices - sun * (vertices[..., 2:] / sun[2])
    return torch.cat((shadow[..., :2], torch.full_like(shadow[..., 2:], 0.005)), -1)


def build_backdrop(
    camera: PinholeCamera, image_size: tuple[int, int], style: SiteStyle, props: list[Prop], sun: Tensor, seed: int
) -> Backdrop:
    """Draw a place without people.

    Args:
        camera (PinholeCamera): For ``image_size``.
        image_size (tuple[int, int]): (sH, sW).
        style (SiteStyle): Ground and skyline.
        props (list[Prop]): Static things.
        sun (Tensor): (3,) unit vector to the sun.
        seed (int): Picks the textures.
    """
    rays = camera.rays(*image_size)
    origin = camera.position
    to_ground = torch.where(rays[..., 2] < -1e-6, -origin[2] / rays[..., 2].clamp(max=-1e-6), FAR).clamp(max=FAR)
    to_line = (style.skyline_distance - origin[1]) / rays[..., 1]  # the camera looks along +y: always in front
    at_ground, at_line = origin + rays * to_ground[..., None], origin + rays * to_line[..., None]
    line_color, solid = SKYLINES[style.skyline](at_line[..., 0], at_line[..., 2], seed)
    is_line = solid & (to_line < to_ground)
    is_ground = (to_ground < FAR) & (to_ground <= to_line)
    albedo = torch.where(is_line[..., None], line_color, sky(rays, seed))
    albedo = torch.where(is_ground[..., None], GROUNDS[style.ground](at_ground[..., :2], seed), albedo)
    albedo = linear_rgb(albedo.clamp(0, 1))
    normal = torch.where(is_line[..., None], torch.tensor([0.0, -1.0, 0.0]), torch.tensor([0.0, 0.0, 1.0])).clone()
    depth = torch.where(is_ground, to_ground, torch.where(is_line, to_line, FAR))
    is_sky = ~is_ground & ~is_line
    sunlit = torch.ones(image_size)
    for prop in props:
        dark = rasterize(camera.project(cast_shadow(prop.vertices, sun)), prop.faces, image_size)
        sunlit[dark.row, dark.col] = 0
    sunlit = soften(sunlit, 7)
    for prop in props:
        hit = rasterize(camera.project(prop.vertices), prop.faces, image_size)
        hit = hit[hit.depth < depth[hit.row, hit.col]]
        pixel = (hit.row, hit.col)
        side = normalize(hit.interpolate(vertex_normals(prop.vertices[None], prop.faces)[0], prop.faces), dim=-1)
        away = (side * rays[pixel]).sum(-1, keepdim=True) > 0
        normal[pixel] = torch.where(away, -side, side)
        depth[pixel] = hit.depth
        albedo[pixel] = linear_rgb(prop.color)
        sunlit[pixel] = 1
        is_ground[pixel] = False
        is_sky[pixel] = False
    return Backdrop(albedo, normal, depth, is_ground, is_sky, sunlit)


def soften(image: Tensor, size: int) -> Tensor:
    """Box blur of (H, W) with an odd ``size``."""
    for window in ((size, 1), (1, size)):
        padding = (window[0] // 2, window[1] // 2)
        image = avg_pool2d(image[None, None], window, 1, padding, count_include_pad=False)[0, 0]
    return image


def shade(
    albedo: Tensor,
    normal: Tensor,
    site: Site,
    sun_color: Tensor,
    sunlit: Tensor | float = 1.0,
    skylit: Tensor | float = 1.0,
    view: Tensor | None = None,
) -> Tensor:
    r"""Light leaving a surface.

    .. math:: L = a \, (u s \max(0, n \cdot l) + v e \, (0.7 + 0.3 n_z)) + 0.12 \, e \, (1 - n \cdot w)^3

    with albedo a, sunlight s, sky light e, their shares u and v that arrive, and a rim towards the viewer direction w.

    Args:
        albedo, normal (Tensor): (..., 3).
        site (Site): Direction of the sun and light of the sky.
        sun_color (Tensor): (3,) linear RGB of the sunlight.
        sunlit, skylit (Tensor | float): (...) in [0, 1], shares of sun and sky that arrive. Default to 1.
        view (Tensor, optional): (..., 3) unit vectors to the camera; adds the rim.

    Returns:
        Tensor: (..., 3) linear RGB.
    """
    direct = (normal @ site.sun).clamp(min=0) * sunlit
    ambient = (0.70 + 0.30 * normal[..., 2]) * skylit
    light = albedo * (direct[..., None] * sun_color + ambient[..., None] * site.sky_color)
    if view is not None:
        rim = (1 - (normal * view).sum(-1, keepdim=True).clamp(0, 1)) ** 3
        light = light + 0.12 * rim * site.sky_color
    return light


def develop(light: Tensor, site: Site, supersample: int, rng: np.random.Generator) -> np.ndarray:
    """Turn light into a picture: exposure, vignette, white balance, contrast, sRGB curve, noise.

    Args:
        light (Tensor): (sH, sW, 3) linear RGB.
        site (Site): The sensor.
        supersample (int): s.
        rng (np.random.Generator): Source of exposure and noise.

    Returns:
        np.ndarray: (H, W, 3) uint8 RGB.
    """
    linear = avg_pool2d(light.permute(2, 0, 1)[None], supersample)[0].permute(1, 2, 0)
    height, width = linear.shape[:2]
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing='ij')
    vignette = (1 - 0.10 * (x**2 + y**2))[..., None]
    linear = (linear * vignette * site.gain * float(rng.uniform(0.92, 1.08))).clamp(0, 1) ** site.contrast
    srgb = torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp(min=1e-6) ** (1 / 2.4) - 0.055)
    grain = torch.from_numpy(rng.normal(0, site.noise, (height, width, 1)).astype(np.float32))
    return (srgb * 255 + grain).round().clamp(0, 255).to(torch.uint8).numpy()
