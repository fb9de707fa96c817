"""Time the losses of weakly supervised search against plain loops over the samples.

    python benchmarks/search_losses.py                    # memory of PRW (18,048 slots) and CUHK-SYSU (55,272), CPU
    python benchmarks/search_losses.py --device cuda
    python benchmarks/search_losses.py --slots 18048 --repeats 3

Of one step, forward and backward: the memory's loss over 256 people, the quadruplet loss of them and 256 background
regions, similarity and consistency of the two branches, and the update of the memory. The plain form takes what the
formulas say one after the other: similarities to all slots, summed by cluster; of each sample the negatives sorted and
chosen; the labels of each anchor compared on the host; one slot after another written. Both must agree.
"""

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.profiler import profile

from pedsearch.models.losses import branch_consistency_loss, branch_similarity_loss, context_quadruplet_loss
from pedsearch.models.memories import InstanceMemory

DIMS, PEOPLE, BACKGROUND = 256, 256, 256


def plain_memory_loss(feats: Tensor, labels: Tensor, embed: Tensor, slots: Tensor) -> Tensor:
    sims = (F.normalize(embed, dim=1) @ feats.T / .05).T  # (N, B)
    num_clusters = int(labels.max()) + 1
    sums = sims.new_zeros(num_clusters, sims.size(1)).index_add(0, labels, sims)
    sizes = sims.new_zeros(num_clusters).index_add(0, labels, torch.ones_like(labels, dtype=sims.dtype))
    logits = (sums / sizes.clamp(min=1)[:, None]).T  # (B, K)
    losses = []
    for row, slot in zip(logits, slots):
        label = labels[slot].item()
        exps = row.exp() * (sizes > 0)
        with torch.no_grad():
            negatives = exps.clone()
            negatives[label] = 0
            shares = (negatives / negatives.sum()).sort(descending=True).values
            nearest = (shares.cumsum(0) - .6).abs().argmin()
            kept = negatives / negatives.sum() >= shares[nearest]
        p = exps[label] / (exps[label] + exps[kept].sum() + 1e-6)
        losses.append(-(p + 1e-6).log())
    return sum(losses) / len(losses)


def plain_quadruplet_loss(embed: Tensor, labels: Tensor) -> Tensor:
    people = [i for i in range(len(labels)) if labels[i].cpu() >= 0]
    background = [i for i in range(len(labels)) if labels[i].cpu() < 0]
    persons, others = embed[people], embed[background]

    def distances(x: Tensor, y: Tensor) -> Tensor:
        return (x.square().sum(1)[:, None] + y.square().sum(1) - 2 * x @ y.T).clamp(min=1e-12).sqrt()

    among, to_background = distances(persons, persons), distances(persons, others)
    numbers, first, second = labels[people], [], []
    for i in range(len(people)):
        same = numbers == numbers[i].cpu().item()
        first.append((among[i][same].max() - among[i][~same].min() + .3).clamp(min=0))
        second.append((among[i].max() - to_background[i].min() + .3).clamp(min=0))
    return sum(first) / len(first) + .25 * sum(second) / len(second)


def plain_similarity_loss(search: Tensor, instance: Tensor) -> Tensor:
    return sum(1 - p @ q for p, q in zip(search, instance)) / len(search)


def plain_consistency_loss(search: Tensor, instance: Tensor) -> Tensor:
    a, b = (search @ search.T).softmax(dim=1), (instance @ instance.T).softmax(dim=1)
    return sum(F.kl_div(x.log(), y, reduction='none').mean() for x, y in ((a, b), (b, a)))


def plain_update(feats: Tensor, embed: Tensor, slots: Tensor) -> None:
    for x, slot in zip(F.normalize(embed, dim=1), slots):
        feats[slot] = .2 * feats[slot] + .8 * x
        feats[slot] /= feats[slot].norm()


def milliseconds(run: Callable[[], object], device: str, repeats: int) -> float:
    """Shortest of some runs after one that does not count."""
    times = []
    for _ in range(repeats + 1):
        if device == 'cuda':
            torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        if device == 'cuda':
            torch.cuda.synchronize()
        times.append(1e3 * (time.perf_counter() - start))
    return min(times[1:])


