"""One joint step of GCL against the same step in the published order.

    python benchmarks/gcl_step.py                                        # full size, batch 2, CPU
    python benchmarks/gcl_step.py --device cuda --batch-size 16
    python benchmarks/gcl_step.py --config configs/gcl/gcl_mobilenetv2_1xb16-6e-joint_toy.py --shape 128 64 \
        --batch-size 16 --rows 1063

The plain step passes every picture alone, judges photos once for every kind of fake, each time with its own gradient
penalty, and draws positives and negatives photo by photo. Both compute the released losses; that of the discriminator
and those of pictures and features must agree. "As configured" is what the config says, but for the weights of the
losses. The time of the memory's loss is given apart.
"""

import argparse
import logging
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.optim import OptimWrapperDict
from mmengine.registry import init_default_scope
from torch import Tensor

from pedsearch.engine import PartOptimizers
from pedsearch.models.layers import part_codes
from pedsearch.models.reid import GCL
from pedsearch.registry import MODELS
from pedsearch.structures import ReIDDataSample

RELEASED = dict(feat_target='rebuilt', update_statistics='all', encoder_losses='all')


def plain_memory_loss(memory: torch.nn.Module, photo: Tensor, turned: Tensor, rows: Tensor) -> Tensor:
    """The three terms with a loop over the photos of the batch."""
    bank, labels = memory.embeds.clone(), memory.labels
    photo, turned = F.normalize(photo, dim=1), F.normalize(turned, dim=1)
    total = 0
    for f, g, row in zip(photo, turned, rows):
        positives = bank[labels == labels[row]]
        others = bank[labels != labels[row]]
        negatives = others[torch.randperm(len(others))[:memory.num_negatives].to(others.device)]
        first, second = (positives[torch.randperm(len(positives))[:1].to(positives.device)] for _ in range(2))
        repelling = negatives @ g
        for positive in (f @ second[0], g @ bank[row], g @ first[0]):
            logits = torch.cat([positive[None], repelling]) / memory.temperature
            total = total - logits.log_softmax(dim=0)[0] / len(rows)
    return total


def plain_step(model: GCL, data: dict, optimizers: OptimWrapperDict) -> dict[str, Tensor]:
    """The step in the published order."""
    data = model.data_preprocessor(data, True)
    x, samples = data['inputs'], data['data_samples']
    mesh, turned_mesh = model.meshes(samples)

    def encode(images: Tensor) -> tuple[Tensor, Tensor]:
        maps = model.backbone(images)[-1]
        return part_codes(maps, model.num_parts), model.neck(model.pooling(maps))

    structure, turned_structure = model.generator.encode(mesh), model.generator.encode(turned_mesh)
    codes, feats = encode(x)
    rebuilt = model.generator.decode(codes, structure)
    turned = model.generator.decode(codes, turned_structure)
    rebuilt_codes, _ = encode(rebuilt)
    turned_codes, turned_feats = encode(turned)
    back = model.generator.decode(turned_codes, structure)
    back_codes, _ = encode(back)
    fakes = rebuilt, turned, back

    judged = 0
    for fake in fakes:
        real = x.detach().clone().requires_grad_()
        for fake_score, real_score in zip(model.discriminator(fake.detach()), model.discriminator(real)):
            grad, = torch.autograd.grad(real_score.sum(), real, create_graph=True, retain_graph=True)
            judged = judged + fake_score.square().mean() + (real_score - 1).square().mean()
            judged = judged + model.r1_weight * grad.square().sum(dim=(1, 2, 3)).mean()
    judged.backward()
    optimizers['discriminator'].step()
    optimizers['discriminator'].zero_grad()

    losses = dict(
        adversarial=sum(2 * (score - 1).square().mean() for fake in fakes for score in model.discriminator(fake)),
        image=5 * F.l1_loss(rebuilt, x), cycle=5 * F.l1_loss(back, x),
        feat=5 * F.l1_loss(rebuilt_codes, codes.detach()), feat_cycle=5 * F.l1_loss(back_codes, codes.detach()))
    rows = torch.tensor([sample.sample_idx for sample in samples], device=x.device)
    total = sum(losses.values()) + plain_memory_loss(model.head.memory, feats, turned_feats, rows)
    total.backward()
    for name in ('generator', 'encoder'):
        optimizers[name].step()
    optimizers.zero_grad()
    for embed, row in zip(F.normalize(feats.detach(), dim=1), rows):
        bank, momentum = model.head.memory.embeds, model.head.memory.momentum
        bank[row] = F.normalize(momentum * bank[row] + (1 - momentum) * embed, dim=0)
    return dict(losses, discriminator=judged.detach())


