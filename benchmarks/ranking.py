"""Time the re-identification ranking against the plain loop over queries.

    python benchmarks/ranking.py                      # 1,000 queries x 8,000 gallery items, 512-d
    python benchmarks/ranking.py --size market1501    # 3,368 x 15,913
    python benchmarks/ranking.py --size msmt17        # 11,659 x 82,161, ours only

The plain loop goes over the queries: sort the gallery, drop the junk, a cumulative sum of the matches, the precision at
every place. The loop that re-identification code bases share keeps those precisions in a Python list; a leaner one uses
NumPy for them, too. All rank the same matrix of distances, which they are given, so that the product that makes it (the
same for all) does not count, and must agree on every query. The time with the product is printed as well.
"""

import argparse
import re
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from pedsearch.functional import QueryRanks, rank_queries
from pedsearch.ops import reference_kernels

SIZES = {'small': (1000, 8000, 400, 6), 'market1501': (3368, 15913, 750, 6), 'msmt17': (11659, 82161, 3060, 15)}
TOPK = (1, 5, 10)


def make_data(num_queries: int, num_gallery: int, num_pids: int, num_cams: int, dims: int,
              rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Unit features of queries and gallery, and their identities and cameras."""
    centres = rng.standard_normal((num_pids, dims), dtype=np.float32)
    feats, pids, camids = [], [], []
    for num in (num_queries, num_gallery):
        pids.append(rng.integers(num_pids, size=num))
        camids.append(rng.integers(num_cams, size=num))
        rows = centres[pids[-1]] + 2.5 * rng.standard_normal((num, dims), dtype=np.float32)
        feats.append(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    return *feats, [*pids, *camids]


def plain_loop(dist: np.ndarray, query_pids: np.ndarray, gallery_pids: np.ndarray, query_camids: np.ndarray,
               gallery_camids: np.ndarray, *, lean: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """AP, INP and CMC (Q, len(TOPK)) of each query; NaN for queries without a true match."""
    aps, inps, cmcs = [], [], []
    for row, pid, camid in zip(dist, query_pids, query_camids):
        order = np.argsort(row, kind='stable')
        is_junk = (gallery_pids[order] == pid) & (gallery_camids[order] == camid)
        is_match = (gallery_pids[order] == pid)[~is_junk]
        if not is_match.any():
            aps.append(np.nan)
            inps.append(np.nan)
            cmcs.append([np.nan] * len(TOPK))
            continue
        hits = is_match.cumsum()
        if lean:
            precisions = hits / np.arange(1, len(hits) + 1)
        else:
            precisions = np.asarray([hit / (place + 1) for place, hit in enumerate(hits)])
        aps.append((precisions * is_match).sum() / is_match.sum())
        inps.append(is_match.sum() / (np.flatnonzero(is_match)[-1] + 1))
        cmcs.append([hits[k - 1] > 0 for k in TOPK])
    return np.array(aps), np.array(inps), np.array(cmcs, dtype=float)


def measured(function: Callable, *args: object, repeats: int = 1, **kwargs: object) -> tuple[object, float, float]:
    """Result, best of the times in seconds, and peak memory of the process meanwhile in GiB."""
    Path('/proc/self/clear_refs').write_text('5')  # Linux starts a new peak of the resident memory
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function(*args, **kwargs)
        seconds.append(time.perf_counter() - start)
    peak = int(re.search(r'VmHWM:\s+(\d+)', Path('/proc/self/status').read_text())[1]) / 2**20
    return result, min(seconds), peak


def compare(dist: np.ndarray, ids: list[np.ndarray], min_ratio: float) -> None:
    """Time both kernels against the loops, and check that all agree on every query."""
    (aps, inps, cmcs), plain_time, _ = measured(plain_loop, dist, *ids, lean=False)
    lean_time = measured(plain_loop, dist, *ids, lean=True)[1]
    print(f'plain loop {plain_time:.2f} s, lean loop {lean_time:.2f} s')
    for name, kernels in (('native', nullcontext), ('reference', reference_kernels)):
        with kernels():
            ranks, seconds, peak = measured(rank_queries, None, None, *ids, dist=dist, repeats=5)
        difference = max(np.nanmax(np.abs(ranks.ap - aps)), np.nanmax(np.abs(ranks.inp - inps)))
        found = np.where(ranks.valid[:, None], ranks.first_rank[:, None] <= np.array(TOPK), np.nan)
        same = np.array_equal(found, cmcs, equal_nan=True) and np.array_equal(np.isnan(aps), ~ranks.valid)
        print(f'{name} kernels: {1000 * seconds:.1f} ms, ratio {plain_time / seconds:.0f} to the plain loop and '
              f'{lean_time / seconds:.0f} to the lean one, peak memory {peak:.2f} GiB, largest difference '
              f'{difference:.0e}', flush=True)
        if not same or difference > 1e-12:
            raise SystemExit(f'{name} kernels: results differ from the plain loop')
        if plain_time / seconds < min_ratio:
            raise SystemExit(f'{name} kernels: expected a ratio of at least {min_ratio} to the plain loop, got '
                             f'{plain_time / seconds:.1f}')


def report(title: str, ranks: QueryRanks, seconds: float, peak: float) -> None:
    metrics = ', '.join(f'{key} {value:.6f}' for key, value in ranks.metrics(TOPK).items())
    print(f'{title}: {seconds:.2f} s, peak memory of the process {peak:.2f} GiB; {metrics}', flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--size', choices=SIZES, default='small')
    parser.add_argument('--dims', type=int, default=512)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--min-ratio', type=float, default=40.0)
    parser.add_argument('--max-memory', type=float, default=4.0, help='GiB, with the features')
    args = parser.parse_args()

    num_queries, num_gallery, *world = SIZES[args.size]
    query, gallery, ids = make_data(num_queries, num_gallery, *world, args.dims, np.random.default_rng(args.seed))
    print(f'{num_queries:,} queries x {num_gallery:,} gallery items, {args.dims}-d')
    for name, kernels in (('native', nullcontext), ('reference', reference_kernels)):
        with kernels():
            ranks, seconds, peak = measured(rank_queries, query, gallery, *ids)
        report(f'from features, {name} kernels', ranks, seconds, peak)
        if peak > args.max_memory:
            raise SystemExit(f'expected at most {args.max_memory} GiB, got {peak:.2f}')
    if args.size != 'msmt17':
        compare(-(query @ gallery.T), ids, args.min_ratio)


if __name__ == '__main__':
    main()
