"""Draw people turned through eight angles, and pairs of people mixed, as a trained generator paints them.

Rows of the first picture are people: the photo, then the views. Rows of the second (``--mixed``) are pairs: the first
photo, mixtures in falling shares of the first, the second photo. Training photos are taken, evenly spread.

Example::

    python tools/mesh/draw_views.py configs/gcl/gcl_mobilenetv2_1xb8-6e-warmup_toy.py CHECKPOINT --out views.png
"""

import argparse
import os.path as osp
import sys
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.config import Config, DictAction
from PIL import Image
from torch import Tensor

from pedsearch.apis import ViewPainter

ANGLES_DEG = (0, 45, 90, 135, 180, 225, 270, 315)
SHARES = (1.0, 0.8, 0.6, 0.5, 0.4, 0.2, 0.0)


def save_grid(rows: Sequence[Sequence[Tensor]], path: str, gap: int = 2) -> None:
    """Write pictures (3, H, W) uint8 of equal size, row by row, with white between them."""
    height, width = rows[0][0].shape[1:]
    sheet = np.full((len(rows) * (height + gap) - gap, len(rows[0]) * (width + gap) - gap, 3), 255, np.uint8)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            top, left = y * (height + gap), x * (width + gap)
            sheet[top:top + height, left:left + width] = picture.permute(1, 2, 0).numpy()
    Image.fromarray(sheet).save(path)


def draw(painter: ViewPainter, num: int, out: str, mixed: str | None) -> None:
    places = np.linspace(0, len(painter.dataset) - 1, num).round().astype(int).tolist()
    photos, views = painter.turned(places, ANGLES_DEG)
    save_grid([[photo, *row] for photo, row in zip(photos, views)], out)
    if mixed:
        pairs = list(zip(range(num), [*range(1, num), 0]))
        rows = [[photos[a], *painter.mixed(places[a], places[b], SHARES), photos[b]] for a, b in pairs]
        save_grid(rows, mixed)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config with LoadMeshViews in its training pipeline')
    parser.add_argument('checkpoint', help='weights of its model')
    parser.add_argument('--out', required=True, help='picture of turned people')
    parser.add_argument('--mixed', help='picture of mixed people')
    parser.add_argument('--num', type=int, default=8, help='people')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='override config entries, key=value ...')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        if args.num < 1:
            raise ValueError(f'--num must be >= 1, got {args.num}')
        for path in filter(None, (args.out, args.mixed)):
            if not osp.isdir(osp.dirname(osp.abspath(path))):
                raise FileNotFoundError(f'folder of {path} does not exist; make it')
        cfg = Config.fromfile(args.config)
        cfg.merge_from_dict(args.cfg_options or {})
        draw(ViewPainter(cfg, args.checkpoint, args.device), args.num, args.out, args.mixed)
    except (ImportError, OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
