"""Time DBSCAN at three radii on a sparse similarity graph against scikit-learn run three times.

    python benchmarks/dbscan.py                      # 55,272 points, about 50 million stored values, three radii
    python benchmarks/dbscan.py --features           # the graph of jaccard_similarity instead, from 256-d features
    python benchmarks/dbscan.py --points 4000 --dense

Both run in one process on the same graph, and must give the same labels. scikit-learn gets the distances as the sparse
matrix it accepts; with --dense also the dense matrix that the code bases of the field build.
"""

import argparse
import multiprocessing
import resource
import time

import numpy as np
from scipy import sparse
from sklearn.cluster import DBSCAN

from pedsearch.clustering import dbscan_labels, jaccard_similarity

ROUNDING = 1e-6  # how inclusive the radius of dbscan_labels is


def block_graph(num: int, stored: int, rng: np.random.Generator) -> sparse.csr_matrix:
    """Symmetric similarities of groups of eight points, and low ones between all that are near one another on a circle.

    A Jaccard graph has the same shape: long rows, of which a small part is above 0.3.
    """
    reach = max(1, (stored // num - 1) // 2)
    offsets = np.arange(1, reach + 1)
    rows = np.repeat(np.arange(num, dtype=np.int32), reach)
    cols = (rows + np.tile(offsets.astype(np.int32), num)) % num
    identity = np.arange(num) // 8
    same = identity[rows] == identity[cols]
    sims = rng.random(len(rows), dtype=np.float32)
    sims = np.where(same, 0.1 + 0.3 * sims, 0.2803 * sims ** 3).astype(np.float32)
    half = sparse.csr_matrix((sims, (rows, cols)), shape=(num, num))
    graph = half + half.T + sparse.identity(num, dtype=np.float32, format='csr')
    graph.sort_indices()
    return graph


def feature_graph(num: int, dims: int, min_similarity: float, rng: np.random.Generator) -> sparse.csr_matrix:
    """Jaccard similarities of groups of features, as far as the widest radius needs them."""
    centres = rng.standard_normal((max(1, num // 8), dims)).astype(np.float32)
    feats = centres[rng.integers(0, len(centres), num)] + 0.9 * rng.standard_normal((num, dims)).astype(np.float32)
    return jaccard_similarity(feats, min_similarity=min_similarity)


def scikit_learn_labels(distance: sparse.csr_matrix | np.ndarray, radii: list[float], min_samples: int) -> np.ndarray:
    return np.stack([DBSCAN(eps=eps + ROUNDING, min_samples=min_samples, metric='precomputed').fit(distance).labels_
                     for eps in radii])


def peak_of_dbscan(graph: sparse.csr_matrix, radii: list[float], min_samples: int) -> tuple[float, float]:
    """Peak memory in GiB before and after the call, in a process of its own: a peak never comes down again."""
    parent, child = multiprocessing.get_context('fork').Pipe()

    def measure() -> None:
        before = resident()
        dbscan_labels(graph, eps=radii, min_samples=min_samples)
        child.send((before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20))

    process = multiprocessing.get_context('fork').Process(target=measure)
    process.start()
    peaks = parent.recv()
    process.join()
    return peaks


def resident() -> float:
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--points', type=int, default=55272)
    parser.add_argument('--stored', type=int, default=50_000_000, help='stored values of the synthetic graph')
    parser.add_argument('--features', action='store_true', help='the graph of jaccard_similarity of random groups')
    parser.add_argument('--dims', type=int, default=256)
    parser.add_argument('--eps', type=float, nargs='+', default=[0.68, 0.70, 0.72])
    parser.add_argument('--min-samples', type=int, nargs='+', default=[2, 4])
    parser.add_argument('--dense', action='store_true', help='also against the dense matrix; small N only')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--max-seconds', type=float, default=10.0)
    args = parser.parse_args()

    rng = np.random.default_rng(args.seed)
    start = time.perf_counter()
    graph = (feature_graph(args.points, args.dims, 1 - max(args.eps) - 2 * ROUNDING, rng) if args.features else
             block_graph(args.points, min(args.stored, args.points * (args.points - 1)), rng))
    print(f'graph: {graph.shape[0]} points, {graph.nnz / 1e6:.1f} million stored values, '
          f'{(graph.data.nbytes + graph.indices.nbytes + graph.indptr.nbytes) / 2**30:.2f} GiB, '
          f'made in {time.perf_counter() - start:.1f} s')
    distance = sparse.csr_matrix((1 - graph.data.astype(np.float64), graph.indices, graph.indptr), shape=graph.shape)
    for min_samples in args.min_samples:
        before, peak = peak_of_dbscan(graph, args.eps, min_samples)
        start = time.perf_counter()
        ours = dbscan_labels(graph, eps=args.eps, min_samples=min_samples)
        our_time = time.perf_counter() - start
        start = time.perf_counter()
        theirs = scikit_learn_labels(distance, args.eps, min_samples)
        their_time = time.perf_counter() - start
        found = ', '.join(f'eps {eps}: {row.max() + 1} clusters, {np.mean(row < 0):.0%} noise'
                          for eps, row in zip(args.eps, ours))
        print(f'min_samples {min_samples}: {our_time:.2f} s, peak memory {peak:.2f} GiB (+{peak - before:.2f}); '
              f'scikit-learn on the sparse distances {their_time:.2f} s, ratio {their_time / our_time:.1f}\n  {found}',
              flush=True)
        if not np.array_equal(ours, theirs):
            raise SystemExit(f'labels differ from scikit-learn for {np.sum(ours != theirs)} points')
        if args.dense:
            dense = 1 - graph.astype(np.float64).toarray()
            start = time.perf_counter()
            theirs = scikit_learn_labels(dense, args.eps, min_samples)
            their_time = time.perf_counter() - start
            print(f'  scikit-learn on the dense matrix {their_time:.2f} s, ratio {their_time / our_time:.1f}')
            if not np.array_equal(ours, theirs):
                raise SystemExit(f'labels differ from scikit-learn for {np.sum(ours != theirs)} points')
        if our_time > args.max_seconds:
            raise SystemExit(f'expected at most {args.max_seconds} s, got {our_time:.2f}')


if __name__ == '__main__':
    main()
