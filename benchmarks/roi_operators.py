"""Time the native operators on regions of interest against what the libraries offer for the same result.

    python benchmarks/roi_operators.py                           # this machine's CPU, as many threads as torch takes
    python benchmarks/roi_operators.py --threads 1 --repeats 5
    python benchmarks/roi_operators.py --device cuda --dtype float16

Compositions: torchvision's roi_align for pooling without offsets; for offsets, which torchvision has no operator for,
a weighted embedding_bag over the pixels of all bins (the torch reference); normalise, then roi_align, for person crops;
mmdet's SingleRoIExtractor for pyramids. Both sides are checked against each other first. Sizes: a frame of 1920 x 1080
at test scale, of which deformable pooling sees a map of 1024 x 54 x 94, RoIs with the shape of people.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import roi_align

from pedsearch import ops
from pedsearch.ops import native_library, reference_kernels
from pedsearch.registry import MODELS

HEIGHT, WIDTH = 864, 1504
STRIDES = (4, 8, 16, 32)
MEAN, STD = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)


@dataclass(frozen=True)
class Case:
    """One operator and its rival, functions of the same tensors.

    Attributes:
        name: what to print.
        ours, library: from the inputs to the result.
        leaves: the inputs; those that require a gradient are differentiated by.
    """

    name: str
    ours: Callable[..., Tensor]
    library: Callable[..., Tensor]
    leaves: Sequence[Tensor]


def people(num: int, generator: torch.Generator) -> Tensor:
    """RoIs (num, 5) of one frame: 54 to 430 pixels high, most of them small, 2.76 times as high as wide."""
    heights = 54 * 2**(3 * torch.rand(num, 1, generator=generator))
    sizes = torch.cat([heights / 2.76, heights], dim=1)
    corners = torch.rand(num, 2, generator=generator) * (torch.tensor([WIDTH, HEIGHT]) - sizes)
    return torch.cat([torch.zeros(num, 1), corners, corners + sizes], dim=1)


def pooling_cases(num: int, device: torch.device, dtype: torch.dtype, generator: torch.Generator) -> list[Case]:
    rois = people(num, generator).to(device)
    feats = torch.randn(1, 1024, HEIGHT // 16, WIDTH // 16, generator=generator).to(device, dtype).requires_grad_()
    offsets = torch.randn(num, 2, 14, 6, generator=generator).to(device, dtype).requires_grad_()

    def ours(x: Tensor, shifts: Tensor | None = None) -> Tensor:
        return ops.deform_roi_pool(x, rois, shifts, (14, 6), 1 / 16)

    def composed(x: Tensor, shifts: Tensor) -> Tensor:
        with reference_kernels():
            return ours(x, shifts)

    return [Case(f'deform_roi_pool, no offsets, {num} RoIs', ours,
                 lambda x: roi_align(x, rois.to(x.dtype), (14, 6), 1 / 16, 0, True), [feats]),
            Case(f'deform_roi_pool, offsets, {num} RoIs', ours, composed, [feats, offsets])]


def pyramid_case(num: int, device: torch.device, dtype: torch.dtype, generator: torch.Generator) -> Case:
    rois = people(num, generator).to(device)
    feats = [torch.randn(1, 256, HEIGHT // stride, WIDTH // stride, generator=generator).to(device, dtype)
             .requires_grad_() for stride in STRIDES]
    extractor = MODELS.build(dict(type='mmdet.SingleRoIExtractor', out_channels=256, featmap_strides=STRIDES,
                                  roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0)))
    return Case(f'multi_level_roi_align, {num} RoIs',
                lambda *maps: ops.multi_level_roi_align(maps, rois, (7, 7), STRIDES),
                lambda *maps: extractor(maps, rois), feats)


def crop_case(num: int, device: torch.device, dtype: torch.dtype, generator: torch.Generator) -> Case:
    rois = people(num, generator).to(device)
    images = torch.randint(256, (1, 3, HEIGHT, WIDTH), generator=generator).to(device, dtype)
    mean, std = torch.tensor(MEAN, device=device), torch.tensor(STD, device=device)

    def composed(images: Tensor) -> Tensor:
        images = images if images.is_floating_point() else images.float()
        normal = (images - mean[:, None, None]) / std[:, None, None]
        return roi_align(normal, rois.to(normal.dtype), (224, 96), 1., 0, True)

    return Case(f'person_crops, {num} of {str(dtype).removeprefix("torch.")}',
                lambda images: ops.person_crops(images, rois, (224, 96), mean, std), composed, [images])


def seconds(runs: Sequence[Callable[[], object]], device: torch.device, repeats: int) -> list[float]:
    """Median time of each, taken in turns, so that a busy machine slows down all of them."""
    times = [[] for _ in runs]
    for _ in range(repeats + 1):
        for run, spent in zip(runs, times):
            start = time.perf_counter()
            run()
            if device.type == 'cuda':
                torch.cuda.synchronize()
            spent.append(time.perf_counter() - start)
    return [statistics.median(spent[1:]) for spent in times]


def report(case: Case, device: torch.device, repeats: int) -> None:
    both = [case.ours(*case.leaves), case.library(*case.leaves)]
    tolerance = 1e-3 if both[0].dtype in (torch.float32, torch.float64) else 5e-2
    if not torch.allclose(*both, rtol=tolerance, atol=tolerance):
        raise SystemExit(f'{case.name}: results differ by up to {(both[0] - both[1]).abs().max()}')
    with torch.no_grad():
        ours, library = seconds([lambda: case.ours(*case.leaves), lambda: case.library(*case.leaves)], device, repeats)
    line = f'{case.name:40} forward {1e3 * ours:8.1f} ms, library {1e3 * library:8.1f} ms, {library / ours:5.2f} x'
    if both[0].requires_grad:
        grad = torch.randn_like(both[0])
        ours, library = seconds(
            [lambda out=out: torch.autograd.grad(out, case.leaves, grad, retain_graph=True) for out in both], device,
            repeats)
        line += f'   backward {1e3 * ours:8.1f} ms, library {1e3 * library:8.1f} ms, {library / ours:5.2f} x'
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--dtype', default='float32', choices=['float32', 'float64', 'float16', 'bfloat16'])
    parser.add_argument('--rois', type=int, nargs='+', default=[256, 512], help='of pooling')
    parser.add_argument('--crops', type=int, nargs='+', default=[20, 300])
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--threads', type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device, dtype, generator = torch.device(args.device), getattr(torch, args.dtype), torch.Generator().manual_seed(0)
    if native_library(device) is None:
        raise SystemExit('expected native kernels, found none; build them: python -m pedsearch.ops.build')
    name = torch.cuda.get_device_name(device) if device.type == 'cuda' else f'CPU, {args.threads} threads'
    print(f'{name}, {args.dtype}')
    for num in args.rois:
        for case in pooling_cases(num, device, dtype, generator):
            report(case, device, args.repeats)
    report(pyramid_case(max(args.rois), device, dtype, generator), device, args.repeats)
    for num in args.crops:
        for stored in (dtype, torch.uint8):
            report(crop_case(num, device, stored, generator), device, args.repeats)


if __name__ == '__main__':
    main()
