"""Where the time of DICL goes: a training step part by part, and a test image with crops of what is reported only.

    python benchmarks/dicl_step.py                                   # PRW's memory, one scene of 864 x 1504, CPU
    python benchmarks/dicl_step.py --device cuda --batch-size 4
    python benchmarks/dicl_step.py --config configs/dicl/dicl_mobilenetv2_1xb4-6e_toy.py --shape 288 512 --batch-size 4

The step is run with the losses of pedsearch and with plain loops in their place (see search_losses.py), the test image
with crops of all proposals and with crops of those that survive score and suppression.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from search_losses import (
    plain_consistency_loss,
    plain_memory_loss,
    plain_quadruplet_loss,
    plain_similarity_loss,
    plain_update,
)
from torch import Tensor, nn
from training_step import noise_sample, peak_memory

from pedsearch.models.search import dicl, weak_roi_head
from pedsearch.registry import MODELS

PRW_SLOTS = 18048


class Clock:
    """Seconds spent in named parts; what a part inside another one takes counts for the inner one."""

    def __init__(self, device: str) -> None:
        self.device, self.seconds, self.stack = device, defaultdict(float), []

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self._lap()
        self.stack.append(name)
        try:
            yield
        finally:
            self._lap()
            self.stack.pop()

    def _lap(self) -> None:
        if self.device != 'cpu':
            torch.cuda.synchronize()
        now = time.perf_counter()
        if self.stack:
            self.seconds[self.stack[-1]] += now - self.started
        self.started = now

    def watch(self, owner: object, method: str, name: str) -> None:
        """Count all calls of a method for a part."""
        original = getattr(owner, method)

        def timed(*args: object, **kwargs: object) -> object:
            with self.part(name):
                return original(*args, **kwargs)

        setattr(owner, method, timed)


def build(config: str, num_slots: int, device: str) -> nn.Module:
    cfg = Config.fromfile(config)
    cfg.model.backbone.init_cfg = None  # no download for a measurement
    init_default_scope('pedsearch')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).to(device)
    feats = torch.randn(num_slots, cfg.model.roi_head.embed_dims)
    labels = torch.randint(0, num_slots, (num_slots, )).unique(return_inverse=True)[1]
    model.roi_head.memory.reset(feats.to(device), labels.to(device))
    return model


def watched(model: nn.Module, clock: Clock) -> None:
    """Count the parts of the forward pass."""
    head = model.roi_head
    clock.watch(model.backbone, 'forward', 'backbone')
    clock.watch(model.neck, 'forward', 'neck')
    clock.watch(model.rpn_head, 'loss_and_predict', 'proposals')
    clock.watch(head, 'sample', 'assignment and sampling')
    clock.watch(head.roi_extractor, 'forward', 'deformable RoI pooling')
    clock.watch(head.deform, 'forward', 'deformable convolution of the head')
    for tower in (head.classifier, head.regressor):
        clock.watch(tower, 'forward', 'detection towers')
    clock.watch(head.fc_embed, 'forward', 'embedding layer')
    for name in ('memory_loss', 'context_loss'):
        clock.watch(head, name, 'losses of identity')
    for name in ('branch_similarity_loss', 'branch_consistency_loss'):
        clock.watch(dicl, name, 'losses of identity')


def use_plain_losses(head: nn.Module) -> None:
    """Loops over samples in the place of the losses; everything else as it is."""
    memory = head.memory
    memory.loss = lambda embed, slots: plain_memory_loss(memory.feats.clone(), memory.labels, embed, slots)
    memory.update = lambda embed, slots, sample_inds: plain_update(memory.feats, embed, slots)
    dicl.branch_similarity_loss = plain_similarity_loss
    dicl.branch_consistency_loss = lambda search, instance, reduction: plain_consistency_loss(search, instance)
    weak_roi_head.context_quadruplet_loss = lambda embed, labels, **kwargs: plain_quadruplet_loss(embed, labels)


def train(model: nn.Module, batch: dict, clock: Clock, steps: int) -> float:
    """Seconds of the fastest of some steps after one that does not count; the clock keeps those of the last."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    model.train()
    times = []
    for _ in range(steps + 1):
        clock.seconds.clear()
        start = time.perf_counter()
        with clock.part('rest of the forward pass'):
            loss, _ = model.parse_losses(model(**model.data_preprocessor(batch, True), mode='loss'))
        with clock.part('backward pass'):
            loss.backward()
        with clock.part('optimizer'):
            optimizer.step()
            optimizer.zero_grad()
        with clock.part('update of the memory'):
            model.roi_head.update_memory()
        times.append(time.perf_counter() - start)
    return min(times[1:])


@torch.no_grad()
def test(model: nn.Module, batch: dict, device: str) -> tuple[float, Tensor]:
    """Seconds of the faster of two passes over the images, and embeddings of the detections."""
    model.eval()
    times = []
    for _ in range(2):
        start = time.perf_counter()
        samples = model(**model.data_preprocessor(batch, False), mode='predict')
        if device != 'cpu':
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times), torch.cat([sample.pred_instances.embeds for sample in samples])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--config', default='configs/dicl/dicl_r50_1xb4-26e_prw.py')
    parser.add_argument('--shape', type=int, nargs=2, default=(864, 1504), metavar=('H', 'W'))
    parser.add_argument('--batch-size', type=int, default=1)
    parser.add_argument('--slots', type=int, default=PRW_SLOTS)
    parser.add_argument('--steps', type=int, default=1)
    parser.add_argument('--device', default='cpu')
    args = parser.parse_args()

    samples = [noise_sample(*args.shape, seed) for seed in range(args.batch_size)]
    for place, sample in enumerate(samples):
        sample['data_samples'].gt_instances.slots = torch.arange(3) + 3 * place
    batch = {key: [sample[key] for sample in samples] for key in samples[0]}
    model, clock = build(args.config, args.slots, args.device), Clock(args.device)
    head = model.roi_head

    seconds = {'survivors': test(model, batch, args.device)}
    reported = head.reported
    head.reported = lambda found, queries: torch.arange(len(found.scores), device=found.scores.device)
    seconds['all'] = test(model, batch, args.device)
    head.reported = reported
    (few, embeds), (many, all_embeds) = seconds['survivors'], seconds['all']
    print(f'test: {few:.2f} s with crops of what is reported, {many:.2f} s with crops of all that pass the score, '
          f'{many / few:.1f} times; embeddings differ by {(embeds - all_embeds).abs().max():.1e}')

    watched(model, clock)
    ours = train(model, batch, clock, args.steps)
    total = sum(clock.seconds.values())
    for name, value in sorted(clock.seconds.items(), key=lambda item: -item[1]):
        print(f'  {name:36} {1e3 * value:9.1f} ms {100 * value / total:5.1f} %')
    use_plain_losses(head)
    plain = train(model, batch, Clock(args.device), args.steps)
    print(f'step: {ours:.2f} s, with plain loops in the losses {plain:.2f} s, {plain / ours:.2f} times; '
          f'peak {peak_memory(args.device):.2f} GiB')


if __name__ == '__main__':
    main()