def compare(name: str, ours: Callable, plain: Callable, inputs: list[Tensor], device: str, repeats: int) -> list:
    """Print figures of both, forward and backward, after a look at value and gradient; return them."""
    results = [(loss.detach(), *torch.autograd.grad(loss, inputs)) for loss in (ours(*inputs), plain(*inputs))]
    for mine, other in zip(*results):
        torch.testing.assert_close(mine, other, atol=1e-4, rtol=1e-3)
    runs = [lambda loss=loss: torch.autograd.grad(loss(*inputs), inputs) for loss in (ours, plain)]
    figures = [figure for run in runs for figure in (milliseconds(run, device, repeats), operators(run))]
    report(name, *figures)
    return figures


def operators(run: Callable[[], object]) -> int:
    """Operators that a run starts: on a GPU, where each takes some microseconds to start, what a loop waits for."""
    with profile(activities=[torch.profiler.ProfilerActivity.CPU]) as record:
        run()
    names = [(event.name, event.cpu_parent.name if event.cpu_parent else '') for event in record.events()]
    return sum(name.startswith('aten::') and not parent.startswith('aten::') for name, parent in names)


def report(name: str, ours: float, our_operators: int, plain: float, plain_operators: int) -> None:
    print(f'{name:18} ours {ours:8.2f} ms {our_operators:5} operators   plain {plain:8.2f} ms {plain_operators:6} '
          f'operators   {plain / ours:6.1f} times', flush=True)


def step(num_slots: int, device: str, repeats: int) -> None:
    """Everything with a memory of this size; nearly all clusters are small, as in training."""
    generator = torch.Generator().manual_seed(0)
    memory = InstanceMemory(num_slots, DIMS)
    feats = torch.randn(num_slots, DIMS, generator=generator)
    memory.reset(feats, torch.randint(0, num_slots, (num_slots, ), generator=generator).unique(return_inverse=True)[1])
    memory.to(device)
    slots = torch.randint(0, num_slots, (PEOPLE // 16, ), generator=generator).repeat_interleave(16)  # 16 regions each
    noise = torch.randn(2, PEOPLE, DIMS, generator=generator)
    search, instance = (F.normalize(feats[slots] + part, dim=1).to(device).requires_grad_() for part in noise)
    background = F.normalize(torch.randn(BACKGROUND, DIMS, generator=generator), dim=1).to(device)
    labels = torch.cat([memory.labels[slots], slots.new_full((BACKGROUND, ), -2).to(device)])
    slots = slots.to(device)

    print(f'{num_slots:,} slots, {int(memory.labels.max()) + 1:,} clusters, {PEOPLE} people, {BACKGROUND} background '
          f'regions, on {torch.cuda.get_device_name() if device == "cuda" else "one CPU thread"}')
    figures = [
        compare('memory loss', lambda p, q: memory.loss(p + q, slots),
                lambda p, q: plain_memory_loss(memory.feats, memory.labels, p + q, slots), [search, instance], device,
                repeats),
        compare('quadruplet loss', lambda p, q: context_quadruplet_loss(torch.cat([(p + q) / 2, background]), labels),
                lambda p, q: plain_quadruplet_loss(torch.cat([(p + q) / 2, background]), labels), [search, instance],
                device, repeats),
        compare('similarity loss', branch_similarity_loss, plain_similarity_loss, [search, instance], device, repeats),
        compare('consistency loss', branch_consistency_loss, plain_consistency_loss, [search, instance], device,
                repeats)]
    report('losses together', *map(sum, zip(*figures)))

    plain = memory.feats.clone()
    memory.update(search, slots)
    plain_update(plain, search.detach(), slots)
    torch.testing.assert_close(memory.feats, plain)
    runs = [lambda: memory.update(search, slots), lambda: plain_update(plain, search.detach(), slots)]
    figures.append([figure for run in runs for figure in (milliseconds(run, device, repeats), operators(run))])
    report('memory update', *figures[-1])
    report('losses and update', *map(sum, zip(*figures)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--device', default='cpu', choices=['cpu', 'cuda'])
    parser.add_argument('--slots', type=int, nargs='+', default=[18048, 55272])
    parser.add_argument('--repeats', type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for num_slots in args.slots:
        step(num_slots, args.device, args.repeats)


if __name__ == '__main__':
    main()
