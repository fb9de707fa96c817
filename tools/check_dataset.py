"""Count images, boxes and identities of a dataset on disk and name exactly what is missing or wrong."""

import argparse

from pedsearch.datasets.dataset_checks import (
    check_crops,
    check_cuhk_sysu,
    check_market1501,
    check_msmt17,
    check_prw,
    check_scenes,
)

CHECKS = dict(
    cuhk_sysu=check_cuhk_sysu,
    prw=check_prw,
    scenes=check_scenes,
    market1501=check_market1501,
    msmt17=check_msmt17,
    crops=check_crops)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('dataset', choices=list(CHECKS), help='layout; "scenes" and "crops" are own data')
    parser.add_argument('root', help='folder of the dataset')
    parser.add_argument('--images', action='store_true', help='also read every picture: truncated files, wrong sizes')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    findings = CHECKS[args.dataset](args.root, args.images)
    for finding in findings:
        print(f'{"ok   " if finding.ok else "WRONG"}  {finding.text}')
    num_wrong = sum(not finding.ok for finding in findings)
    print(f'{args.root}: {f"{num_wrong} to repair" if num_wrong else "complete"}')
    return int(num_wrong > 0)


if __name__ == '__main__':
    raise SystemExit(main())
