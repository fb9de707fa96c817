"""Turn a file of torchvision backbone weights into a checkpoint that `init_cfg` of ResNet and ResNetStage loads.

The tensors keep torchvision's names, which mmdet's ResNet shares; what the converter adds is safety: the file is read
without running code, every name and shape is compared with the architecture, half precision becomes fp32, and what
does not match is named.
"""

import argparse
import sys
from pathlib import Path

import torchvision
from torch import Tensor
from weight_files import first_few, read_tensors, single_precision, without_prefix, write_checkpoint

WRAPPERS = ('backbone.', 'encoder.')


def convert(tensors: dict[str, Tensor], arch: str) -> dict[str, Tensor]:
    """The backbone's tensors in fp32; raises ValueError naming what is missing, unknown or of another shape."""
    for prefix in WRAPPERS:
        tensors = without_prefix(tensors, prefix)
    expected = {name: value for name, value in torchvision.models.get_model(arch).state_dict().items()
                if not name.startswith(('fc.', 'classifier.'))}
    given = {name: value for name, value in tensors.items() if not name.startswith(('fc.', 'classifier.'))}
    counters = {name for name in expected if name.endswith('num_batches_tracked')}  # older files lack them
    problems = [f'missing {name}' for name in sorted(expected.keys() - given.keys() - counters)]
    problems += [f'unknown {name}' for name in sorted(given.keys() - expected.keys())]
    problems += [f'{name} has shape {tuple(given[name].shape)} instead of {tuple(expected[name].shape)}'
                 for name in sorted(given.keys() & expected.keys()) if given[name].shape != expected[name].shape]
    if problems:
        raise ValueError(f'the file is not a {arch}: {first_few(problems)}')
    return single_precision(given)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', type=Path, help='file of torchvision weights')
    parser.add_argument('target', type=Path, help='checkpoint to write')
    parser.add_argument('--arch', default='resnet50', help='name of the torchvision model')
    args = parser.parse_args()
    try:
        tensors = convert(read_tensors(args.source), args.arch)
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    write_checkpoint(args.target, tensors, dict(arch=args.arch, source=args.source.name))
    print(f'{args.target}: {len(tensors)} tensors of {args.arch}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
