"""Test a checkpoint with the metrics of its config, of person search or re-identification; draw ranked galleries."""

import argparse
import os
import sys
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.dist import is_main_process
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from PIL import Image

from pedsearch.apis import check_backbone
from pedsearch.engine import exit_process_group, init_cpu_process_group
from pedsearch.visualization import draw_dump, read_dump
from pedsearch.visualization.ranked_dump import SEARCH


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--work-dir', help='folder of the log; default: work_dirs/<name of the config>')
    parser.add_argument('--out', help='write scores and ranked gallery of every query to this .json file')
    parser.add_argument('--show-dir',
                        help='draw the best and the worst queries with their ranked galleries here, as crops and, of '
                        'person search, as whole scenes')
    parser.add_argument('--use-gt-boxes', action='store_true',
                        help='person search only: annotated boxes as detections, the upper bound')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='override config entries, key=value ...')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    args = parser.parse_args()
    if args.out and Path(args.out).suffix != '.json':
        parser.error(f'--out must be a .json file, got {args.out}')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def load_config(args: argparse.Namespace) -> Config:
    """The config file with what the command line says on top."""
    for name in (args.config, args.checkpoint):
        if not Path(name).is_file():
            sys.exit(f'error: there is no file {name}; give a config file and a checkpoint')
    cfg = Config.fromfile(args.config)
    cfg.launcher = args.launcher
    cfg.merge_from_dict(args.cfg_options or {})
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or str(Path('work_dirs', Path(args.config).stem))
    cfg.load_from = args.checkpoint
    if args.out or args.show_dir:
        cfg.test_evaluator.dump = args.out or str(Path(args.show_dir, 'ranked.json'))
    if args.use_gt_boxes:
        if 'rcnn' not in (cfg.model.get('test_cfg') or {}):
            sys.exit(f'error: --use-gt-boxes is for person search, got a {cfg.model.type}, which detects nobody; leave '
                     'it out')
        cfg.model.test_cfg.rcnn.use_gt_boxes = True
    return cfg


def draw(runner: Runner, path: Path, folder: Path) -> None:
    """Best and worst queries as crops and, of person search, as whole scenes."""
    dump = read_dump(path)
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {'ranked_gallery.png': False}
    if dump['format'] == SEARCH:
        pictures['ranked_scenes.png'] = True
    for name, scenes in pictures.items():
        picture = draw_dump(runner.test_dataloader.dataset, dump, scenes=scenes)
        Image.fromarray(picture).save(folder / name)


def main() -> None:
    # Checkpoints may come from strangers: never unpickle more than tensors and plain values.
    os.environ.setdefault('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    args = parse_args()
    cfg = load_config(args)
    init_cpu_process_group(cfg.launcher)
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    try:
        check_backbone(runner.model, args.checkpoint)
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')
    runner.test()
    if args.show_dir and is_main_process():
        draw(runner, Path(cfg.test_evaluator.dump), Path(args.show_dir))
    exit_process_group()


if __name__ == '__main__':
    main()
