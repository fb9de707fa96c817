"""Draw the best and the worst queries of a test with what the model found for them.

Write the dump with `tools/test.py CONFIG CHECKPOINT --out DUMP.json`.
"""

import argparse
import json
from pathlib import Path

import mmcv
from mmengine.config import Config, DictAction

import pedsearch  # noqa: F401
from pedsearch.registry import DATASETS
from pedsearch.visualization import draw_ranked_galleries


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file of the test')
    parser.add_argument('dump', type=Path, help='ranked lists written by the metric (.json)')
    parser.add_argument('out', type=Path, help='picture to write (.png)')
    parser.add_argument('--best', type=int, default=3, help='queries with the highest average precision')
    parser.add_argument('--worst', type=int, default=3, help='queries with the lowest average precision')
    parser.add_argument('--topk', type=int, default=8, help='answers per query, at most 10 (3 with --scenes)')
    parser.add_argument('--scenes', action='store_true', help='whole scenes instead of crops')
    parser.add_argument('--evaluation', default='primary', help="'primary', 'control' or the name of a protocol")
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='override config entries, key=value ...')
    return parser.parse_args()


def load_evaluation(path: Path, name: str) -> list[dict]:
    """The per-query records of one evaluation of a dump."""
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise FileNotFoundError(f'dump {path} does not exist; write it with tools/test.py --out {path}') from None
    except ValueError as error:
        raise ValueError(f'dump {path} is not JSON: {error}; write it again with tools/test.py --out') from None
    if not isinstance(content, dict) or content.get('format') != 'pedsearch-search-dump':
        raise ValueError(f'{path} must be a dump of PersonSearchMetric; write it with tools/test.py --out')
    if name not in content['evaluations']:
        raise ValueError(f'--evaluation must be one of {sorted(content["evaluations"])}, got {name!r}')
    return content['evaluations'][name]


def main() -> None:
    args = parse_args()
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    per_query = load_evaluation(args.dump, args.evaluation)
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    protocol = None if args.evaluation in ('primary', 'control') else args.evaluation
    picture = draw_ranked_galleries(dataset, per_query, args.best, args.worst, args.topk, args.scenes, protocol)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    mmcv.imwrite(picture[..., ::-1], str(args.out))
    print(f'{args.out}: {picture.shape[1]} x {picture.shape[0]} pixels')


if __name__ == '__main__':
    main()
