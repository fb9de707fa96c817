"""Write the features of a dataset and what is known of its images to one .npz file, on one process or many."""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from mmengine.config import Config, DictAction
from mmengine.device import get_device
from mmengine.dist import init_dist, is_distributed, is_main_process
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch.utils.data import Dataset, Subset

from pedsearch.apis import build_reid_network, read_checkpoint
from pedsearch.engine import exit_process_group, extract_features, init_cpu_process_group
from pedsearch.evaluation import FeatureTable, write_features
from pedsearch.registry import DATASETS


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', nargs='?', help='checkpoint file; default: the weights that training starts from')
    parser.add_argument('--split', choices=['train', 'test', 'query', 'gallery'], default='test',
                        help='images of the train or test data, or a part of the latter; default: %(default)s')
    parser.add_argument('--out', type=Path, required=True, help='.npz file to write')
    parser.add_argument('--batch-size', type=int, default=64, help='images per forward pass; default: %(default)s')
    parser.add_argument('--workers', type=int, default=0, help='processes that load images; default: %(default)s')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='override config entries, key=value ...')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    args = parser.parse_args()
    if args.out.suffix != '.npz':
        parser.error(f'--out must be a .npz file, got {args.out}')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def build_dataset(cfg: Config, split: str) -> Dataset:
    """Images of a split behind the test pipeline."""
    if split == 'train':
        return DATASETS.build(cfg.train_dataloader.dataset).with_pipeline(cfg.test_dataloader.dataset.pipeline)
    return DATASETS.build(cfg.test_dataloader.dataset)


def restore_pseudo_labels(dataset: Dataset, checkpoint: Mapping) -> None:
    """Put the labels of an unsupervised training on its images; those of other images are passed over."""
    stored = checkpoint.get('pseudo_labels')
    target = getattr(dataset, 'target', dataset)
    if stored is not None and len(stored['labels']) == len(target):
        target.set_pseudo_labels(stored['labels'])


def select(dataset: Dataset, split: str) -> tuple[Dataset, list[dict]]:
    """The images of a split and their entries."""
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    if split in ('train', 'test'):
        return dataset, infos
    inds = np.flatnonzero([info['is_query'] == (split == 'query') for info in infos]).tolist()
    return Subset(dataset, inds), [infos[index] for index in inds]


def main() -> None:
    args = parse_args()
    for name in filter(None, (args.config, args.checkpoint)):
        if not Path(name).is_file():
            sys.exit(f'error: there is no file {name}; give a config file and a checkpoint')
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    init_default_scope('pedsearch')
    MMLogger.get_current_instance().setLevel('WARNING')  # else mmengine tells how it initialised each parameter
    init_cpu_process_group(args.launcher)
    if args.launcher != 'none' and not is_distributed():
        init_dist(args.launcher)
    checkpoint = read_checkpoint(args.checkpoint) if args.checkpoint else None
    dataset = build_dataset(cfg, args.split)
    if args.split == 'train' and checkpoint is not None:
        restore_pseudo_labels(dataset, checkpoint)
    dataset, infos = select(dataset, args.split)
    model = build_reid_network(cfg, checkpoint, get_device())
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TimeRemainingColumn())
    with Progress(*columns, disable=not is_main_process()) as progress:
        feats = extract_features(model, dataset, args.batch_size, args.workers, progress)
    if is_main_process():
        write_features(args.out, FeatureTable.of(feats, infos))
        print(f'{args.out}: {feats.shape[0]} images, {feats.shape[1]} dimensions')
    exit_process_group()


if __name__ == '__main__':
    main()
