"""How fast toy scenes are rendered: one process, one thread, images of the demo preset.

Usage: python benchmarks/toy_scenes.py [--images 24]
"""

import argparse
import time
from collections.abc import Callable

import torch

from pedsearch.mesh.anny_body import AnnyBody
from pedsearch.mesh.bodies import BodyShape, Gait
from pedsearch.mesh.cameras import PinholeCamera, look_rotation
from pedsearch.mesh.renderers import SoftwareRenderer
from pedsearch.mesh.toy_world import PRESETS, ToyWorld


def timed(name: str, action: Callable[[], object], repeats: int = 1) -> object:
    """Print the mean seconds of an action and return what it returned last."""
    started = time.perf_counter()
    for _ in range(repeats):
        result = action()
    print(f'{name:<44}{(time.perf_counter() - started) / repeats * 1000:10.1f} ms')
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--images', type=int, default=24)
    images = parser.parse_args().images
    torch.set_num_threads(1)
    config = PRESETS['demo']
    body = timed('body model', AnnyBody)
    world = timed(f'world of {config.num_cameras} cameras', lambda: ToyWorld(config, body))
    indices = iter(range(images))
    size = f'{config.image_size[1]} x {config.image_size[0]}'
    timed(f'image {size}', lambda: world.render('train', next(indices)), images)
    shapes, gaits = [BodyShape()] * 8, [Gait(0.8 * k) for k in range(8)]
    vertices = timed('8 bodies posed', lambda: body.pose(shapes, gaits), 5)
    camera = PinholeCamera(look_rotation(0.0, 0.0), torch.tensor([0.0, -5.0, 0.9]), (32.0, 64.0), 320.0)
    renderer = SoftwareRenderer((128, 64))
    timed('8 bodies of 27,420 triangles drawn, 64 x 128', lambda: renderer(vertices, body.faces, camera), 5)


if __name__ == '__main__':
    main()
