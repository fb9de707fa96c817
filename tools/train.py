"""Train a model from a config file, on one process or, under torchrun, on many."""

import argparse
import os
import sys
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from pedsearch.apis import check_start
from pedsearch.engine import exit_process_group, init_cpu_process_group


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder of logs and checkpoints; default: work_dirs/<name of the config>')
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    parser.add_argument('--auto-scale-lr', action='store_true', help='scale the learning rate with the batch size')
    parser.add_argument('--resume', nargs='?', const='auto',
                        help='go on from this checkpoint, or without a value from the latest one of the work dir')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='override config entries, key=value ...')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def load_config(args: argparse.Namespace) -> Config:
    """The config file with what the command line says on top."""
    if not Path(args.config).is_file():
        sys.exit(f'error: there is no config file {args.config}; those of pedsearch are in configs/')
    cfg = Config.fromfile(args.config)
    cfg.launcher = args.launcher
    cfg.merge_from_dict(args.cfg_options or {})
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or str(Path('work_dirs', Path(args.config).stem))
    if args.amp and 'amp_dtype' in cfg.model:  # a model that takes its steps itself
        cfg.model.amp_dtype = 'bfloat16'
    elif args.amp:
        if not torch.cuda.is_available():
            sys.exit('error: --amp needs a GPU, got none; leave it out')
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            sys.exit('error: --auto-scale-lr needs auto_scale_lr.base_batch_size in the config; add it')
        cfg.auto_scale_lr.enable = True
    if args.resume:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    return cfg


def main() -> None:
    # Checkpoints may come from strangers: never unpickle more than tensors and plain values.
    os.environ.setdefault('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    cfg = load_config(parse_args())
    init_cpu_process_group(cfg.launcher)
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    try:
        check_start(runner.model, cfg.load_from, bool(cfg.get('resume')))
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')
    runner.train()
    exit_process_group()


if __name__ == '__main__':
    main()
