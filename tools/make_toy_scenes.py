"""Render toy scenes: people of a synthetic world in the own-data format, with queries and gallery."""

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path

from mmengine.utils import ProgressBar

from pedsearch.mesh.scene_writer import write_toy_scenes
from pedsearch.mesh.toy_world import PRESETS


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--preset', choices=sorted(PRESETS), default='demo', help='size of the world')
    parser.add_argument('--out', type=Path, required=True, help='folder to write')
    parser.add_argument('--seed', type=int, default=0, help='everything is drawn from it')
    parser.add_argument('--workers', type=int, default=2, help='processes; the files do not depend on it')
    return parser.parse_args()


def summary(out_dir: Path) -> str:
    """One line per split."""
    lines = []
    for split in ('train', 'test'):
        data = json.loads((out_dir / 'annotations' / f'{split}.json').read_text())
        pids = [person['person_id'] for person in data['annotations']]
        lines.append(
            f'{split}: {len(data["images"])} images, {len(pids)} people, {len(set(pids) - {-1})} identities, '
            f'{pids.count(-1)} people without identity'
        )
    queries = json.loads((out_dir / 'annotations' / 'test_protocol.json').read_text())['queries']
    return '\n'.join([*lines, f'queries: {len(queries)}'])


def main() -> int:
    args = parse_args()
    config = dataclasses.replace(PRESETS[args.preset], seed=args.seed)
    started = time.perf_counter()
    bar = ProgressBar(config.num_train_images + config.num_test_images, start=False)

    def advance() -> None:
        if not hasattr(bar, 'timer'):
            bar.start()
        bar.update()

    try:
        written = write_toy_scenes(config, args.out, args.workers, on_image=advance)
    except (ImportError, OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    took = f'rendered in {time.perf_counter() - started:.0f} s' if written else 'already there, nothing to do'
    print(f'\n{args.out}: {took}\n{summary(args.out)}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
