"""Draw the best and the worst queries of a test with what the model found for them.

Write the dump with `tools/test.py CONFIG CHECKPOINT --out DUMP.json`; person search and re-identification alike.
"""

import argparse
from pathlib import Path

import mmcv
from mmengine.config import Config, DictAction

import pedsearch  # noqa: F401
from pedsearch.registry import DATASETS
from pedsearch.visualization import draw_dump, read_dump


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file of the test')
    parser.add_argument('dump', type=Path, help='ranked lists written by the metric (.json)')
    parser.add_argument('out', type=Path, help='picture to write (.png)')
    parser.add_argument('--best', type=int, default=3, help='queries with the highest average precision')
    parser.add_argument('--worst', type=int, default=3, help='queries with the lowest average precision')
    parser.add_argument('--topk', type=int, default=8, help='answers per query, at most 10 (3 with --scenes)')
    parser.add_argument('--scenes', action='store_true', help='whole scenes instead of crops; person search only')
    parser.add_argument('--evaluation', default='primary',
                        help="'primary', 'control', 'rerank', 'aqe' or the name of a protocol, as the dump has it")
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='override config entries, key=value ...')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    dump = read_dump(args.dump)
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    picture = draw_dump(dataset, dump, args.evaluation, args.best, args.worst, args.topk, args.scenes)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    mmcv.imwrite(picture[..., ::-1], str(args.out))
    print(f'{args.out}: {picture.shape[1]} x {picture.shape[0]} pixels')


if __name__ == '__main__':
    main()
