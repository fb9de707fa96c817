"""Speed, memory and size of a person search network at inference; needs no data.

Every image is noise. The region proposal network runs in full, but a fixed number of person-shaped regions goes on to
the RoI head in the place of its proposals, and all of them pass the score threshold, so the load does not depend on the
weights: it is an upper bound for the RoI head. Time is that of `model.test_step`: normalisation, network,
suppression; not reading and resizing images.
"""

import argparse
import json
import resource
import statistics
import time

import torch
from mmengine.config import Config, DictAction
from mmengine.device import get_device
from mmengine.structures import InstanceData
from torch import Tensor, nn

from pedsearch.apis import load_weights
from pedsearch.apis.person_search_inferencer import build_model
from pedsearch.structures import SearchDataSample


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('--checkpoint', help='weights; default: random')
    parser.add_argument('--shape', type=int, nargs=2, default=(900, 1500), metavar=('H', 'W'), help='size of the image')
    parser.add_argument('--device', default=get_device(), help="such as 'cpu' or 'cuda:0'; default: %(default)s")
    parser.add_argument('--batch-size', type=int, default=1, help='images per step')
    parser.add_argument('--proposals', type=int, default=300, help='regions per image that reach the RoI head')
    parser.add_argument('--warmup', type=int, default=2, help='steps before the clock starts')
    parser.add_argument('--steps', type=int, default=10, help='steps that are timed')
    parser.add_argument('--amp', choices=['float16', 'bfloat16'], help='autocast to this type')
    parser.add_argument('--out', help='also write the numbers to this .json file')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='override config entries, key=value ...')
    args = parser.parse_args()
    if min(*args.shape, args.batch_size, args.proposals, args.steps) < 1:
        parser.error('--shape, --batch-size, --proposals and --steps must be >= 1')
    return args


def person_boxes(count: int, height: int, width: int, seed: int = 0) -> Tensor:
    """(count, 4) boxes of pedestrians' proportions inside an image."""
    generator = torch.Generator().manual_seed(seed)
    heights = (0.1 + 0.4 * torch.rand(count, generator=generator)) * height
    sides = torch.stack([(heights * 0.4).clamp(max=width), heights], dim=1)
    corners = torch.rand(count, 2, generator=generator) * (torch.tensor([width, height]) - sides)
    return torch.cat([corners, corners + sides], dim=1)


def fix_proposals(model: nn.Module, count: int) -> None:
    """Let the RPN work, then hand on ``count`` fixed boxes per image, all of which pass the score threshold."""
    run_rpn = model.rpn_head.predict

    def predict(x: tuple[Tensor, ...], batch_data_samples: list[SearchDataSample], **kwargs) -> list[InstanceData]:
        run_rpn(x, batch_data_samples, **kwargs)
        boxes = [person_boxes(count, *sample.img_shape).to(x[0].device) for sample in batch_data_samples]
        return [InstanceData(bboxes=one, scores=one.new_ones(count)) for one in boxes]

    model.rpn_head.predict = predict
    model.roi_head.test_cfg.score_thr = -1.


def make_batch(count: int, height: int, width: int) -> dict[str, list]:
    """Noise images as the test pipeline packs them."""
    samples = [SearchDataSample(metainfo=dict(img_id=index, img_path='', img_shape=(height, width),
                                              ori_shape=(height, width), scale_factor=(1., 1.)))
               for index in range(count)]
    generator = torch.Generator().manual_seed(0)
    images = [torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8) for _ in samples]
    return dict(inputs=images, data_samples=samples)


def count_parameters(model: nn.Module) -> dict[str, int]:
    """Parameters of each part, and of all."""
    counts = {name: sum(parameter.numel() for parameter in part.parameters()) for name, part in model.named_children()}
    return {**{name: count for name, count in counts.items() if count}, 'all': sum(counts.values())}


def peak_memory(device: torch.device) -> float:
    """MiB: what torch allocated on a GPU, or the resident set of the whole process."""
    if device.type == 'cuda':
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


@torch.no_grad()
def measure(model: nn.Module, batch: dict, device: torch.device, warmup: int, steps: int,
            amp: str | None) -> tuple[list[float], list[SearchDataSample]]:
    """Seconds of each step, and the last output."""
    seconds = []
    with torch.autocast(device.type, dtype=getattr(torch, amp or 'bfloat16'), enabled=amp is not None):
        for step in range(warmup + steps):
            start = time.perf_counter()
            found = model.test_step(batch)
            if device.type == 'cuda':
                torch.cuda.synchronize(device)
            if step >= warmup:
                seconds.append(time.perf_counter() - start)
    return seconds, found


def main() -> None:
    args = parse_args()
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    device = torch.device(args.device)
    model = build_model(cfg)
    if args.checkpoint:
        load_weights(model, args.checkpoint)
    model.to(device).eval()
    parameters = count_parameters(model)
    fix_proposals(model, args.proposals)
    before = peak_memory(device)
    batch = make_batch(args.batch_size, *args.shape)
    seconds, found = measure(model, batch, device, args.warmup, args.steps, args.amp)
    median = statistics.median(seconds)
    on_gpu = device.type == 'cuda'
    result = dict(
        device=torch.cuda.get_device_name(device) if on_gpu else f'cpu, {torch.get_num_threads()} threads',
        torch=torch.__version__, shape=list(args.shape), batch_size=args.batch_size, proposals=args.proposals,
        amp=args.amp, fps=args.batch_size / median, latency_ms=1000 * median, latency_min_ms=1000 * min(seconds),
        latency_max_ms=1000 * max(seconds), memory_before_mib=before, peak_memory_mib=peak_memory(device),
        detections=sum(len(sample.pred_instances) for sample in found) / len(found), parameters=parameters)
    print(f'{result["device"]}, torch {result["torch"]}, {args.shape[0]} x {args.shape[1]}, batch {args.batch_size}, '
          f'{args.proposals} proposals, {args.amp or "float32"}')
    print(f'speed       {result["fps"]:.2f} images/s')
    print(f'step        {result["latency_ms"]:.1f} ms, median of {args.steps} ({result["latency_min_ms"]:.1f} ... '
          f'{result["latency_max_ms"]:.1f})')
    print(f'memory      {result["peak_memory_mib"]:.0f} MiB at most, {before:.0f} before the first step')
    print(f'detections  {result["detections"]:.0f} per image')
    print('parameters  ' + ', '.join(f'{name} {count / 1e6:.2f} M' for name, count in parameters.items()))
    if args.out:
        with open(args.out, 'w', encoding='utf-8') as file:
            json.dump(result, file, indent=2)


if __name__ == '__main__':
    main()
