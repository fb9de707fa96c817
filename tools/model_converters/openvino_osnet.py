"""Turn a person-reidentification-retail model of Open Model Zoo (.xml and .bin) into a checkpoint of ReIDModel.

The files hold the constants of the network in the order in which it uses them, the batch norms folded into the
convolutions before them. Here such a norm becomes one that only shifts, so that at test time the features are those of
the source. In training it would normalise differently: give --calibrate a folder of pictures of people, and the norms
get the statistics of these, without any change at test time.
"""

import argparse
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import mmcv
import numpy as np
import torch
from torch import Tensor, nn
from weight_files import write_checkpoint

from pedsearch.models.reid.osnet import CHANNELS
from pedsearch.registry import MODELS

DTYPES = {'f32': np.float32, 'f16': np.float16}
PREPROCESSING = 2  # the first constants, mean and scale of the pixels
EMBED_DIMS = 256
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # of RGB


def constants_of(path: Path) -> list[np.ndarray]:
    """The floating point constants of a network, flat, in the order of its layers."""
    for part in (path, path.with_suffix('.bin')):
        if not part.is_file():
            raise FileNotFoundError(f'expected an OpenVINO network in two files, found no {part}')
    try:
        layers = ElementTree.parse(path).getroot().findall('./layers/layer[@type="Const"]/data')
    except ElementTree.ParseError as error:
        raise ValueError(f'{path} is no OpenVINO network ({error})') from error
    content = path.with_suffix('.bin').read_bytes()
    found = []
    for data in layers:
        dtype, start, size = DTYPES.get(data.get('element_type')), int(data.get('offset')), int(data.get('size'))
        if dtype is not None:
            if start + size > len(content):
                raise ValueError(f'{path.with_suffix(".bin")} must hold {start + size} bytes or more, got '
                                 f'{len(content)}; fetch both files again')
            found.append(np.frombuffer(content, dtype, size // dtype().itemsize, start).astype(np.float32))
    return found


def parameter_order() -> Iterator[str]:
    """Names of the parameters here, in the order of the constants; of a folded norm the bias.

    A gate serves four streams, and the constants of all but its 1x1 convolutions' weights are there four times.
    """
    yield from ('backbone.in_first.weight', 'backbone.in_first.bias', 'backbone.conv1.conv.weight',
                'backbone.conv1.bn.weight', 'backbone.conv1.bn.bias')
    for stage in (2, 3, 4):
        for index in (0, 1):
            block = f'backbone.conv{stage}.{index}'
            yield from (f'{block}.conv1.conv.weight', f'{block}.conv1.bn.bias')
            for depth, stream in enumerate(('conv2a', 'conv2b', 'conv2c', 'conv2d')):
                for layer in [f'{block}.{stream}'] if depth == 0 else [f'{block}.{stream}.{i}'
                                                                       for i in range(depth + 1)]:
                    yield from (f'{layer}.conv1.weight', f'{layer}.conv2.weight', f'{layer}.bn.bias')
                if index == 1:
                    yield from (f'{block}.gate.gn.weight', f'{block}.gate.gn.bias')
                    continue
                for layer in ('fc1', 'fc2'):
                    yield from [f'{block}.gate.{layer}.weight'] * (depth == 0)
                    yield f'{block}.gate.{layer}.bias'
            yield from (f'{block}.conv3.conv.weight', f'{block}.conv3.bn.bias')
            if index == 0:
                yield from (f'{block}.downsample.conv.weight', f'{block}.downsample.bn.bias')
        if stage < 4:
            yield from (f'backbone.conv{stage}.2.0.conv.weight', f'backbone.conv{stage}.2.0.bn.bias')
    yield from ('backbone.conv5.conv.weight', 'backbone.conv5.bn.bias', 'pooling.conv.weight', 'pooling.conv.bias',
                'neck.embedding.weight', 'neck.embedding.bias', 'neck.norm.weight', 'neck.norm.bias',
                'neck.activation.weight')


def settings_of(constants: list[np.ndarray]) -> dict:
    """Settings of ReIDModel; the width follows from the embedding layer.

    Raises:
        ValueError: the constants are not those of such a network.
    """
    order = list(parameter_order())
    sizes = [constant.size for constant in constants]
    embedding = PREPROCESSING + order.index('neck.embedding.weight')
    width = next((width for width, channels in CHANNELS.items()
                  if len(sizes) == PREPROCESSING + len(order) and sizes[embedding] == EMBED_DIMS * channels[-1]), None)
    if width is None:
        raise ValueError(f'expected the {PREPROCESSING + len(order)} constants of a person-reidentification-retail '
                         f'model with {EMBED_DIMS} outputs, got {len(sizes)} of another kind')
    channels = CHANNELS[width][-1]
    return dict(backbone=dict(type='OSNet', width=width, variant='lct'), embed_dims=EMBED_DIMS,
                pooling=dict(type='WeightedPooling', channels=channels),
                neck=dict(type='FCNeck', in_channels=channels, embed_dims=EMBED_DIMS, activation='PReLU'))


def build(settings: dict) -> nn.ModuleDict:
    """The three parts of the model that have weights."""
    return nn.ModuleDict({part: MODELS.build(settings[part]) for part in ('backbone', 'pooling', 'neck')})


def convert(constants: list[np.ndarray], settings: dict) -> dict[str, Tensor]:
    """State dict of :func:`build` with the constants; what shall be equal and is not raises ValueError."""
    net = build(settings)
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_var.fill_(1 - module.eps)  # a norm that does nothing
    state = net.state_dict()
    seen: set[str] = set()
    for name, constant in zip(parameter_order(), constants[PREPROCESSING:], strict=True):
        value = torch.from_numpy(constant)
        if value.numel() != state[name].numel() or (name in seen and not torch.equal(state[name].flatten(), value)):
            raise ValueError(f'{name} has {state[name].numel()} values, the file has {value.numel()} or others in its '
                             'place; it is another network')
        state[name] = value.view(state[name].shape)
        seen.add(name)
    return state


def network_input(pictures: list[np.ndarray]) -> Tensor:
    """BGR pictures of any size -> (B, 3, 256, 128)."""
    resized = np.stack([mmcv.imresize(picture, (128, 256))[..., ::-1] for picture in pictures])
    return torch.from_numpy((resized - np.array(MEAN)) / np.array(STD)).permute(0, 3, 1, 2).float()


@torch.no_grad()
def calibrate(net: nn.ModuleDict, images: Tensor) -> dict[str, Tensor]:
    """Give every batch norm that does nothing the statistics of images (B, 3, 256, 128), and undo them by its weights.

    ``x + shift = (x - mean) / std * std + (mean + shift)``: nothing changes in eval mode, and in training the norm
    starts from where it is.
    """
    def undo(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        dims = [dim for dim in range(inputs[0].ndim) if dim != 1]
        var, mean = torch.var_mean(inputs[0], dim=dims, correction=0)
        norm.bias += mean * norm.weight
        norm.weight *= (var + norm.eps).sqrt()
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(var)

    hooks = [module.register_forward_pre_hook(undo) for module in net.modules()
             if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    net.eval()
    net['neck'](net['pooling'](net['backbone'](images)[-1]))
    for hook in hooks:
        hook.remove()
    return net.state_dict()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', type=Path, help='.xml file; the .bin file lies beside it')
    parser.add_argument('target', type=Path, help='checkpoint to write')
    parser.add_argument('--calibrate', type=Path, metavar='FOLDER', help='of pictures of people, for training')
    parser.add_argument('--max-images', type=int, default=256, help='pictures that are used, evenly spread')
    args = parser.parse_args(argv)
    try:
        constants = constants_of(args.source)
        settings = settings_of(constants)
        state = convert(constants, settings)
        if args.calibrate:
            paths = sorted(args.calibrate.glob('*.jpg')) + sorted(args.calibrate.glob('*.png'))
            if not paths:
                raise FileNotFoundError(f'expected .jpg or .png pictures of people in {args.calibrate}, found none')
            net = build(settings)
            net.load_state_dict(state)
            state = calibrate(net, network_input([mmcv.imread(str(path))
                                                  for path in paths[::-(-len(paths) // args.max_images)]]))
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    write_checkpoint(args.target, state, dict(source=args.source.name, layout='openvino_osnet', model=settings))
    print(f'{args.target}: {len(state)} tensors; its model:')
    print('\n'.join(f'  {part} = {setting}' for part, setting in settings.items()))
    return 0


if __name__ == '__main__':
    sys.exit(main())
