r"""Test how well sentences find people in the whole scenes of a test split.

A text model (``configs/val_pat``, ``configs/text_search``) ranks people by the sentence; the boxes are those that were
annotated, an upper bound, or with ``--detector`` those that a person search model finds. The scenes are those of
``--scenes``, a config whose test dataset describes people, by default that of the detector.

Example::

    python tools/test_text_search.py configs/val_pat/val-pat_tiny_1xb64-12e_toy.py TEXT.pth \
        --detector configs/seqnet/seqnet_r18-half_1xb4-12e_toy.py DETECTOR.pth
"""

import argparse
import sys
from collections.abc import Sequence

import numpy as np
from mmengine.config import Config, DictAction
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from rich.console import Console
from rich.table import Table

from pedsearch.apis import GalleryIndex, PersonSearchInferencer, TextSearchInferencer
from pedsearch.datasets import SearchDataset, described_people
from pedsearch.evaluation import evaluate_sentence_search, random_embeds, write_json
from pedsearch.registry import DATASETS


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config of the text model')
    parser.add_argument('checkpoint', help='its weights')
    parser.add_argument('--detector', nargs=2, metavar=('CONFIG', 'CHECKPOINT'), help='person search model for boxes')
    parser.add_argument('--scenes', help='config with the test scenes; default: that of the detector')
    parser.add_argument('--out', help='.json file for all figures, query by query')
    parser.add_argument('--batch-size', type=int, default=64, help='crops per forward pass; default: %(default)s')
    parser.add_argument('--device', help="such as 'cpu' or 'cuda:0'; default: the first accelerator, or the CPU")
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help="override the text model's config")
    args = parser.parse_args(argv)
    if not (args.scenes or args.detector):
        parser.error('give --detector, or --scenes for annotated boxes alone')
    return args


def as_detections(index: GalleryIndex) -> dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Boxes, scores and embeddings by image."""
    rows = [index.image_inds == place for place in range(len(index.images))]
    return {place: (index.bboxes[row], index.scores[row], index.embeds[row]) for place, row in enumerate(rows)}


def shuffled(detections: dict[int, tuple], seed: int = 0) -> dict[int, tuple]:
    """The same boxes with random embeddings: what the boxes alone achieve."""
    embeds = random_embeds([len(scores) for _, scores, _ in detections.values()],
                           next(iter(detections.values()))[2].shape[1], seed)
    return {place: (bboxes, scores, embed) for (place, (bboxes, scores, _)), embed in zip(detections.items(), embeds)}


def evaluate(inferencer: TextSearchInferencer, detector: PersonSearchInferencer | None,
             dataset: SearchDataset) -> dict[str, dict]:
    """Figures for each source of boxes."""
    described = described_people(dataset)
    infos = [dataset.get_data_info(place) for place in range(len(dataset))]
    images = [info['img_path'] for info in infos]
    boxes = [[one['bbox'] for one in info['instances'] if not one['ignore_flag']] for info in infos]
    embeds = inferencer.embed_text([one['text'] for one in described])
    found = {'annotated boxes': inferencer.index_people(images, [np.array(part, np.float32) for part in boxes])}
    if detector is not None:
        found['detected boxes'] = inferencer.index_scenes(detector, images)
    results = {}
    for kind, index in found.items():
        detections = as_detections(index)
        results[kind] = evaluate_sentence_search(detections, described, embeds)
        results[f'{kind}, random ranking'] = evaluate_sentence_search(shuffled(detections), described, embeds)
    return results


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        MMLogger.get_current_instance().setLevel('WARNING')
        cfg = Config.fromfile(args.config)
        cfg.merge_from_dict(args.cfg_options or {})
        inferencer = TextSearchInferencer(cfg, args.checkpoint, args.device, batch_size=args.batch_size)
        detector = PersonSearchInferencer(*args.detector, args.device) if args.detector else None
        with DefaultScope.overwrite_default_scope('pedsearch'):
            dataset = DATASETS.build(Config.fromfile(args.scenes or args.detector[0]).test_dataloader.dataset)
        results = evaluate(inferencer, detector, dataset)
        if args.out:
            write_json(args.out, results)
    except (OSError, TypeError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    table = Table('people of', 'mAP', 'top-1', 'top-5', 'top-10', 'sentences')
    for kind, row in results.items():
        table.add_row(kind, *(f'{100 * row[name]:.1f}' for name in ('mAP', 'top1', 'top5', 'top10')),
                      str(row['num_queries']))
    Console().print(table)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
