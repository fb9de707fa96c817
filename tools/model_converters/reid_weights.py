"""Turn a published file of re-identification weights into a checkpoint that `load_from` of ReIDModel reads.

The layout is found by the names in the file. Every name must be accounted for: it gets a name here, or it is on the
layout's list of what has no use here; anything else is an error, and then nothing is written. With --config the
result is compared with that model, too. What the network must look like for the weights is printed, and stands in the
checkpoint's `meta`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope
from reid_layouts import LAYOUTS, convert, fitting_layout, needed_settings
from torch import Tensor, nn
from weight_files import first_few, read_tensors, single_precision, write_checkpoint

from pedsearch.registry import MODELS


def silent_differences(settings: dict, model: dict) -> list[str]:
    """What the weights need and a config's model lacks, of the settings that leave no trace in the weights' names."""
    pairs = [('backbone', name, settings['backbone'].get(name, usual), model['backbone'].get(name, usual))
             for name, usual in (('stem_relu', True), ('stem_pool', 'torch'))]
    if 'neck' in settings:
        pairs.append(('neck', 'type', settings['neck']['type'], (model.get('neck') or dict(type='BNNeck'))['type']))
    return [f'the {part} needs {name}={needed!r}, the config has {given!r}'
            for part, name, needed, given in pairs if needed != given]


def compare(converted: dict[str, Tensor], model: nn.Module) -> tuple[list[str], list[str]]:
    """Problems of backbone, pooling and neck, and remarks on what else the model does not take from the file."""
    expected = model.state_dict()
    reshaped = {name for name, value in converted.items() if name in expected and value.shape != expected[name].shape}
    keys = model.load_state_dict({name: value for name, value in converted.items() if name not in reshaped},
                                 strict=False)
    own = ('backbone.', 'neck.') if 'neck.norm.weight' in converted else ('backbone.', )
    problems = [f'missing {name}' for name in keys.missing_keys
                if name.startswith(own) and not name.endswith('num_batches_tracked') and name not in reshaped]
    problems += [f'unknown {name}' for name in keys.unexpected_keys if not name.startswith('head.')]
    problems += [f'{name} has shape {tuple(converted[name].shape)} instead of {tuple(expected[name].shape)}'
                 for name in sorted(reshaped) if not name.startswith('head.')]
    remarks = [f'{name} does not fit the config\'s head, which starts from its own values'
               for name in sorted(reshaped.union(keys.unexpected_keys)) if name.startswith('head.')]
    if 'pooling.p' in keys.missing_keys and 'neck.norm.weight' in converted:
        remarks.append('the file has no pooling.p, the config keeps its own')
    return problems, remarks


def compare_with_config(converted: dict[str, Tensor], settings: dict, cfg: Config) -> list[str]:
    """The remarks; raises ValueError where the weights do not fit."""
    init_default_scope(cfg.get('default_scope', 'pedsearch'))
    problems, remarks = compare(converted, MODELS.build(cfg.model))
    problems += silent_differences(settings, cfg.model)
    if problems:
        raise ValueError(f'the weights do not fit the config: {first_few(problems)}')
    return remarks


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog='\n'.join(['layouts:'] + [f'  {name:27} {layout.source}'
                                                                      for name, layout in LAYOUTS.items()]))
    parser.add_argument('source', type=Path, help='published weight file')
    parser.add_argument('target', type=Path, help='checkpoint to write')
    parser.add_argument('--layout', choices=LAYOUTS, metavar='NAME', help='where the file comes from; default: found')
    parser.add_argument('--config', type=Path, help='compare with the model of this config')
    args = parser.parse_args(argv)
    try:
        tensors = single_precision(read_tensors(args.source))
        name = args.layout or fitting_layout(tensors)
        converted = convert(tensors, LAYOUTS[name])
        settings = needed_settings(converted, LAYOUTS[name])
        remarks = compare_with_config(converted, settings, Config.fromfile(args.config)) if args.config else []
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    bias = converted.get('neck.norm.bias')
    if bias is not None and settings['neck']['type'] == 'BNNeck' and bias.any():
        remarks.append(f'the neck\'s bias is not zero (up to {bias.abs().max():.3g}); it is kept, and stays frozen')
    write_checkpoint(args.target, converted, dict(source=args.source.name, layout=name, model=settings))
    print(f'{args.target}: {len(converted)} tensors of layout {name} ({LAYOUTS[name].source}); its model:')
    print('\n'.join(f'  {part} = {setting}' for part, setting in settings.items()))
    for remark in remarks:
        print(f'note: {remark}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
