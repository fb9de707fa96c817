"""Draw what a config's dataset gives after its pipeline: boxes coloured by person, queries in white."""

import argparse
import colorsys
import os
import os.path as osp
import sys
from collections.abc import Sequence

import cv2
import numpy as np
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from mmengine.visualization import Visualizer

from pedsearch.registry import DATASETS
from pedsearch.structures import UNLABELED, SearchDataSample

GREY, WHITE = (128, 128, 128), (255, 255, 255)


def pid_color(pid: int) -> tuple[int, int, int]:
    """Return a colour for a person, grey without identity; neighbouring pids differ clearly."""
    if pid == UNLABELED:
        return GREY
    rgb = colorsys.hsv_to_rgb(pid * 0.618034 % 1.0, 0.9, 1.0)  # steps of the golden ratio never repeat
    return tuple(round(255 * channel) for channel in rgb)


def draw_sample(image: np.ndarray, sample: SearchDataSample, scale: Sequence[float] = (1.0, 1.0)) -> np.ndarray:
    """Draw boxes, pids and queries.

    Args:
        image (np.ndarray): (H, W, 3) uint8.
        sample (SearchDataSample): Its annotations.
        scale (Sequence[float]): What box x and y are multiplied with to reach pixels of ``image``.
    """
    image = np.ascontiguousarray(image)
    factor = np.array([*scale, *scale])
    people = sample.gt_instances
    boxes = [(box, pid_color(pid), str(pid) if pid != UNLABELED else '?', 2)
             for box, pid in zip(people.bboxes.numpy(), people.pids.tolist())]
    if 'query_instances' in sample:
        queries = sample.query_instances
        boxes += [(box, WHITE, f'q{query_id}', 1)
                  for box, query_id in zip(queries.bboxes.numpy(), queries.query_ids.tolist())]
    for box, color, text, thickness in boxes:
        x1, y1, x2, y2 = np.round(box * factor).astype(int).tolist()
        cv2.rectangle(image, (x1, y1), (x2, y2), color, thickness)
        corner = (x1, y2 - 4) if text.startswith('q') else (x1, max(y1 - 4, 12))
        cv2.putText(image, text, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.5, color, 1, cv2.LINE_AA)
    return image


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--split', choices=['train', 'test'], default='train')
    parser.add_argument('--output-dir', help='folder for the pictures')
    parser.add_argument('--not-show', action='store_true', help='open no window')
    parser.add_argument('--show-interval', type=float, default=2, help='seconds per picture in the window')
    parser.add_argument('--max-images', type=int, help='stop after this many')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='override config entries, key=value ...')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    init_default_scope(cfg.get('default_scope', 'pedsearch'))
    dataset = DATASETS.build(cfg[f'{args.split}_dataloader'].dataset)
    if args.output_dir:
        os.makedirs(args.output_dir, exist_ok=True)
    visualizer = Visualizer()
    num_images = len(dataset) if args.max_images is None else min(len(dataset), args.max_images)
    for index in range(num_images):
        data = dataset[index]
        sample = data['data_samples']
        # Test boxes stay in the pixels of the original picture, see LoadSearchAnnotations.
        scale = sample.scale_factor if args.split == 'test' else (1.0, 1.0)
        image = draw_sample(data['inputs'].numpy().transpose(1, 2, 0)[..., ::-1], sample, scale)
        name = osp.basename(sample.img_path)
        if args.output_dir:
            cv2.imwrite(osp.join(args.output_dir, f'{index:05d}_{name}'), image[..., ::-1])
        if not args.not_show:
            visualizer.show(image, win_name=name, wait_time=args.show_interval)


if __name__ == '__main__':
    try:
        main()
    except (FileNotFoundError, TypeError, ValueError) as error:
        sys.exit(f'error: {error}')
