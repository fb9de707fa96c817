r"""A pre-training step with each of VAL-PAT's objectives alone and with all three: time and memory.

    python benchmarks/val_pat_step.py                                        # tiny, CPU
    python benchmarks/val_pat_step.py --device cuda --amp --batch-size 256 \
        --config configs/val_pat/val-pat_r50_1xb1024-50e_mals.py              # full size

Each is run in a process of its own, on pictures of noise. The sum of the three alone is what three trainings would
take; together they share a pass over the weak view.
"""

import argparse
import resource
import subprocess
import sys
import time

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from pedsearch.datasets.multimodal import Caption, caption_group
from pedsearch.models.pretrain import train_tokenizer
from pedsearch.registry import MODELS
from pedsearch.structures import ReIDDataSample

KINDS = dict(S=('views', ), C=('texts', ), M=('attributes', ), SCM=('views', 'texts', 'attributes'))
TEXT = 'a woman with long black hair in a red coat and blue jeans, carrying a brown handbag'


def noise_batch(num: int, num_views: int, num_attributes: int, size: tuple[int, int]) -> dict:
    """Views of noise with sentences and attributes."""
    generator = torch.Generator().manual_seed(0)
    views = [[torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8) for _ in range(num)]
             for _ in range(num_views)]
    samples = []
    for index in range(num):
        text = f'{TEXT} {index}'
        sample = ReIDDataSample(metainfo=dict(
            sample_idx=index, image_id=index, caption=text, text_group=caption_group(text), captions=[Caption(text)],
            seed=index))
        sample.set_data(dict(attributes=torch.randint(0, 2, (num_attributes, ), generator=generator)))
        samples.append(sample)
    return dict(inputs=views if num_views > 1 else views[0], data_samples=samples)


def measure(args: argparse.Namespace) -> None:
    """Print seconds of a step and peak memory in GiB of one kind."""
    objectives = KINDS[args.kind]
    cfg = Config.fromfile(args.config)
    cfg.model.objectives = dict.fromkeys(objectives, 1.)
    cfg.model.image_encoder.init_cfg = None  # no download for a measurement
    cfg.model.tokenizer = train_tokenizer([f'{TEXT} {index}' for index in range(args.batch_size)])
    init_default_scope('pedsearch')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).to(args.device).train()
    if model.attributes is not None:
        model.attributes.positive_rates = torch.full((cfg.model.attributes.num_attributes, ), .5, device=args.device)
    optimizer = torch.optim.AdamW([param for param in model.parameters() if param.requires_grad], 1e-4)
    scale = next(step['scale'] for step in cfg.test_dataloader.dataset.pipeline if 'scale' in step)
    data = noise_batch(args.batch_size, 3 if 'views' in objectives else 1, cfg.model.attributes.num_attributes,
                       tuple(scale[::-1]))
    times = []
    for _ in range(args.steps + 2):
        start = time.perf_counter()
        batch = model.data_preprocessor(data, True)
        with torch.autocast(args.device, dtype=torch.float16 if args.device == 'cuda' else torch.bfloat16,
                            enabled=args.amp):
            losses = model(**batch, mode='loss')
        sum(losses.values()).backward()
        optimizer.step()
        optimizer.zero_grad()
        model.update_memory()
        if args.device == 'cuda':
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    memory = torch.cuda.max_memory_allocated() / 2**30 if args.device == 'cuda' else \
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(sorted(times[2:])[args.steps // 2], memory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--config', default='configs/val_pat/val-pat_tiny_1xb64-12e_toy.py')
    parser.add_argument('--batch-size', type=int, default=64)
    parser.add_argument('--steps', type=int, default=9, help='the median counts')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--amp', action='store_true', help='mixed precision')
    parser.add_argument('--kind', choices=KINDS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.kind:
        measure(args)
        return
    rows = {}
    for kind in KINDS:
        done = subprocess.run([sys.executable, '-W', 'ignore', *sys.argv, '--kind', kind], check=True,
                              capture_output=True, text=True)
        rows[kind] = [float(value) for value in done.stdout.split()[-2:]]
        print(f'{kind:4} {rows[kind][0]:7.3f} s a step, {args.batch_size / rows[kind][0]:7.0f} photos/s, peak '
              f'{rows[kind][1]:.2f} GiB')
    alone = sum(rows[kind][0] for kind in 'SCM')
    print(f'three alone: {alone:.3f} s, together {rows["SCM"][0]:.3f} s, {alone / rows["SCM"][0]:.2f}x')


if __name__ == '__main__':
    main()
