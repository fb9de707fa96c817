"""Draw fitted bodies, as photographed and turned, into files of the published layout.

``MESH_ROOT/{train,test}/render[_<angle>]/<photo>``, which ``PrecomputedViews`` reads. Pictures that are there already
are not drawn again; a picture has its photo's size.

Example::

    python tools/mesh/render_views.py bodies.npz --photos data/market1501 --out data/market1501_mesh
"""

import argparse
import sys
from collections.abc import Sequence

from rich.progress import track

from pedsearch.mesh import ANGLES_DEG, AnnyFits, write_views


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('bodies', help='.npz file of tools/mesh/fit_bodies.py')
    parser.add_argument('--out', required=True, help='root of the pictures')
    parser.add_argument('--photos', required=True, help='root of the dataset, which the names of the bodies start from')
    parser.add_argument('--angles', type=int, nargs='+', default=ANGLES_DEG, help='degrees')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        bodies = AnnyFits(args.bodies)
        names = write_views(bodies, bodies.names, args.photos, args.out, args.angles)
        drawn = sum(1 for _ in track(names, 'drawing', len(bodies.names), disable=not sys.stderr.isatty()))
    except (OSError, ValueError, ImportError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(f'{drawn} people at {len(args.angles)} angles in {args.out}')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
