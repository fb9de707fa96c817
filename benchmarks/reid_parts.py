"""Time the parts of a re-identification step that are ours against plain code.

    python benchmarks/reid_parts.py                  # the sizes of Cluster Contrast on Market-1501, CPU
    python benchmarks/reid_parts.py --device cuda

Memory update: 256 samples, 16 of each identity, against one small step per sample. Batch norm in four splits against
batch norm over the whole batch (which computes something else: the comparison is of cost). Batches of an epoch of the
multiple-gallery sampler. Updated memories must agree.
"""

import argparse
import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pedsearch.datasets import MultipleGallerySampler
from pedsearch.models.layers import split_batch_norms
from pedsearch.models.memories import ClusterMemory


def sample_by_sample(centroids: Tensor, embed: Tensor, labels: Tensor, momentum: float) -> None:
    """The published form of the update."""
    for x, label in zip(embed, labels):
        centroids[label] = momentum * centroids[label] + (1 - momentum) * x
        centroids[label] /= centroids[label].norm()


def seconds(run: Callable, device: str, repeats: int = 10) -> float:
    """Shortest of some runs."""
    times = []
    for _ in range(repeats):
        if device == 'cuda':
            torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        if device == 'cuda':
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times)


def memory_update(device: str) -> None:
    generator = torch.Generator().manual_seed(0)
    centroids = F.normalize(torch.randn(700, 2048, generator=generator), dim=1).to(device)
    embed = torch.randn(256, 2048, generator=generator).to(device)
    labels = torch.randperm(700, generator=generator)[:16].repeat_interleave(16).to(device)
    memory, plain = ClusterMemory(2048).to(device), centroids.clone()
    memory.reset(centroids)
    memory.update(embed, labels)
    sample_by_sample(plain, F.normalize(embed, dim=1), labels, .1)
    difference = float((memory.centroids - plain).abs().max())
    if difference > 1e-6:
        raise AssertionError(f'the memories differ by {difference}')
    ours = seconds(lambda: memory.update(embed, labels), device)
    theirs = seconds(lambda: sample_by_sample(plain, F.normalize(embed, dim=1), labels, .1), device)
    print(f'memory update, 256 x 2048 into 700 rows   {1e3 * ours:8.2f} ms   sample by sample {1e3 * theirs:8.2f} ms   '
          f'{theirs / ours:.1f} times')


def batch_norm(device: str) -> None:
    for shape in ((64, 256, 64, 32), (64, 2048, 16, 8)):
        x = torch.randn(shape, device=device, requires_grad=True)
        whole, split = nn.BatchNorm2d(shape[1]).to(device), split_batch_norms(nn.BatchNorm2d(shape[1]), 4).to(device)
        times = [seconds(lambda norm=norm, x=x: norm(x).sum().backward(), device, repeats=3) for norm in (whole, split)]
        print(f'batch norm {"x".join(map(str, shape)):18} whole {1e3 * times[0]:8.1f} ms   four splits '
              f'{1e3 * times[1]:8.1f} ms')


def sampler() -> None:
    rng = np.random.default_rng(0)
    labels, camids = rng.integers(-1, 600, 12936), rng.integers(0, 6, 12936)

    class Crops(SimpleNamespace):

        def __len__(self) -> int:
            return len(self.labels)

    batches = MultipleGallerySampler(Crops(labels=labels, camids=camids), global_batch_size=256, num_instances=16,
                                     num_iters=200, seed=0)
    print(f'200 batches of 256 of 12,936 images       {seconds(lambda: list(batches), "cpu", 3):8.2f} s')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--device', default='cpu', choices=['cpu', 'cuda'])
    args = parser.parse_args()
    memory_update(args.device)
    batch_norm(args.device)
    sampler()


if __name__ == '__main__':
    main()
