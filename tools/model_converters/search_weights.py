"""Turn a checkpoint of the released code of DICL or CGPS into one that tools/test.py and `load_from` read.

The method is found by the names in the file. Every name must be accounted for: it gets a name here, or it is a layer
that is never run, which a note names; anything else is an error, and so is what is missing or has another shape than in
the model, and then nothing is written. The model is the released one, or that of --config.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from search_layouts import FEATS, LABELS, LAYOUTS, MODELS, SearchLayout, convert, fitting_layout
from torch import Tensor
from weight_files import first_few, read_tensors, single_precision, write_checkpoint

from pedsearch import registry


def setting(model: dict, path: str) -> object:
    """Value at ``a.b.c``, None where there is none; sequences as lists."""
    for name in path.split('.'):
        model = model.get(name) if isinstance(model, dict) else None
    return list(model) if isinstance(model, tuple) else model


def silent_differences(layout: SearchLayout, model: dict) -> list[str]:
    """Settings by which a config's model would compute something else with the same weights."""
    own = Config.fromfile(MODELS / layout.config).model
    return [f'the weights need {path}={setting(own, path)!r}, the config has {setting(model, path)!r}'
            for path in layout.silent if setting(own, path) != setting(model, path)]


def mismatches(converted: dict[str, Tensor], model: dict) -> list[str]:
    """What is missing, has no place, or has another shape than in the model of a config.

    The number of slots of the memory is free, the memory may be absent, and so may be counters of batch norms.
    """
    with torch.device('meta'):
        expected = {name: tuple(value.shape) for name, value in registry.MODELS.build(model).state_dict().items()}
    for name in (FEATS, LABELS):
        if name in expected:
            expected[name] = (len(converted.get(name, ())), *expected[name][1:])
    free = {name for name in expected if name in (FEATS, LABELS) or name.endswith('num_batches_tracked')}
    problems = [f'missing {name}' for name in sorted(expected.keys() - converted.keys() - free)]
    problems += [f'{name} has no place' for name in sorted(converted.keys() - expected.keys())]
    return problems + [f'{name} has shape {tuple(value.shape)} instead of {expected[name]}'
                       for name, value in converted.items() if tuple(value.shape) != expected.get(name, value.shape)]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', type=Path, help='checkpoint of the authors')
    parser.add_argument('target', type=Path, help='checkpoint to write')
    parser.add_argument('--config', type=Path, help='compare with the model of this config')
    args = parser.parse_args(argv)
    try:
        tensors = single_precision(read_tensors(args.source))
        name = fitting_layout(tensors)
        layout = LAYOUTS[name]
        converted, unused = convert(tensors, layout)
        cfg = Config.fromfile(args.config or MODELS / layout.config)
        init_default_scope(cfg.get('default_scope', 'pedsearch'))
        if problems := silent_differences(layout, cfg.model) or mismatches(converted, cfg.model):
            raise ValueError(f'the weights do not fit {args.config or layout.config}: {first_few(problems)}')
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    write_checkpoint(args.target, converted, dict(source=args.source.name, layout=name, config=layout.config))
    print(f'{args.target}: {len(converted)} tensors of {layout.source}, for models like configs/_base_/models/'
          f'{layout.config}')
    if unused:
        print(f'note: left out, the network has them and never runs them: {", ".join(unused)}')
    if FEATS in converted:
        print(f'note: the memory has {len(converted[FEATS])} slots, in the order of the authors\' annotation file; '
              'PseudoLabelHook fills it anew before training')
    return 0


if __name__ == '__main__':
    sys.exit(main())
