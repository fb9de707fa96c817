"""Fit bodies to the people of photos by their 2-D keypoints.

KEYPOINTS is the JSON file of a pose estimator (17 COCO points) or the 14-point file of Market-1501. The new file holds
parameters, one row per photo; ``AnnyFits`` reads it. What was fitted before an interruption is kept in ``OUT.parts``
and not fitted again.

Example::

    python tools/mesh/fit_bodies.py market1501_14point_train.mat --layout market14 --root data/market1501 \
        --photos data/market1501/bounding_box_train --out bodies.npz --contact-sheet sheet.png
"""

import argparse
import hashlib
import os
import os.path as osp
import shutil
import sys
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from PIL import Image
from rich.progress import track

from pedsearch.mesh import (
    AnnyFits,
    BodyFits,
    BodyParameters,
    FitSettings,
    Keypoints,
    PosedAnny,
    contact_sheet,
    draw_overlays,
    fit_bodies,
    load_fits,
    read_coco_keypoints,
    read_market_points,
    save_fits,
)
from pedsearch.mesh.body_fitting import MARKET_SETTINGS
from pedsearch.mesh.fit_overlays import read_photo
from pedsearch.mesh.keypoints import with_all_photos

SHEET_PHOTOS = 48


def read_keypoints(path: str, layout: str, photos: str, limit: int | None) -> Keypoints:
    """Read keypoints of the photos of a folder, of ``limit`` evenly spread ones."""
    if layout == 'market14':
        keypoints = read_market_points(path, photos)
    else:
        keypoints = with_all_photos(read_coco_keypoints(path), photos)
    if limit is not None and limit < len(keypoints):
        rows = np.linspace(0, len(keypoints) - 1, limit).astype(int)
        keypoints = Keypoints([keypoints.names[row] for row in rows], keypoints.points[rows], layout)
    if not len(keypoints):
        raise ValueError(f'expected keypoints of at least one photo, got none in {path}')
    return keypoints


def photo_sizes(paths: Sequence[str]) -> torch.Tensor:
    """Height and width (N, 2) of photos."""
    sizes = []
    for path in paths:
        if not osp.isfile(path):
            raise FileNotFoundError(f'expected a photo, got {path}, which does not exist; check --photos')
        with Image.open(path) as image:
            sizes.append(image.size[::-1])
    return torch.tensor(sizes, dtype=torch.float32)


def join_fits(parts: Sequence[BodyFits]) -> BodyFits:
    """One after the other."""
    rows = torch.cat([part.parameters.rows() for part in parts])
    fields = {
        name: torch.cat([getattr(part, name) for part in parts])
        for name in ('focal', 'principal', 'photo_size', 'error', 'valid')
    }
    return BodyFits(BodyParameters.from_rows(rows), **fields)


def fit_in_parts(
    keypoints: Keypoints, names: Sequence[str], photos: str, folder: str, batch: int, settings: FitSettings
) -> BodyFits:
    """Fit batch after batch; batches found in ``folder`` are read instead."""
    os.makedirs(folder, exist_ok=True)
    body = PosedAnny()
    parts = []
    for first in track(range(0, len(names), batch), 'fitting', disable=not sys.stderr.isatty()):
        rows = slice(first, first + batch)
        content = repr((names[rows], keypoints.layout, settings)).encode() + keypoints.points[rows].numpy().tobytes()
        path = osp.join(folder, f'{hashlib.sha256(content).hexdigest()[:16]}.npz')
        if not osp.exists(path):
            sizes = photo_sizes([osp.join(photos, name) for name in keypoints.names[rows]])
            save_fits(path, names[rows], fit_bodies(keypoints.points[rows], keypoints.layout, sizes, body, settings))
        parts.append(load_fits(path)[1])
    return join_fits(parts)


def draw_sheet(file: str, root: str, out: str) -> None:
    """Write overlays of some people, evenly spread, with their errors."""
    bodies = AnnyFits(file)
    rows = np.linspace(0, len(bodies.names) - 1, min(SHEET_PHOTOS, len(bodies.names))).astype(int)
    names = [bodies.names[row] for row in rows]
    pairs = draw_overlays([read_photo(osp.join(root, name)) for name in names], bodies(names))
    notes = [f'{float(bodies.fits.error[row]):.1f} px' + ('' if bodies.fits.valid[row] else ' failed') for row in rows]
    if not cv2.imwrite(out, contact_sheet(pairs, notes)):
        raise ValueError(f'expected a picture file that can be written, got {out}; check folder and suffix')


def run(args: argparse.Namespace) -> BodyFits:
    """Fit, write, draw.

    Raises:
        ValueError, OSError: An argument or a file is not as expected.
    """
    if args.batch < 1 or (args.limit is not None and args.limit < 1):
        raise ValueError(f'expected --batch and --limit >= 1, got {args.batch} and {args.limit}')
    root = args.photos if args.root is None else args.root
    prefix = osp.relpath(args.photos, root).replace(os.sep, '/')
    if prefix.startswith('..'):
        raise ValueError(f'--photos must lie in --root, got {args.photos} and {root}')
    keypoints = read_keypoints(args.keypoints, args.layout, args.photos, args.limit)
    names = [name if prefix == '.' else f'{prefix}/{name}' for name in keypoints.names]
    os.makedirs(osp.dirname(osp.abspath(args.out)), exist_ok=True)
    parts = f'{args.out}.parts'
    settings = MARKET_SETTINGS if args.layout == 'market14' else FitSettings()
    fits = fit_in_parts(keypoints, names, args.photos, parts, args.batch, settings)
    save_fits(args.out, names, fits)
    if args.contact_sheet:
        draw_sheet(args.out, root, args.contact_sheet)
    shutil.rmtree(parts)
    return fits


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('keypoints', help='JSON file of COCO keypoints, or 14-point .mat file')
    parser.add_argument('--photos', required=True, help='folder that the photos of the keypoints are in')
    parser.add_argument('--root', help='root of the dataset, which names are relative to; default: --photos')
    parser.add_argument('--out', required=True, help='new .npz file')
    parser.add_argument('--layout', choices=('coco17', 'market14'), default='coco17', help='points of the file')
    parser.add_argument('--limit', type=int, help='fit only so many photos, evenly spread')
    parser.add_argument('--batch', type=int, default=128, help='people fitted at once and kept together')
    parser.add_argument('--contact-sheet', help='picture of fits over photos, to look at')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    try:
        fits = run(parse_args(argv))
    except (OSError, ValueError, ImportError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    error = fits.error[torch.isfinite(fits.error)]
    median, most = (float(error.quantile(share)) if len(error) else float('nan') for share in (0.5, 0.9))
    failed = 1 - float(fits.valid.float().mean())
    print(f'{len(fits)} people, reprojection error {median:.2f} px (median), {most:.2f} px (90 %), {failed:.1%} failed')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