def our_step(model: GCL, data: dict, optimizers: OptimWrapperDict) -> dict[str, Tensor]:
    log = model.train_step(data, optimizers)
    model.head.update_memory()
    judged = sum(value for name, value in log.items() if name.startswith('discriminator_'))
    return dict({name: log[f'loss_{name}'] for name in ('adversarial', 'image', 'cycle', 'feat', 'feat_cycle')
                 if f'loss_{name}' in log}, discriminator=judged)


def build(config: str, rows: int, device: str, **changes: object) -> tuple[GCL, OptimWrapperDict]:
    cfg = Config.fromfile(config)
    cfg.model.backbone.init_cfg = None  # no download for a measurement
    cfg.model.update(changes)
    cfg.model.pop('loss_weights', None)  # the plain step has the published ones
    if changes:
        cfg.model.head.memory.update(negatives='generated', shared_positive=False)
    init_default_scope('pedsearch')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    for net in (model.generator, model.discriminator):
        net.init_weights()
    model.head.init_memory(torch.randn(rows, cfg.model.embed_dims))
    model.head.reset_memory(model.head.memory_feats(), torch.arange(rows) // 17)
    model = model.to(device).train()
    wrappers = {name: value for name, value in cfg.optim_wrapper.items() if name != 'constructor'}
    return model, PartOptimizers(wrappers)(model)


def noise(num: int, shape: tuple[int, int], rows: int) -> dict:
    generator = torch.Generator().manual_seed(0)
    samples = []
    for index in range(num):
        row = 17 * index % rows
        sample = ReIDDataSample(metainfo=dict(sample_idx=row, label=row // 17, seed=index, img_path=f'{index}.jpg'))
        sample.set_data({name: torch.randint(0, 256, (1, *shape), generator=generator, dtype=torch.uint8)
                         for name in ('mesh', 'turned_mesh')})
        samples.append(sample)
    images = [torch.randint(0, 256, (3, *shape), generator=generator, dtype=torch.uint8) for _ in range(num)]
    return dict(inputs=images, data_samples=samples)


def seconds(run: Callable[[], object], device: str, repeats: int) -> float:
    """Least time of several runs."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        if device != 'cpu':
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--config', default='configs/gcl/gcl_r50_1xb16-20e-joint_market1501.py')
    parser.add_argument('--shape', type=int, nargs=2, default=(256, 128), help='height, width')
    parser.add_argument('--batch-size', type=int, default=2)
    parser.add_argument('--rows', type=int, default=12936, help='training photos')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--repeats', type=int, default=2)
    args = parser.parse_args()
    logging.disable(logging.INFO)  # every initialised weight is a line
    data = noise(args.batch_size, tuple(args.shape), args.rows)
    name = torch.cuda.get_device_name() if args.device != 'cpu' else f'CPU, {torch.get_num_threads()} thread(s)'
    print(f'{name}, torch {torch.__version__}, batch {args.batch_size}, {args.rows} rows')

    results = {}
    for title, step, changes in (('published order', plain_step, RELEASED), ('released losses', our_step, RELEASED),
                                 ('as configured', our_step, {})):
        model, optimizers = build(args.config, args.rows, args.device, **changes)
        first = step(model, data, optimizers)
        results[title] = first, seconds(lambda: step(model, data, optimizers), args.device, args.repeats)  # noqa: B023
    expected, found = results['published order'][0], results['released losses'][0]
    for key, value in expected.items():
        torch.testing.assert_close(found[key].cpu(), value.detach().cpu(), rtol=1e-3, atol=1e-4, msg=key)
    slowest = results['published order'][1]
    for title, (_, took) in results.items():
        print(f'{title:16} {took:8.3f} s a step, {slowest / took:.2f}x')

    memory = build(args.config, args.rows, args.device, **RELEASED)[0].head.memory
    dims = memory.embeds.size(1)
    photo, turned = (torch.randn(args.batch_size, dims, device=args.device, requires_grad=True) for _ in range(2))
    rows = torch.tensor([sample.sample_idx for sample in data['data_samples']], device=args.device)
    seeds = torch.arange(args.batch_size, device=args.device)
    plain = seconds(lambda: plain_memory_loss(memory, photo, turned, rows).backward(), args.device, 5)
    ours = seconds(lambda: sum(memory.loss(photo, rows, seeds, turned).values()).backward(), args.device, 5)
    print(f"memory's loss    {1000 * plain:8.1f} ms plain, {1000 * ours:.1f} ms here, {plain / ours:.1f}x")


if __name__ == '__main__':
    main()
