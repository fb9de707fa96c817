"""Time, memory and losses of one training step of a person search network on noise of a given size."""

import argparse
import resource
import time

import torch
from mmengine.config import Config, DictAction
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from pedsearch.registry import MODELS
from pedsearch.structures import SearchDataSample


def noise_sample(height: int, width: int, seed: int) -> dict:
    """An image of noise with three people, one of them without identity."""
    generator = torch.Generator().manual_seed(seed)
    sample = SearchDataSample(metainfo=dict(
        img_id=seed, img_path='noise', img_shape=(height, width), ori_shape=(height, width), scale_factor=(1., 1.)))
    left = torch.tensor([.1, .4, .7]) * width
    boxes = torch.stack([left, left * 0 + .2 * height, left + .1 * width, left * 0 + .7 * height], dim=1)
    sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.zeros(3, dtype=torch.long),
                                       pids=torch.tensor([0, 1, -1]))
    sample.gt_instances.set_metainfo(dict(seed=seed))
    return dict(inputs=torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8),
                data_samples=sample)


def peak_memory(device: str) -> float:
    """Peak memory of the process so far in GiB."""
    if torch.device(device).type == 'cuda':
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config')
    parser.add_argument('--shape', type=int, nargs=2, default=(900, 1500), metavar=('H', 'W'))
    parser.add_argument('--batch-size', type=int, default=1)
    parser.add_argument('--steps', type=int, default=2)
    parser.add_argument('--device', default=get_device())
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='override config entries, key=value ...')
    args = parser.parse_args()

    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    cfg.model.backbone.init_cfg = cfg.model.roi_head.shared_head.init_cfg = None  # no download for a measurement
    init_default_scope('pedsearch')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).to(args.device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    samples = [noise_sample(*args.shape, seed) for seed in range(args.batch_size)]
    batch = {key: [sample[key] for sample in samples] for key in samples[0]}
    for step in range(args.steps):
        start = time.perf_counter()
        loss, values = model.parse_losses(model(**model.data_preprocessor(batch, True), mode='loss'))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        model.roi_head.update_memory()
        if args.device != 'cpu':
            torch.cuda.synchronize()
        print(f'step {step}: {time.perf_counter() - start:.2f} s, peak {peak_memory(args.device):.2f} GiB, ' +
              ', '.join(f'{name} {float(value.detach()):.4f}' for name, value in values.items()))


if __name__ == '__main__':
    main()
