"""Time each CUDA kernel at the size of CUHK-SYSU's training set, and say how near it comes to the limits of the GPU.

    python benchmarks/gpu_kernels.py                     # N = 55,272, D = 256, k = 30
    python benchmarks/gpu_kernels.py --size 8000 --no-reference

Builds the library if there is none. The limit is the bandwidth of a large copy in the same run. "least" counts every
operand once, as if all caches were endless; "asked" counts every access of every thread, as if there were none, and may
exceed the limit where caches do their work. Results are compared with the torch references, which are timed, too.
"""

import argparse
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pedsearch import ops
from pedsearch.functional.neighbours import nearest_neighbours, unit_rows
from pedsearch.functional.reciprocal import half_list, reciprocal_encoding
from pedsearch.ops import SparseRows, native_library, reference_kernels
from pedsearch.ops.build import build
from pedsearch.ops.native import library_folders, library_name

GIGA = 1e9
K2 = 6


@dataclass(frozen=True)
class Case:
    """One kernel with its operands.

    Attributes:
        name: what to print.
        run: calls it.
        least, asked: bytes moved, see the top of the file.
        operations: floating point operations or comparisons.
        same: whether two results agree.
    """

    name: str
    run: Callable[[], object]
    least: int
    asked: int
    operations: int
    same: Callable[[object, object], bool]


