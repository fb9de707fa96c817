"""Pictures to paste people into: photographs of places, medians of static cameras, or rendered places.

Shape legend: n frames, H x W picture, BGR uint8.
"""

import os.path as osp
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from scene_composition import Perspective, draw_perspective

from pedsearch.datasets import LoadImage
from pedsearch.datasets.reid_datasets.image_folders import IMAGE_SUFFIXES, list_images
from pedsearch.mesh.sites import ADULT, FAR, STYLES, build_site, develop, shade

VIDEO_SUFFIXES = ('.avi', '.mkv', '.mov', '.mp4')
MAX_FRAMES = 31
"""Most frames of a median, spread evenly over the sequence."""

Picture = str | np.ndarray


@dataclass(frozen=True)
class View:
    """What a camera sees: one of ``pictures``, of which a window is cut out, mirrored or not, in its ``perspective``.

    ``window``: zoom from 0 (nothing) to 1 (as much as fits), and the share of the slack left and above.
    """

    pictures: tuple[Picture, ...]
    perspective: Perspective
    window: tuple[float, float, float] = (1.0, 0.5, 0.5)
    is_mirrored: bool = False

    def draw(self, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """One of the pictures, scaled to ``size`` (H, W)."""
        img = load(self.pictures[rng.integers(len(self.pictures))])
        img = cut_window(img, size, *self.window)
        return img[:, ::-1] if self.is_mirrored else img


def load(picture: Picture) -> np.ndarray:
    """Read a picture that is not at hand yet; errors as in :class:`~pedsearch.datasets.LoadImage`."""
    return LoadImage().transform(dict(img_path=picture))['img'] if isinstance(picture, str) else picture


def cut_window(img: np.ndarray, size: tuple[int, int], zoom: float, left: float, top: float) -> np.ndarray:
    """Cut a window of the proportions of ``size`` (H, W) out and scale it; see :class:`View`.

    Example:
        >>> cut_window(np.arange(6, dtype=np.uint8).reshape(1, 6), (1, 2), 1.0, 0.5, 0.0).tolist()
        [[2, 3]]
    """
    rows, cols = img.shape[:2]
    scale = zoom * min(rows / size[0], cols / size[1])
    height, width = max(1, round(scale * size[0])), max(1, round(scale * size[1]))
    y, x = round(top * (rows - height)), round(left * (cols - width))
    how = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    return cv2.resize(img[y:y + height, x:x + width], size[::-1], interpolation=how)


def find_places(roots: Sequence[str], by_name: bool = False) -> list[tuple[str, ...]]:
    """Group pictures by place: a sub-folder is one, so is each picture directly in a root, and each video.

    Args:
        roots (Sequence[str]): Folders, searched with their sub-folders, or single files.
        by_name (bool): Pictures directly in a root whose names differ in their last number only are one place,
            ``c1_000012.jpg`` and ``c1_000013.jpg``. Default: False.

    Returns:
        list[tuple[str, ...]]: Files of each place.

    Raises:
        FileNotFoundError: A root does not exist.
        ValueError: There is no picture and no video.
    """
    places = defaultdict(list)
    for root in roots:
        if not osp.exists(root):
            raise FileNotFoundError(f'background {root} does not exist; expected a folder of pictures or a video')
        paths = [osp.join(root, name) for name in list_images(root)] if osp.isdir(root) else [root]
        for path in paths + sorted(str(path) for path in Path(root).rglob('*') if is_video(path.name)):
            place = osp.dirname(path)
            if is_video(path):
                place = path
            elif osp.isfile(root) or osp.samefile(place, root):
                place = re.sub(r'\d+$', '', osp.splitext(path)[0]) if by_name else path
            if path.lower().endswith((*IMAGE_SUFFIXES, *VIDEO_SUFFIXES)):
                places[place].append(path)
    if not places:
        raise ValueError(f'--backgrounds must hold pictures, got none in {", ".join(roots)}; leave it out to render '
                         'places')
    return [tuple(dict.fromkeys(places[name])) for name in sorted(places)]


def is_video(path: str) -> bool:
    """Tell by the name."""
    return path.lower().endswith(VIDEO_SUFFIXES)


def median_picture(place: Sequence[str]) -> np.ndarray:
    """Take the median of each pixel over time: who walks by vanishes, who stands still stays.

    Args:
        place (Sequence[str]): Frames of one static camera in their order, or one video.

    Raises:
        ValueError: Frames differ in size, or the video cannot be read.
    """
    frames = read_video(place[0]) if is_video(place[0]) else [load(place[i]) for i in spread(len(place))]
    sizes = {frame.shape for frame in frames}
    if len(sizes) > 1:
        raise ValueError(f'the median needs frames of one size from one static camera, got sizes '
                         f'{sorted(size[1::-1] for size in sizes)} beside {place[0]}; move other pictures away')
    return np.median(np.stack(frames), axis=0).astype(np.uint8)


def read_video(path: str) -> list[np.ndarray]:
    """Read up to :data:`MAX_FRAMES` frames spread over a video.

    Raises:
        ValueError: It has no frame that can be decoded.
    """
    video, frames = cv2.VideoCapture(path), []
    wanted = set(spread(int(video.get(cv2.CAP_PROP_FRAME_COUNT))))
    for index in range(max(wanted, default=-1) + 1):
        if not video.grab():
            break
        if index in wanted:
            frames.append(video.retrieve()[1])
    if not frames:
        raise ValueError(f'video {path} cannot be decoded; convert it to frames, for example with ffmpeg')
    return frames


def spread(count: int) -> list[int]:
    """Up to :data:`MAX_FRAMES` different numbers below ``count``, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, MAX_FRAMES)).astype(int)).tolist()


def render_place(camera: int, size: tuple[int, int], rng: np.random.Generator) -> View:
    """Draw a place of the toy world without people, ``size`` (H, W); its camera tells the perspective."""
    style = STYLES[camera % len(STYLES)]
    site = build_site(style, size, (0.1 * size[0], 0.5 * size[0]), 2, rng)
    backdrop = site.backdrop
    light = shade(backdrop.albedo, backdrop.normal, site, site.sun_color, backdrop.sunlit)
    light = torch.where(backdrop.is_sky[..., None], backdrop.albedo, light)
    lift = float(site.camera.position[2])
    far = torch.tensor([[0.0, FAR, lift], [0.0, style.skyline_distance, 0.0]])  # horizon, and where the ground ends
    horizon, ground = (site.camera.project(far)[:, 1] / size[0]).tolist()
    picture = np.ascontiguousarray(develop(light, site, 2, rng)[..., ::-1])
    return View((picture, ), Perspective(horizon, ADULT / lift, ground))


def build_views(camids: Sequence[int], size: tuple[int, int], seed: int, roots: Sequence[str] | None = None,
                median: bool = False) -> dict[int, View]:
    """Give every camera its view.

    Places are dealt to the cameras in turn; cameras that share one see different windows of it.

    Args:
        camids (Sequence[int]): The cameras.
        size (tuple[int, int]): (H, W).
        seed (int): Of the windows and of what is rendered.
        roots (Sequence[str] | None): See :func:`find_places`. Default: None, places are rendered.
        median (bool): Replace each place by its median over time. Default: False.

    Raises:
        FileNotFoundError: See :func:`find_places`.
        ValueError: See :func:`find_places` and :func:`median_picture`, or a video comes without ``median``.
    """
    rngs = [np.random.default_rng([seed, 1, order]) for order in range(len(camids))]
    if roots is None:
        return {camid: render_place(order, size, rngs[order]) for order, camid in enumerate(camids)}
    places = find_places(roots, by_name=median)
    video = next((place[0] for place in places if is_video(place[0])), None)
    if video and not median:
        raise ValueError(f'video {video} shows people, whom nobody annotated; pass --median to take them out')
    if median:
        places = [(median_picture(place), ) for place in places]
    views = {}
    for order, (camid, rng) in enumerate(zip(camids, rngs)):
        perspective = draw_perspective(np.random.default_rng([seed, 3, order]))
        if len(places) >= len(camids):
            pictures = tuple(picture for place in places[order::len(camids)] for picture in place)
            views[camid] = View(pictures, perspective)
        else:
            window = rng.uniform(0.65, 0.9), rng.uniform(), rng.uniform()
            views[camid] = View(places[order % len(places)], perspective, window, bool(order // len(places) % 2))
    return views
