"""Write a toy world to disk in the own-data format (``pedsearch-scenes``) with a query and gallery protocol."""

import hashlib
import json
import multiprocessing
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from .anny_body import AnnyBody
from .bodies import BodyProvider
from .clothing import ATTRIBUTE_NAMES, outfit_attributes, outfit_caption
from .toy_world import SPLITS, ToyWorld, ToyWorldConfig

WRITER_VERSION = 1
"""Raised whenever the same config gives other files."""

JPEG_QUALITY = 90

_world: ToyWorld | None = None


def fingerprint(config: ToyWorldConfig) -> str:
    """Names the files that ``config`` gives with this version of the writer."""
    text = json.dumps(dict(asdict(config), writer=WRITER_VERSION), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_written(config: ToyWorldConfig, out_dir: Path) -> bool:
    """Whether ``out_dir`` holds exactly this world."""
    try:
        info = json.loads((out_dir / 'annotations' / 'test_protocol.json').read_text())['info']
    except (OSError, ValueError, KeyError):
        return False
    return info.get('fingerprint') == fingerprint(config)


def image_name(split: str, camid: int, index: int) -> str:
    return f'{split}_cam{camid}_{index:05d}.jpg'


def _start_worker(config: ToyWorldConfig, make_body: Callable[[], BodyProvider]) -> None:
    global _world
    torch.set_num_threads(1)
    _world = ToyWorld(config, make_body())


def _render_to(folder: Path, split: str, index: int) -> dict:
    return write_scene(_world, folder, split, index)


def write_scene(world: ToyWorld, folder: Path, split: str, index: int) -> dict:
    """Render one image into ``folder`` and return its ``images`` entry with its ``people``."""
    scene = world.render(split, index)
    name = image_name(split, scene.camid, index)
    Image.fromarray(scene.image).save(folder / name, quality=JPEG_QUALITY)
    rng = np.random.default_rng([world.config.seed, 106, SPLITS.index(split), index])
    people = []
    for person in scene.annotations:
        x1, y1, x2, y2 = person.bbox
        outfit = person.character.outfit
        people.append(dict(
            category_id=1, bbox=[x1, y1, x2 - x1, y2 - y1], area=(x2 - x1) * (y2 - y1), iscrowd=0,
            person_id=person.pid, visibility=round(person.visibility, 4), attributes=outfit_attributes(outfit),
            caption=outfit_caption(outfit, rng),
        ))  # fmt: skip
    height, width = world.config.image_size
    return dict(image=dict(id=index, file_name=name, width=width, height=height, camera_id=scene.camid), people=people)


def build_protocol(scenes: list[dict], least_visibility: float, per_id: int) -> list[dict]:
    """Choose queries: of every identity the best box of each camera, best first, if another image shows the identity.

    Best is the most visible, then the largest.

    Args:
        scenes (list[dict]): What :func:`write_scene` returned for the test split.
        least_visibility (float): Boxes less visible are no queries.
        per_id (int): Most queries of one identity.

    Returns:
        list[dict]: Queries of the own-data format, gallery null (all images but the query's own).
    """
    images_of: dict[int, set[int]] = {}
    candidates: dict[int, list[tuple]] = {}
    for scene in scenes:
        image = scene['image']
        for person in scene['people']:
            pid = person['person_id']
            if pid < 0:
                continue
            images_of.setdefault(pid, set()).add(image['id'])
            if person['visibility'] >= least_visibility:
                rank = (-person['visibility'], -person['area'], image['id'])
                candidates.setdefault(pid, []).append((rank, image['camera_id'], image['id'], person['bbox']))
    queries = []
    for pid in sorted(candidates):
        best: dict[int, dict] = {}
        for _, camid, image_id, bbox in sorted(candidates[pid]):
            best.setdefault(camid, dict(image_id=image_id, bbox=bbox, person_id=pid, gallery=None))
        if len(images_of[pid]) > 1:
            queries += list(best.values())[:per_id]
    return queries


def _scenes(
    config: ToyWorldConfig, folder: Path, workers: int, make_body: Callable[[], BodyProvider]
) -> Iterator[tuple[str, dict]]:
    tasks = [(split, index) for split in SPLITS for index in range(config.num_images(split))]
    if workers == 1:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # the same arithmetic as in a worker
        try:
            world = ToyWorld(config, make_body())
            for split, index in tasks:
                yield split, write_scene(world, folder, split, index)
        finally:
            torch.set_num_threads(threads)
        return
    make_body()  # fills anny's cache once instead of once per worker
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(workers, context, _start_worker, (config, make_body)) as pool:
        splits, indices = zip(*tasks, strict=True)
        yield from zip(splits, pool.map(_render_to, [folder] * len(tasks), splits, indices, chunksize=4), strict=True)


def write_toy_scenes(
    config: ToyWorldConfig,
    out_dir: str | Path,
    workers: int = 2,
    make_body: Callable[[], BodyProvider] = AnnyBody,
    on_image: Callable[[], None] = lambda: None,
) -> bool:
    """Render a world into a folder, all or nothing.

    Args:
        config (ToyWorldConfig): The world.
        out_dir (str | Path): Becomes ``images/`` and ``annotations/{train,test,test_protocol}.json``.
        workers (int): Processes; the files do not depend on it. Defaults to 2.
        make_body (Callable): Builds the body provider in every process. Defaults to AnnyBody.
        on_image (Callable): Called after every image.

    Returns:
        bool: False if the folder already held this world and nothing was done.

    Raises:
        ValueError: If ``workers`` is below 1.
        FileExistsError: If the folder holds something else than toy scenes.
    """
    out_dir = Path(out_dir)
    if workers < 1:
        raise ValueError(f'workers must be >= 1, got {workers}; 1 renders in this process')
    if is_written(config, out_dir):
        return False
    if out_dir.exists() and any(out_dir.iterdir()) and not (out_dir / 'annotations' / 'test_protocol.json').exists():
        raise FileExistsError(f'{out_dir} is not empty and holds no toy scenes; name a new folder or empty this one')
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f'.{out_dir.name}-', dir=out_dir.parent))
    replaced = building.with_name(building.name + '-replaced')
    try:
        (building / 'images').mkdir()
        (building / 'annotations').mkdir()
        scenes: dict[str, list[dict]] = {split: [] for split in SPLITS}
        for split, scene in _scenes(config, building / 'images', workers, make_body):
            scenes[split].append(scene)
            on_image()
        info = dict(
            format='pedsearch-scenes', version=1, description='Rendered people of pedsearch; no real person is shown.',
            fingerprint=fingerprint(config), config=asdict(config),
        )  # fmt: skip
        for split in SPLITS:
            _dump(building / 'annotations' / f'{split}.json', _annotation_file(info, scenes[split]))
        queries = build_protocol(scenes['test'], config.query_visibility, config.queries_per_id)
        _dump(building / 'annotations' / 'test_protocol.json', dict(info=info, queries=queries))
        building.chmod(0o755)
        if out_dir.exists():
            out_dir.rename(replaced)
        building.rename(out_dir)
    finally:
        shutil.rmtree(replaced, ignore_errors=True)
        shutil.rmtree(building, ignore_errors=True)
    return True


def _annotation_file(info: dict, scenes: list[dict]) -> dict:
    people = [(scene['image']['id'], person) for scene in scenes for person in scene['people']]
    return dict(
        info=info,
        categories=[dict(id=1, name='person')],
        attribute_names=list(ATTRIBUTE_NAMES),
        images=[scene['image'] for scene in scenes],
        annotations=[dict(id=i, image_id=image_id, **person) for i, (image_id, person) in enumerate(people)],
    )


def _dump(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, separators=(',', ':')))
