"""How other repositories name the weights of re-identification networks, and what those names become here.

A layout is a table of rules from a whole name to a new one, which is a name of ``ReIDModel``: ``backbone.*``,
``pooling.p``, ``neck.embedding.*``, ``neck.norm.*`` or ``head.classifier.weight``. A name that no rule knows is an
error, so that no file ends as a network that is partly random.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torch import Tensor

from pedsearch.models.reid.osnet import CHANNELS
from pedsearch.models.reid.reid_resnet import ReIDResNet

LEAF = r'(?:weight|bias|running_mean|running_var|num_batches_tracked)'
BLOCK = rf'\d+\.(?:conv[123]|bn[123](?:\.(?:IN|BN))?|downsample\.[01])\.{LEAF}'
RESNET = rf'((?:conv1|bn1)\.{LEAF}|layer[1-4]\.{BLOCK})'
LIGHT_CONV = rf'(?:conv1|conv2|bn)\.{LEAF}'
OSNET = rf"""(?x)(
    conv[15]\.(?:conv|bn)\.{LEAF}
    | conv[23]\.2\.0\.(?:conv|bn)\.{LEAF}
    | conv[234]\.[01]\.(?:(?:conv1|conv3|downsample)\.(?:conv|bn)\.{LEAF} | gate\.fc[12]\.{LEAF} | IN\.{LEAF}
        | conv2a\.{LIGHT_CONV} | conv2[bcd]\.\d\.{LIGHT_CONV}))"""
MOBILENET_BLOCKS = [(stage, block) for stage, count in enumerate((1, 2, 3, 4, 3, 3, 1), start=1)
                    for block in range(count)]

Rule = tuple[str, str]


@dataclass(frozen=True)
class Layout:
    """The names of one source.

    Args:
        source: whose files these are.
        rules: (pattern of a whole name, new name), tried in order.
        dropped: pattern of the names that have no use here.
        removed: path elements that are taken out of a name before the rules are tried.
        average_pooling: whether a file without a power of generalised mean pooling means average pooling.
        stem: options of ReIDResNet's stem that the weights need.
        neck: type of the neck.
    """

    source: str
    rules: tuple[Rule, ...]
    dropped: str = r'(?!)'
    removed: tuple[str, ...] = ()
    average_pooling: bool = True
    stem: tuple[tuple[str, object], ...] = ()
    neck: str = 'BNNeck'

    def rename(self, name: str) -> str | None:
        """The name here, '' where it is left out, None where the layout does not know it."""
        if re.fullmatch(self.dropped, name):
            return ''
        for element in self.removed:
            name = name.replace(element, '')
        return next((re.fullmatch(pattern, name).expand(new) for pattern, new in self.rules
                     if re.fullmatch(pattern, name)), None)

    def unknown(self, names: Iterable[str]) -> list[str]:
        return sorted(name for name in names if self.rename(name) is None)


def _mobilenet(nested: bool) -> Iterator[Rule]:
    """MobileNetV2 in torchvision: today's files nest all pairs of convolution and norm but a block's last."""
    for number, ours in ((0, 'conv1'), (18, 'conv2')):
        yield rf'features\.{number}\.0\.({LEAF})', rf'backbone.{ours}.conv.\1'
        yield rf'features\.{number}\.1\.({LEAF})', rf'backbone.{ours}.bn.\1'
    for number, (stage, block) in enumerate(MOBILENET_BLOCKS, start=1):
        last = 1 if number == 1 else 2  # the first block does not widen
        for pair in range(last + 1):
            places = (3 * pair, 3 * pair + 1)
            if nested:
                places = (pair, pair + 1) if pair == last else (rf'{pair}\.0', rf'{pair}\.1')
            for place, ours in zip(places, ('conv', 'bn'), strict=True):
                yield (rf'features\.{number}\.conv\.{place}\.({LEAF})',
                       rf'backbone.layer{stage}.{block}.conv.{pair}.{ours}.\1')


IN_SEQUENTIAL = tuple(  # the ResNet's parts in an nn.Sequential, of which 2 and 3 have no weights
    (rf'base\.{index}\.({BLOCK if ours.startswith("layer") else LEAF})', rf'backbone.{ours}.\1')
    for index, ours in ((0, 'conv1'), (1, 'bn1'), (4, 'layer1'), (5, 'layer2'), (6, 'layer3'), (7, 'layer4')))
CLUSTER_CONTRAST = (*IN_SEQUENTIAL, (rf'(?:feat_bn|bnneck)\.({LEAF})', r'neck.norm.\1'),
                    (r'feat\.(weight|bias)', r'neck.embedding.\1'), (r'gap\.p', 'pooling.p'))
CLASSIFIERS = r'classifier\d*\.(?:weight|bias)'
NON_LOCAL = tuple(
    (rf'backbone\.NL_([23])\.(\d+)\.{theirs}\.({LEAF})', rf'backbone.layer\1.non_local\2.{ours}.\3')
    for theirs, ours in (('g', 'g.conv'), ('theta', 'theta.conv'), ('phi', 'phi.conv'), (r'W\.0', 'conv_out.conv'),
                         (r'W\.1', 'conv_out.bn')))
FAST_REID = ((rf'backbone\.{RESNET}', r'backbone.\1'), *NON_LOCAL, (r'heads\.pool_layer\.p', 'pooling.p'),
             (r'heads\.(?:classifier\.)?weight', 'head.classifier.weight'))
FAST_REID_TRAITS = dict(dropped=r'pixel_(?:mean|std)', average_pooling=False, stem=(('stem_pool', 'ceil'), ))
AIN_STREAMS = ((rf'(conv[234]\.[01])\.conv2\.0\.layers\.0\.({LIGHT_CONV})', r'backbone.\1.conv2a.\2'),
               *((rf'(conv[234]\.[01])\.conv2\.{stream}\.layers\.(\d)\.({LIGHT_CONV})',
                  rf'backbone.\1.conv2{letter}.\2.\3') for stream, letter in enumerate('bcd', start=1)))
FC = ((r'fc\.0\.(weight|bias)', r'neck.embedding.\1'), (rf'fc\.1\.({LEAF})', r'neck.norm.\1'))

LAYOUTS = {
    'torchvision': Layout('torchvision ResNet and the LUPerson release', ((RESNET, r'backbone.\1'), ),
                          dropped=r'fc\.(?:weight|bias)'),
    'torchvision_mobilenet': Layout('torchvision MobileNetV2', tuple(_mobilenet(nested=True)),
                                    dropped=r'classifier\..+'),
    'torchvision_mobilenet_flat': Layout('MobileNetV2 of early torchvision', tuple(_mobilenet(nested=False)),
                                         dropped=r'classifier\..+'),
    'moco': Layout('a MoCo training', ((rf'encoder_q\.{RESNET}', r'backbone.\1'), ),
                   dropped=r'encoder_k\..+|queue.*|encoder_q\.fc\..+'),
    'torchreid_osnet': Layout(
        'torchreid OSNet', ((OSNET, r'backbone.\1'), *AIN_STREAMS,
                            (rf'pool([23])\.0\.((?:conv|bn)\.{LEAF})', r'backbone.conv\1.2.0.\2'), *FC),
        dropped=CLASSIFIERS, neck='FCNeck'),
    'torchreid_resnet': Layout('torchreid ResNet', ((RESNET, r'backbone.\1'), *FC), dropped=CLASSIFIERS, neck='FCNeck'),
    'cluster_contrast': Layout('Cluster Contrast, SpCL, ICE, PPLR', CLUSTER_CONTRAST,
                               dropped=rf'{CLASSIFIERS}|bnneck\d+\..+'),
    'spcl_uda': Layout('SpCL with a source domain, of whose two batch norms the target\'s is kept', CLUSTER_CONTRAST,
                       dropped=rf'{CLASSIFIERS}|.+\.BN_S\..+', removed=('.BN_T', )),
    'openunreid': Layout(
        'OpenUnReID; the target\'s batch norm and the averaged network are kept', (
            (rf'backbone\.{RESNET}', r'backbone.\1'), (rf'head\.feat_bn\.({LEAF})', r'neck.norm.\1'),
            (r'head\.feat_reduction\.(weight|bias)', r'neck.embedding.\1'), (r'global_pooling\.p', 'pooling.p')),
        dropped=rf'net\..+|.+\.dsbn\.0\..+|(?:mean_net\.)?{CLASSIFIERS}', removed=('mean_net.', '.dsbn.1')),
    'bot': Layout('reid-strong-baseline (BoT)', (
        (rf'base\.{RESNET}', r'backbone.\1'), (rf'bottleneck\.({LEAF})', r'neck.norm.\1'),
        (r'classifier\.weight', 'head.classifier.weight')), dropped=r'base\.fc\.(?:weight|bias)',
        stem=(('stem_relu', False), )),
    'fast_reid': Layout('fast-reid', (
        *FAST_REID, (rf'heads\.(?:bottleneck\.0|bnneck)\.({LEAF})', r'neck.norm.\1')), **FAST_REID_TRAITS),
    'fast_reid_embedding': Layout('fast-reid with an embedding layer', (
        *FAST_REID, (r'heads\.bottleneck\.0\.(weight)', r'neck.embedding.\1'),
        (rf'heads\.bottleneck\.1\.({LEAF})', r'neck.norm.\1')), **FAST_REID_TRAITS),
}


def convert(tensors: dict[str, Tensor], layout: Layout) -> dict[str, Tensor]:
    """Rename, and bring the few values that have another form here into it.

    Raises:
        ValueError: a name that the layout does not know, or no backbone at all; both name what is there.
    """
    unknown = layout.unknown(tensors)
    converted = {layout.rename(name): value for name, value in tensors.items()} if not unknown else {}
    converted.pop('', None)
    if not any(name.startswith('backbone.') for name in converted):
        raise ValueError(f'the file is not of {layout.source}: unknown or unused names '
                         f'{unknown[:5] or sorted(tensors)[:5]}, {len(unknown)} unknown of {len(tensors)}')
    for name in [name for name in converted if name.endswith('.conv_out.conv.bias')]:
        # A shift before a batch norm is a shift of its mean.
        mean = name.replace('conv.bias', 'bn.running_mean')
        converted[mean] = converted[mean] - converted.pop(name)
    if 'neck.embedding.weight' in converted:
        weight = converted['neck.embedding.weight'] = converted['neck.embedding.weight'].flatten(1)  # a 1x1 convolution
        converted.setdefault('neck.embedding.bias', weight.new_zeros(len(weight)))
    if 'pooling.p' in converted:
        converted['pooling.p'] = converted['pooling.p'].reshape(1)
    return converted


def needed_settings(converted: dict[str, Tensor], layout: Layout) -> dict:
    """Settings of ``ReIDModel`` with which the converted weights compute what they did at their source."""
    settings = dict(backbone=_backbone_settings(converted, layout))
    if 'neck.norm.weight' in converted:
        settings['neck'] = dict(type=layout.neck)
        embedding = converted.get('neck.embedding.weight')
        width = converted['neck.norm.weight'].numel()
        settings['neck']['in_channels'] = width if embedding is None else embedding.size(1)
        if embedding is not None:
            settings['neck']['embed_dims' if layout.neck == 'FCNeck' else 'out_channels'] = width
        settings['embed_dims'] = width
        if 'pooling.p' in converted:
            settings['pooling'] = dict(type='GeMPooling')
        elif layout.average_pooling:
            settings['pooling'] = dict(type='mmpretrain.GlobalAveragePooling')
    return settings


def _backbone_settings(converted: dict[str, Tensor], layout: Layout) -> dict:
    names = [name.removeprefix('backbone.') for name in converted if name.startswith('backbone.')]
    if 'conv5.conv.weight' in names:
        stages = len(converted['backbone.conv5.conv.weight'])
        variant = ('ain' if 'conv2.0.conv3.bn.weight' not in names else
                   'ibn' if 'conv1.bn.running_var' not in names else 'plain')
        return dict(type='OSNet', width=next((w for w, channels in CHANNELS.items() if channels[-1] == stages), None),
                    variant=variant)
    if 'conv2.conv.weight' in names:
        return dict(type='ReIDMobileNetV2')
    blocks, non_local = (
        tuple(len({match[1] for name in names if (match := re.match(rf'layer{stage}\.{part}(\d+)\.', name))})
              for stage in range(1, 5)) for part in ('', 'non_local'))
    kind = 'Bottleneck' if 'layer1.0.conv3.weight' in names else 'BasicBlock'
    settings = dict(type='ReIDResNet', depth=next(
        (depth for depth, (block, counts) in ReIDResNet.arch_settings.items()
         if counts == blocks and block.__name__ == kind), None))
    has_ibn = any('.bn1.IN.' in name for name in names)
    if not (has_ibn and ('stem_relu', False) in layout.stem):  # BoT's networks with IBN have the ReLU
        settings.update(layout.stem)
    if has_ibn:
        settings['ibn'] = 'a'
    if any(non_local):
        settings['non_local'] = non_local
    return settings


def fitting_layout(tensors: dict[str, Tensor]) -> str:
    """Name of the layout that knows every name of a file.

    Raises:
        ValueError: none does, or several do that give different networks.
    """
    fitting = {}
    for name, layout in LAYOUTS.items():
        if not layout.unknown(tensors) and any(layout.rename(key) for key in tensors):
            fitting[name] = convert(tensors, layout)
    if not fitting:
        nearest = min(LAYOUTS, key=lambda name: len(LAYOUTS[name].unknown(tensors)))
        unknown = LAYOUTS[nearest].unknown(tensors)
        raise ValueError(f'no layout knows all {len(tensors)} names of the file; the nearest is {nearest}, which does '
                         f'not know {", ".join(unknown[:5])}' + (f' and {len(unknown) - 5} more' * (len(unknown) > 5)))
    results = {name: (set(converted), needed_settings(converted, LAYOUTS[name]))
               for name, converted in fitting.items()}
    first = next(iter(results))
    if any(result != results[first] for result in results.values()):
        raise ValueError(f'the names fit {" and ".join(results)}, which need different networks; name the source with '
                         '--layout')
    return first
