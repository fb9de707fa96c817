"""Turn weights of CLIP with an image transformer into a file that configs with such an encoder start from.

SOURCE is the file of OpenAI's release (a TorchScript archive), or a state dict of it. The new file has weights
``image_encoder.*``, ``image_neck.*``, ``text_encoder.*`` and ``text_neck.*``; position embeddings are resized to
--image-size. Its meta says how images are normalised. ``configs/val_pat/val-pat_vit-b-clip_*`` starts from it.

Example::

    python tools/model_converters/clip_encoder.py ViT-B-16.pt clip_vit-b-16.pth --image-size 384 128
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from weight_files import read_tensors, write_checkpoint

from pedsearch.models.pretrain import clip_weights

MEAN = [122.7709383, 116.7460125, 104.09373615]  # RGB, of pixels 0...255
STD = [68.5005327, 66.6321375, 70.32316304]


def read_clip(path: Path) -> dict[str, Tensor]:
    """Tensors of a TorchScript archive or of a state dict, by name.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is neither.
    """
    try:
        return read_tensors(path)
    except ValueError:
        try:
            return torch.jit.load(path, map_location='cpu').state_dict()
        except RuntimeError:
            pass
        raise


def convert(tensors: dict[str, Tensor], size: tuple[int, int]) -> tuple[dict[str, Tensor], dict]:
    """Weights for images of this height and width, and the meta that belongs to them."""
    if 'visual.conv1.weight' not in tensors:
        raise ValueError(f'the file must be of a whole CLIP model, got {", ".join(list(tensors)[:3])}...')
    patch = tensors['visual.conv1.weight'].size(-1)
    if any(length % patch for length in size):
        raise ValueError(f'--image-size must be multiples of the patches of {patch} pixels, got {size}')
    weights = clip_weights(tensors, (size[0] // patch, size[1] // patch))
    embed_dims, image_dims = weights['image_neck.weight'].shape
    return weights, dict(format='pedsearch-encoder', version=1, image_dims=image_dims, embed_dims=embed_dims,
                         input_size=size, mean=MEAN, std=STD, bgr_to_rgb=True)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', type=Path, help='file of CLIP weights')
    parser.add_argument('target', type=Path, help='checkpoint to write')
    parser.add_argument('--image-size', nargs=2, type=int, default=(384, 128), metavar=('HEIGHT', 'WIDTH'))
    args = parser.parse_args(argv)
    try:
        weights, meta = convert(read_clip(args.source), tuple(args.image_size))
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    write_checkpoint(args.target, weights, meta)
    print(f'{args.target}: {len(weights)} tensors')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
