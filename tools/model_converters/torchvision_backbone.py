"""Turn a file of torchvision backbone weights into a checkpoint that `init_cfg` of ResNet and ResNetStage loads.

The tensors keep torchvision's names, which mmdet's ResNet shares; what the converter adds is safety: the file is read
without running code, every name and shape is compared with the architecture, half precision becomes fp32, and what
does not match is named.
"""

import argparse
import sys
from pathlib import Path

import torch
import torchvision
from torch import Tensor

WRAPPERS = ('module.', 'backbone.', 'encoder.')


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a checkpoint by name, without the prefixes that wrappers put before them."""
    if not path.is_file():
        raise FileNotFoundError(f'expected a weight file, found none at {path}')
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        raise ValueError(f'{path} is no plain weight file ({type(error).__name__}); only tensors are read, save the '
                         'state dict alone') from error
    content = content.get('state_dict', content) if isinstance(content, dict) else content
    if not isinstance(content, dict) or not content or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f'{path} must hold tensors by name, got {type(content).__name__}; save model.state_dict()')
    for prefix in WRAPPERS:
        if all(name.startswith(prefix) for name in content):
            content = {name.removeprefix(prefix): value for name, value in content.items()}
    return content


def convert(tensors: dict[str, Tensor], arch: str) -> dict[str, Tensor]:
    """The backbone's tensors in fp32; raises ValueError naming what is missing, unknown or of another shape."""
    expected = {name: value for name, value in torchvision.models.get_model(arch).state_dict().items()
                if not name.startswith(('fc.', 'classifier.'))}
    given = {name: value for name, value in tensors.items() if not name.startswith(('fc.', 'classifier.'))}
    counters = {name for name in expected if name.endswith('num_batches_tracked')}  # older files lack them
    problems = [f'missing {name}' for name in sorted(expected.keys() - given.keys() - counters)]
    problems += [f'unknown {name}' for name in sorted(given.keys() - expected.keys())]
    problems += [f'{name} has shape {tuple(given[name].shape)} instead of {tuple(expected[name].shape)}'
                 for name in sorted(given.keys() & expected.keys()) if given[name].shape != expected[name].shape]
    if problems:
        more = f' and {len(problems) - 5} more' if len(problems) > 5 else ''
        raise ValueError(f'the file is not a {arch}: ' + '; '.join(problems[:5]) + more)
    return {name: value.float() if value.is_floating_point() else value for name, value in given.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', type=Path, help='file of torchvision weights')
    parser.add_argument('target', type=Path, help='checkpoint to write')
    parser.add_argument('--arch', default='resnet50', help='name of the torchvision model')
    args = parser.parse_args()
    try:
        tensors = convert(load_tensors(args.source), args.arch)
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    args.target.parent.mkdir(parents=True, exist_ok=True)
    partial = args.target.with_suffix('.partial')
    torch.save(dict(meta=dict(arch=args.arch, source=args.source.name), state_dict=tensors), partial)
    partial.replace(args.target)
    print(f'{args.target}: {len(tensors)} tensors of {args.arch}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
