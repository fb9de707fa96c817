"""Draw where a re-identification network looks (Grad-CAM): one picture per image.

Without `--against`: what makes up the image's embedding. With it: what in each of the two images speaks for their
similarity.
"""

import argparse
from pathlib import Path

import mmcv
import torch
from mmcv.transforms import Compose
from mmengine.config import Config, DictAction
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.registry import init_default_scope

from pedsearch.apis import build_reid_network, read_checkpoint
from pedsearch.registry import TRANSFORMS
from pedsearch.visualization import draw_activation_maps, grad_cam


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('images', nargs='+', type=Path, help='images of one person each')
    parser.add_argument('--against', type=Path, help='compare every image with this one')
    parser.add_argument('--out-dir', type=Path, required=True, help='folder of the pictures, NAME_cam.png')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='override config entries, key=value ...')
    args = parser.parse_args()
    names = [path.stem for path in args.images]
    if len(set(names)) < len(names):
        parser.error('the images must differ in name, for that of the pictures is made from it')
    return args


def main() -> None:
    args = parse_args()
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    init_default_scope('pedsearch')
    model = build_reid_network(cfg, read_checkpoint(args.checkpoint), get_device())
    prepare = Compose([TRANSFORMS.build(step) for step in cfg.test_dataloader.dataset.pipeline])
    args.out_dir.mkdir(parents=True, exist_ok=True)
    for path in args.images:
        paths = [path] if args.against is None else [path, args.against]
        batch = [prepare(dict(img_path=str(one), sample_idx=0, pid=-1, camid=-1)) for one in paths]
        inputs = model.data_preprocessor(pseudo_collate(batch), False)['inputs']
        captions, target = [one.name for one in paths], None
        title = 'What makes up the embedding'
        if args.against is not None:
            with torch.no_grad():
                target = model.extract_feat(inputs).flip(0)  # each is compared with the other
            title = f'What speaks for their similarity, {float(target[0] @ target[1]):.2f}'
        cams = grad_cam(model, inputs, target).cpu().numpy()
        images = [one['inputs'].permute(1, 2, 0).flip(2).contiguous().numpy() for one in batch]
        picture = draw_activation_maps(title, images, cams, captions)
        out = args.out_dir / f'{path.stem}_cam.png'
        mmcv.imwrite(picture[..., ::-1], str(out))
        print(out)


if __name__ == '__main__':
    main()
