"""Draw the features of some people or clusters on a plane by t-SNE.

Write the features with `tools/extract_features.py CONFIG CHECKPOINT --out FEATURES.npz`.
"""

import argparse
from pathlib import Path

import mmcv

from pedsearch.evaluation import read_features
from pedsearch.visualization import draw_embedding_map


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('features', type=Path, help='features and index (.npz)')
    parser.add_argument('out', type=Path, help='picture to write (.png)')
    parser.add_argument('--by', choices=['pid', 'label'], default='pid',
                        help='colour by identity, or by what was trained on, such as clusters; default: %(default)s')
    parser.add_argument('--num-labels', type=int, default=16, help='how many to draw; default: %(default)s')
    parser.add_argument('--perplexity', type=float, default=30., help='of t-SNE; default: %(default)s')
    parser.add_argument('--seed', type=int, default=0, help='of the choice and of t-SNE')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    table = read_features(args.features)
    labels, name = (table.pids, 'identity') if args.by == 'pid' else (table.labels, 'cluster')
    picture = draw_embedding_map(table.feats, labels, table.camids, args.num_labels, name, args.seed, args.perplexity)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    mmcv.imwrite(picture[..., ::-1], str(args.out))
    print(f'{args.out}: {picture.shape[1]} x {picture.shape[0]} pixels')


if __name__ == '__main__':
    main()
