"""Time k-reciprocal re-ranking against the plain dense formula, and at the size of MSMT17.

    python benchmarks/reranking.py                       # 800 x 4,000, 256-d, against the dense formula
    python benchmarks/reranking.py --size msmt17         # 11,659 x 82,161, 512-d, ours only
    python benchmarks/reranking.py --kernels reference

The plain formula is the published one as code bases share it: all (Q + G)^2 distances, a full sort of every row, and
Python loops over items. They divide by the largest value of each column and transpose, so that columns are contiguous
where the loops read rows; the same with contiguous rows is timed, too. The formula sorts, but goes on with our lists,
as single precision orders near ties at random. Our time for the small size is the median of five runs after one to
warm up.
"""

import argparse
import statistics
from contextlib import nullcontext

import numpy as np
import torch
from jaccard import make_feats, peak_memory, timed

from pedsearch.functional import k_reciprocal_rerank
from pedsearch.functional.neighbours import nearest_neighbours, unit_rows
from pedsearch.ops import native_library, reference_kernels

SIZES = {'small': (800, 4000, 256), 'market1501': (3368, 15913, 512), 'msmt17': (11659, 82161, 512)}
K1, K2, LAMBDA = 20, 6, 0.3


def plain_rerank(query: np.ndarray, gallery: np.ndarray, lists: np.ndarray, columns_first: bool) -> np.ndarray:
    """(Q, G) float32 with dense matrices, whose columns or rows are contiguous."""
    feats = np.concatenate([query, gallery])
    num, num_query = len(feats), len(query)
    original = np.maximum(2 - 2 * feats @ feats.T, 0)
    original = original / original.max(axis=0)
    if columns_first:
        original = original.T
    ranking = np.argsort(original, axis=1).astype(np.int32)
    ranking[:, :K1 + 1] = lists
    weights = np.zeros_like(original)

    def mutual(i: int, k: int) -> np.ndarray:
        nearest = ranking[i, :k + 1]
        return nearest[(ranking[nearest, :k + 1] == i).any(axis=1)]

    for i in range(num):
        members = expanded = mutual(i, K1)
        for candidate in members:
            friends = mutual(candidate, round(K1 / 2))
            if len(np.intersect1d(friends, members)) > 2 / 3 * len(friends):
                expanded = np.append(expanded, friends)
        expanded = np.unique(expanded)
        values = np.exp(-original[i, expanded])
        weights[i, expanded] = values / values.sum()
    averaged = np.zeros_like(weights)
    for i in range(num):
        averaged[i] = weights[ranking[i, :K2]].mean(axis=0)
    holders = [np.flatnonzero(averaged[:, column]) for column in range(num)]
    distances = np.zeros((num_query, num), dtype=np.float32)
    for i in range(num_query):
        shared = np.zeros(num, dtype=np.float32)
        for column in np.flatnonzero(averaged[i]):
            rows = holders[column]
            shared[rows] += np.minimum(averaged[i, column], averaged[rows, column])
        distances[i] = 1 - shared / (2 - shared)
    return ((1 - LAMBDA) * distances + LAMBDA * original[:num_query])[:, num_query:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--size', choices=SIZES, default='small', help='all but small: without the dense formula')
    parser.add_argument('--dims', type=int, help='instead of that of the size')
    parser.add_argument('--kernels', choices=['native', 'reference'], default='native')
    parser.add_argument('--min-ratio', type=float, default=20.0)
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()

    if args.kernels == 'native' and native_library(torch.device('cpu')) is None:
        raise SystemExit('native kernels are not built; run python -m pedsearch.ops.build, or use --kernels reference')
    num_query, num_gallery, dims = SIZES[args.size]
    dims = args.dims or dims
    feats = make_feats(num_query + num_gallery, dims, args.seed, per_id=20)
    query, gallery = feats[:num_query], feats[num_query:]
    print(f'{num_query} queries x {num_gallery} gallery items, {dims}-d, {args.kernels} kernels, '
          f'{torch.get_num_threads()} threads, k1={K1}, k2={K2}, lambda={LAMBDA}')
    with reference_kernels() if args.kernels == 'reference' else nullcontext():
        k_reciprocal_rerank(query[:50], gallery[:200])  # threads and libraries get ready
        before, times = peak_memory(), []
        for _ in range(6 if args.size == 'small' else 1):
            ours, seconds = timed(k_reciprocal_rerank, query, gallery, k1=K1, k2=K2, lambda_value=LAMBDA)
            times.append(seconds)
        our_time = statistics.median(times[-5:])
    print(f'{our_time:.2f} s, peak memory {peak_memory():.2f} GiB (+{peak_memory() - before:.2f}, of which the result '
          f'{ours.nbytes / 2**30:.2f})', flush=True)
    if args.size != 'small':
        return
    lists = nearest_neighbours(unit_rows(feats), K1 + 1).indices.numpy()
    plain, plain_time = timed(plain_rerank, query, gallery, lists, columns_first=True)
    _, tidy_time = timed(plain_rerank, query, gallery, lists, columns_first=False)
    difference, ratio = np.abs(ours - plain).max(), plain_time / our_time
    print(f'dense formula {plain_time:.1f} s, ratio {ratio:.1f} (with contiguous rows {tidy_time:.1f} s, '
          f'{tidy_time / our_time:.1f}), peak memory {peak_memory():.2f} GiB, '
          f'largest difference {difference:.1e}')
    if difference > 1e-5:
        raise SystemExit(f'results differ by {difference:.1e}')
    if ratio < args.min_ratio:
        raise SystemExit(f'expected a ratio of at least {args.min_ratio}, got {ratio:.1f}')


if __name__ == '__main__':
    main()
