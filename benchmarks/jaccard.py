"""Time the sparse Jaccard similarity against the plain dense formula, and at the size of CUHK-SYSU.

    python benchmarks/jaccard.py                         # N = 4,000, 8,000, 16,000 against the dense formula
    python benchmarks/jaccard.py --size 55272            # CUHK-SYSU's training set, ours only
    python benchmarks/jaccard.py --kernels reference --backend faiss

The plain formula is the published one as code bases share it: dense N x N matrices, a sort of all rows for the
neighbour lists, a Python loop over points for the reciprocal sets, another for the averages, a third for the sums of
minima. Code for pseudo labels often leaves the lists to faiss; a second ratio leaves them out of the formula's time,
and of its time only. The formula goes on with our lists, as single precision orders near ties at random. Our time is
the median of five runs after one to warm up.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from unittest import mock

import numpy as np
import torch

from pedsearch.clustering import jaccard, jaccard_similarity
from pedsearch.functional.neighbours import nearest_neighbours, unit_rows
from pedsearch.ops import native_library, reference_kernels

K1, K2 = 30, 6


def make_feats(num: int, dims: int, seed: int, per_id: int = 16, latent: int = 48) -> np.ndarray:
    """Features of people: random centres in a space of few dimensions, noise of half their spread."""
    rng = np.random.default_rng(seed)
    num_ids = max(1, num // per_id)
    centres = rng.standard_normal((num_ids, latent), dtype=np.float32)
    people = centres[rng.integers(num_ids, size=num)]
    people += 0.5 * rng.standard_normal((num, latent), dtype=np.float32)
    feats = people @ rng.standard_normal((latent, dims), dtype=np.float32)
    return feats / np.linalg.norm(feats, axis=1, keepdims=True)


def plain_lists(feats: np.ndarray) -> np.ndarray:
    """(N, K1) neighbours."""
    return np.argsort(2 - 2 * feats @ feats.T, axis=1)[:, :K1]


def plain_jaccard(feats: np.ndarray, lists: np.ndarray) -> np.ndarray:
    """(N, N) float32 Jaccard distances with dense matrices."""
    num = len(feats)
    half = lists[:, :round(K1 / 2) + 1]
    mutual = [row[(lists[row] == i).any(axis=1)] for i, row in enumerate(lists)]
    mutual_half = [row[(half[row] == i).any(axis=1)] for i, row in enumerate(half)]
    weights = np.zeros((num, num), dtype=np.float32)
    for i in range(num):
        members = mutual[i]
        expanded = members
        for candidate in members:
            friends = mutual_half[candidate]
            if len(np.intersect1d(friends, members)) > 2 / 3 * len(friends):
                expanded = np.append(expanded, friends)
        expanded = np.unique(expanded)
        sims = np.exp(-(2 - 2 * feats[i:i + 1] @ feats[expanded].T))
        weights[i, expanded] = sims / sims.sum()
    averaged = np.zeros_like(weights)
    for i in range(num):
        averaged[i] = weights[lists[i, :K2]].mean(axis=0)
    del weights
    holders = [np.flatnonzero(averaged[:, column]) for column in range(num)]
    distances = np.zeros((num, num), dtype=np.float32)
    for i in range(num):
        shared = np.zeros(num, dtype=np.float32)
        for column in np.flatnonzero(averaged[i]):
            rows = holders[column]
            shared[rows] += np.minimum(averaged[i, column], averaged[rows, column])
        distances[i] = 1 - shared / (2 - shared)
    return distances.clip(min=0)


def timed(function: Callable, *args: object, **kwargs: object) -> tuple[object, float]:
    start = time.perf_counter()
    result = function(*args, **kwargs)
    return result, time.perf_counter() - start


def peak_memory() -> float:
    """Peak of this process in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--sizes', type=int, nargs='+', default=[4000, 8000, 16000], help='against the dense formula')
    parser.add_argument('--size', type=int, help='only ours at this size')
    parser.add_argument('--dims', type=int, default=256)
    parser.add_argument('--min-similarity', type=float, default=0.0)
    parser.add_argument('--kernels', choices=['native', 'reference'], default='native')
    parser.add_argument('--backend', choices=['auto', 'torch', 'faiss'], default='auto', help='of the neighbour search')
    parser.add_argument('--min-ratio', type=float, nargs='+', default=[12, 15, 25], help='one for each size')
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()

    if args.kernels == 'native' and native_library(torch.device('cpu')) is None:
        raise SystemExit('native kernels are not built; run python -m pedsearch.ops.build, or use --kernels reference')
    search = mock.patch.object(jaccard, 'nearest_neighbours',
                               lambda points, k: nearest_neighbours(points, k, backend=args.backend))
    print(f'{args.kernels} kernels, {args.backend} neighbours, {torch.get_num_threads()} threads, k1={K1}, k2={K2}')
    with search, reference_kernels() if args.kernels == 'reference' else nullcontext():
        jaccard_similarity(make_feats(500, args.dims, args.seed))  # threads and libraries get ready
        sizes = [args.size] if args.size else args.sizes
        for size, min_ratio in zip(sizes, [0] if args.size else args.min_ratio, strict=True):
            feats = make_feats(size, args.dims, args.seed)
            before = peak_memory()
            times, ours = [], None
            for _ in range(1 if args.size else 6):
                del ours
                ours, seconds = timed(jaccard_similarity, feats, k1=K1, k2=K2, min_similarity=args.min_similarity)
                times.append(seconds)
            our_time = statistics.median(times[-5:])
            print(f'N={size}: {our_time:.2f} s, {ours.nnz / size:.0f} pairs a point, peak memory '
                  f'{peak_memory():.2f} GiB (+{peak_memory() - before:.2f})', flush=True)
            if args.size:
                continue
            lists, list_time = timed(plain_lists, feats)
            exact = nearest_neighbours(unit_rows(feats), K1).indices.numpy()
            print(f'  the formula has another order in {(lists != exact).any(axis=1).sum()} of {size} neighbour lists')
            plain, plain_time = timed(plain_jaccard, feats, exact)
            difference = np.abs(1 - ours.toarray() - plain).max()
            ratio = (list_time + plain_time) / our_time
            print(f'  dense formula {list_time + plain_time:.1f} s, ratio {ratio:.1f} (without its neighbour lists '
                  f'{plain_time:.1f} s, {plain_time / our_time:.1f}), peak memory {peak_memory():.2f} GiB, '
                  f'largest difference {difference:.1e}', flush=True)
            if difference > 1e-5:
                raise SystemExit(f'N={size}: results differ by {difference:.1e}')
            if ratio < min_ratio:
                raise SystemExit(f'N={size}: expected a ratio of at least {min_ratio}, got {ratio:.1f}')


if __name__ == '__main__':
    main()