def people(num: int, dims: int, device: torch.device, per_person: int = 8, latent: int = 48) -> Tensor:
    """Unit vectors (num, dims) float64: random centres in a space of few dimensions, noise of half their spread."""
    generator = torch.Generator(device).manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=device, dtype=torch.float64)

    centres = normal(max(1, num // per_person), latent)
    persons = torch.randint(len(centres), (num, ), generator=generator, device=device)
    return unit_rows((centres[persons] + .5 * normal(num, latent)) @ normal(latent, dims))


def size_of(*tensors: Tensor) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def same_sets(found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor]) -> bool:
    return all(map(torch.equal, found, expected))


def close(found: Tensor, expected: Tensor) -> bool:
    return torch.allclose(found, expected, rtol=1e-6, atol=0)


def same_rows(found: SparseRows, expected: SparseRows) -> bool:
    return torch.equal(found.indptr, expected.indptr) and torch.equal(found.indices, expected.indices) and close(
        found.values, expected.values)


def reciprocal_case(neighbours: Tensor, k_half: int) -> Case:
    num, k = neighbours.shape
    members = ops.reciprocal_sets(neighbours, k, k_half)
    mutual = (neighbours[neighbours.long()] == torch.arange(num, device=neighbours.device)[:, None, None]).any(-1).sum()
    once = 4 * num * (k_half * (k_half + 2) + k * (k + 1)) + 8 * int(mutual) * k_half + 3 * num * num // 8
    return Case('reciprocal_sets', lambda: ops.reciprocal_sets(neighbours, k, k_half),
                2 * size_of(neighbours) + 2 * size_of(members[0]) + size_of(members[1]), 2 * once,
                2 * num * (k_half**2 + k**2), same_sets)


def distance_case(points: Tensor, starts: Tensor, members: Tensor) -> Case:
    num_pairs, dims = len(members), points.shape[1]
    return Case('pattern_sq_distances', lambda: ops.pattern_sq_distances(points, points, starts, members),
                size_of(points, starts, members) + 8 * num_pairs, num_pairs * (16 * dims + 12), 3 * num_pairs * dims,
                close)


def product_case(name: str, left: SparseRows, right: SparseRows, combine: str, floor: float) -> Case:
    def run() -> SparseRows:
        return ops.sparse_product(left, right, combine, floor=floor, dtype=torch.float32)

    product = run()
    entries, terms = len(product.indices), int(right.indptr.diff()[left.indices].sum())
    operands = size_of(*(part for rows in (left, right) for part in (rows.indptr, rows.indices, rows.values)))
    scan = 3 * left.num_rows * right.num_cols // 8  # the columns of a row as bits: counted, read out, emptied
    fill = 28 * terms + 28 * len(left.indices) + scan + 32 * entries
    count = fill if floor > 0 else 8 * terms + 28 * len(left.indices) + scan
    least = 2 * operands + size_of(product.indices, product.values) + 2 * size_of(product.indptr)
    return Case(name, run, least, fill + count, 2 * terms * (2 if floor > 0 else 1), same_rows)


def rank_case(num_queries: int, num_gallery: int, per_query: int, device: torch.device) -> Case:
    generator = torch.Generator(device).manual_seed(1)
    dist = torch.rand(num_queries, num_gallery, generator=generator, device=device)
    columns = torch.rand(num_queries, num_gallery, generator=generator, device=device).topk(per_query, dim=1).indices
    half = per_query // 2
    starts = torch.arange(num_queries + 1, device=device)
    lists = (starts * (per_query - half), columns[:, half:].flatten(), starts * half, columns[:, :half].flatten())
    passes, positives = -(-(per_query - half) // 8), len(lists[1])
    return Case('positive_ranks', lambda: ops.positive_ranks(dist, *lists), size_of(dist, *lists) + 8 * positives,
                passes * size_of(dist) + 8 * positives, 3 * num_gallery * positives, torch.equal)


def milliseconds(run: Callable[[], object], repeats: int) -> float:
    """Median time on the GPU, from the first kernel to the last, after one run to warm up."""
    run()
    times = []
    for _ in range(repeats):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        run()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times)


def copy_bandwidth(device: torch.device, num_bytes: int, repeats: int) -> float:
    """Bytes per second, read and written, of a copy that no cache can hold."""
    source = torch.ones(num_bytes, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * num_bytes / (milliseconds(lambda: target.copy_(source), repeats) / 1e3)


def report(case: Case, bandwidth: float, repeats: int, with_reference: bool) -> None:
    time = milliseconds(case.run, repeats)
    seconds = time / 1e3
    line = f'{case.name:30}{time:10.3f} ms'
    for name, moved in (('least', case.least), ('asked', case.asked)):
        line += f'   {name} {moved / GIGA:8.3f} GB, {moved / seconds / bandwidth:7.1%}'
    line += f'   {case.operations / seconds / GIGA:9.1f} G operations/s'
    if with_reference:
        found = case.run()
        with reference_kernels():
            expected = case.run()
            reference = milliseconds(case.run, 1)
        if not case.same(found, expected):
            raise SystemExit(f'{case.name}: the CUDA kernel and the torch reference differ')
        line += f'   reference {reference:10.1f} ms, {reference / time:6.1f} x'
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--size', type=int, default=55272, help='points')
    parser.add_argument('--dims', type=int, default=256)
    parser.add_argument('--k', type=int, default=30)
    parser.add_argument('--queries', type=int, default=1000, help='rows that are ranked')
    parser.add_argument('--gallery', type=int, default=82161, help='columns that are ranked')
    parser.add_argument('--repeats', type=int, default=10)
    parser.add_argument('--copy-gib', type=float, default=4.0, help='size of the copy that gives the bandwidth')
    parser.add_argument('--no-reference', action='store_true')
    args = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit('expected a CUDA GPU, found none; run this where torch.cuda.is_available()')
    device = torch.device('cuda', torch.cuda.current_device())
    properties = torch.cuda.get_device_properties(device)
    if not any((folder / library_name('cuda')).exists() for folder in library_folders()):
        print(f'built {build("cuda", [f"{properties.major}{properties.minor}"])}')
    if native_library(device) is None:
        raise SystemExit('expected CUDA kernels that can be loaded, got none; unset PEDSEARCH_NATIVE or build again')

    bandwidth = copy_bandwidth(device, int(args.copy_gib * 2**30), args.repeats)
    print(f'{properties.name}, {properties.multi_processor_count} multiprocessors; a copy moves '
          f'{bandwidth / GIGA:.0f} GB/s; N = {args.size:,}, D = {args.dims}, k = {args.k}')
    points = people(args.size, args.dims, device)
    neighbours = nearest_neighbours(points, args.k)
    num_neighbours, k_half = neighbours.indices.shape[1], half_list(args.k)
    starts, members = ops.reciprocal_sets(neighbours.indices, num_neighbours, min(k_half, num_neighbours))
    single = reciprocal_encoding(points, neighbours, k_half=k_half, k2=1)
    encoding = reciprocal_encoding(points, neighbours, k_half=k_half, k2=K2)
    nearest = neighbours.indices[:, :K2].sort(dim=1).values
    average = SparseRows(torch.arange(len(points) + 1, device=device) * nearest.shape[1], nearest.flatten(),
                         torch.full((nearest.numel(), ), 1 / K2, dtype=torch.float64, device=device), len(points))
    transposed = encoding.transposed()
    for case in (reciprocal_case(neighbours.indices, min(k_half, num_neighbours)),
                 distance_case(points, starts, members),
                 product_case('sparse_product, average', average, single, 'times', 0.0),
                 product_case('sparse_product, Jaccard', encoding, transposed, 'minimum', 0.0),
                 product_case('sparse_product, similar >= .3', encoding, transposed, 'minimum', 2 * .3 / 1.3),
                 rank_case(args.queries, args.gallery, 40, device)):
        report(case, bandwidth, args.repeats, not args.no_reference)
    print(f'peak memory {torch.cuda.max_memory_allocated(device) / 2**30:.2f} GiB, scratch of the kernels not counted')


if __name__ == '__main__':
    main()
