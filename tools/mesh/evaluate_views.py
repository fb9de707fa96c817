"""Measure painted views against true ones, where those are known: on toy crops.

``tools/dataset_converters/make_toy_views.py`` draws the truth. Beside the painted views stand two baselines, the photo
as it is, and the training photo of the same person whose side comes nearest to the one asked for. PSNR is given over
whole pictures and over the person's pixels alone. The Fréchet distance compares all painted views with the true ones in
the embeddings of the model, or of another (``--extractor``).

``--search`` asks whether there is anything to win by turning: it looks for each person among the training photos of the
other cameras, with the true view of each side as the query. A model that finds the turned as well as the unturned does
not miss views.

Example::

    python tools/mesh/evaluate_views.py configs/gcl/gcl_mobilenetv2_1xb8-6e-warmup_toy.py CHECKPOINT data/toy_views
"""

import argparse
import csv
import math
import os.path as osp
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from mmengine.config import Config, DictAction
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Column, Table
from torch import Tensor

from pedsearch.apis import ViewPainter, build_reid_network
from pedsearch.evaluation import EmbeddingExtractor, frechet_distance, view_quality
from pedsearch.functional import rank_metrics
from pedsearch.mesh import ToyBodies


def read_truth(folder: str) -> dict[str, dict[int, str]]:
    """Crop -> angle in degrees -> file of the true view."""
    path = osp.join(folder, 'turned.csv')
    if not osp.isfile(path):
        raise FileNotFoundError(f'{path} does not exist; write it with tools/dataset_converters/make_toy_views.py')
    truth: dict[str, dict[int, str]] = defaultdict(dict)
    with open(path, newline='', encoding='utf-8') as file:
        for row in csv.DictReader(file):
            truth[row['crop']][int(row['angle'])] = osp.join(folder, row['file'])
    if not any(angle for files in truth.values() for angle in files):
        raise ValueError(f'{path} must list turned views, got none; write them with --truth')
    return dict(truth)


def load(path: str, size: tuple[int, int]) -> Tensor:
    """Picture (3, H, W) uint8 resized as photos are."""
    picture = Image.open(path).convert('RGB').resize(size[::-1], Image.Resampling.BICUBIC)
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)


def nearest_photos(painter: ViewPainter, names: Sequence[str], bodies: ToyBodies, place: int,
                   angles_deg: Sequence[int]) -> list[int]:
    """Places of the person's other training photos that show, as nearly as any, the sides asked for."""
    pids = painter.dataset.pids
    others = [int(other) for other in np.flatnonzero(pids == pids[place]) if other != place] or [place]
    sides = bodies.azimuths([names[other] for other in others])
    own = float(bodies.azimuths([names[place]])[0])
    nearest = []
    for angle in angles_deg:
        away = sides - (own + math.radians(angle))
        nearest.append(others[int(torch.cos(away).argmax())])
    return nearest


def places(names: Sequence[str], wanted: Iterable[str]) -> list[int]:
    """Places of photos in the training set."""
    place_of = {name: place for place, name in enumerate(names)}
    for name in wanted:
        if name not in place_of:
            raise ValueError(f'{name} must be a training photo of the config, got none of this name; give the truth of '
                             'its data')
    return [place_of[name] for name in wanted]


def input_size(cfg: Config) -> tuple[int, int] | None:
    """Height and width that a config resizes photos to."""
    scales = [step['scale'] for step in cfg.test_dataloader.dataset.pipeline if 'scale' in step]
    return scales[-1][::-1] if scales else None


def evaluate(painter: ViewPainter, folder: str, extractor: EmbeddingExtractor) -> dict[str, dict[str, float]]:
    """Quality of the painted views and of both baselines."""
    truth, bodies = read_truth(folder), ToyBodies(osp.join(folder, 'bodies.npz'))
    names = painter.names
    sets: dict[str, list[Tensor]] = defaultdict(list)
    for place, name in zip(places(names, truth), truth):
        files = truth[name]
        angles = sorted(angle for angle in files if angle)
        nearest = nearest_photos(painter, names, bodies, place, angles)
        photos, views = painter.turned([place], angles)
        sets['painted'].append(views[0])
        sets['photo as it is'].append(photos.expand(len(angles), -1, -1, -1))
        sets['nearest training photo'].append(torch.cat([painter.photo(other) for other in nearest]))
        sets['truth'].append(torch.stack([load(files[angle], tuple(photos.shape[2:])) for angle in angles]))
        sets['people'].append(painter.meshes(place, angles)[:, 0].cpu() < 1)
    pictures = {kind: torch.cat(parts) for kind, parts in sets.items()}
    target, people = pictures.pop('truth'), pictures.pop('people')
    return {kind: dict(view_quality(part, target, people), frechet=frechet_distance(part, target, extractor))
            for kind, part in pictures.items()}


def search_by_side(painter: ViewPainter, folder: str, extractor: EmbeddingExtractor) -> dict[int, dict[str, float]]:
    """Angle -> mAP and rank-1 of the true views as queries, training photos of other cameras as the gallery."""
    truth, dataset = read_truth(folder), painter.dataset
    queries = places(painter.names, truth)
    gallery = torch.cat([extractor(painter.photo(index)) for index in track(range(len(dataset)), 'photos')])
    size = tuple(painter.photo(0).shape[2:])
    pids, camids = dataset.pids, dataset.camids
    results = {}
    for angle in sorted({angle for files in truth.values() for angle in files}):
        files = [files.get(angle) for files in truth.values()]
        rows = [place for place, file in zip(queries, files) if file]
        feats = torch.cat([extractor(load(file, size)[None]) for file in files if file])
        results[angle] = rank_metrics(feats, gallery, pids[rows], pids, camids[rows], camids, topk=(1, ))
    return results


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config of a GCL model on toy crops')
    parser.add_argument('checkpoint', help='weights of its model')
    parser.add_argument('truth', help='folder that make_toy_views.py wrote')
    parser.add_argument('--extractor', nargs=2, metavar=('CONFIG', 'CHECKPOINT'),
                        help='another re-identification model for the Fréchet distance and the search')
    parser.add_argument('--search', action='store_true', help='look for people with the true views as queries')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='override config entries, key=value ...')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        cfg = Config.fromfile(args.config)
        cfg.merge_from_dict(args.cfg_options or {})
        painter = ViewPainter(cfg, args.checkpoint, args.device)
        extractor = EmbeddingExtractor(painter.model)
        if args.extractor:
            other = Config.fromfile(args.extractor[0])
            model = build_reid_network(other, args.extractor[1], args.device)
            extractor = EmbeddingExtractor(model, input_size(other))
        results = evaluate(painter, args.truth, extractor)
        by_side = search_by_side(painter, args.truth, extractor) if args.search else {}
    except (ImportError, OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    table = Table(Column('views', no_wrap=True), 'PSNR (dB)', 'of the person', 'SSIM', 'Fréchet distance')
    for kind, row in results.items():
        table.add_row(kind, f'{row["psnr"]:.2f}', f'{row["person_psnr"]:.2f}', f'{row["ssim"]:.3f}',
                      f'{row["frechet"]:.4f}')
    Console().print(table)
    if by_side:
        table = Table('true view', 'mAP', 'rank-1')
        for angle, row in by_side.items():
            table.add_row(f'{angle}°', f'{100 * row["mAP"]:.1f}', f'{100 * row["rank1"]:.1f}')
        Console().print(table)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
