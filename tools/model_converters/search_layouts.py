"""How the released code of DICL and CGPS (mmdet 2.4) names its weights, and what those names become here.

A name that no rule knows is an error, so that no file ends as a network that is partly random.
"""

from dataclasses import dataclass
from pathlib import Path

from reid_layouts import LEAF, RESNET, Layout
from torch import Tensor
from weight_files import first_few

MODELS = Path(__file__).parents[2] / 'configs' / '_base_' / 'models'
DEFORM_CONV = r'(weight|conv_offset\.(?:weight|bias))'
LINEAR = r'(weight|bias)'
CLASS_LAYERS = ('roi_head.classifier.4.', 'roi_head.fc_cls.')
FEATS, LABELS = 'roi_head.memory.feats', 'roi_head.memory.labels'


@dataclass(frozen=True)
class SearchLayout(Layout):
    """The names of one method.

    Args:
        config: file of the model that the weights belong to, in configs/_base_/models.
        silent: settings of that model that leave no trace in the names and shapes.
    """

    config: str = ''
    silent: tuple[str, ...] = (
        'type', 'data_preprocessor.mean', 'data_preprocessor.std', 'data_preprocessor.bgr_to_rgb', 'backbone.style',
        'backbone.strides', 'backbone.dilations', 'rpn_head.anchor_generator', 'rpn_head.bbox_coder', 'roi_head.type',
        'roi_head.roi_extractor', 'roi_head.bbox_coder')


COMMON = ((rf'backbone\.{RESNET}', r'backbone.\1'), (rf'rpn_head\.rpn_(conv|cls|reg)\.{LINEAR}', r'rpn_head.rpn_\1.\2'),
          (r'roi_head\.bbox_head\.loss_reid\.features', FEATS), (r'roi_head\.bbox_head\.loss_reid\.labels', LABELS))
LAYOUTS = {
    'dicl': SearchLayout('DICL', (
        *COMMON,
        (rf'neck\.lateral_conv_32\.{DEFORM_CONV}', r'neck.lateral.\1'),
        (rf'neck\.deform_conv\.{DEFORM_CONV}', r'neck.fusion.\1'),
        (rf'roi_head\.bbox_roi_extractor\.roi_layers\.0\.offset_fc\.([024])\.{LINEAR}',
         r'roi_head.roi_extractor.offset_fc.\1.\2'),
        (rf'roi_head\.bbox_head\.deform_conv\.{DEFORM_CONV}', r'roi_head.deform.\1'),
        (rf'roi_head\.bbox_head\.cls_convs\.([01])\.(conv\.weight|bn\.{LEAF})', r'roi_head.classifier.\1.\2'),
        (rf'roi_head\.bbox_head\.reg_convs\.([01])\.(conv\.weight|bn\.{LEAF})', r'roi_head.regressor.\1.\2'),
        (rf'roi_head\.bbox_head\.fc_cls\.{LINEAR}', r'roi_head.classifier.4.\1'),
        (rf'roi_head\.bbox_head\.fc_reg\.{LINEAR}', r'roi_head.regressor.4.\1'),
        (rf'roi_head\.bbox_head\.fc_reid\.{LINEAR}', r'roi_head.fc_embed.\1')),
        dropped=rf'neck\.lateral_conv_8\.{DEFORM_CONV}|roi_head\.bbox_head\.(?:gt_)?id_feature\.{LINEAR}',
        config='dicl_r50.py',
        silent=(*SearchLayout.silent, 'crop_size', 'roi_head.map_size', 'roi_head.instance_branch')),
    'cgps': SearchLayout('CGPS', (
        *COMMON,
        (rf'roi_head\.shared_head\.{RESNET}', r'roi_head.shared_head.\1'),
        (rf'roi_head\.bbox_head\.(fc_cls|fc_reg)\.{LINEAR}', r'roi_head.\1.\2'),
        (rf'roi_head\.bbox_head\.id_feature\.{LINEAR}', r'roi_head.fc_c5.\1'),
        (rf'roi_head\.bbox_head\.id_feature1\.{LINEAR}', r'roi_head.fc_c4.\1')), config='cgps_r50.py',
        silent=(*SearchLayout.silent, 'roi_head.shared_head.depth', 'roi_head.shared_head.stage',
                'roi_head.shared_head.stride', 'roi_head.shared_head.style')),
}


def fitting_layout(tensors: dict[str, Tensor]) -> str:
    """Name of the layout that knows every name of a file.

    Raises:
        ValueError: none does.
    """
    nearest = min(LAYOUTS, key=lambda name: len(LAYOUTS[name].unknown(tensors)))
    if unknown := LAYOUTS[nearest].unknown(tensors):
        raise ValueError(f'no layout knows all {len(tensors)} names of the file; the nearest is {nearest}, which does '
                         f'not know {first_few(unknown)}')
    return nearest


def convert(tensors: dict[str, Tensor], layout: SearchLayout) -> tuple[dict[str, Tensor], list[str]]:
    """Rename, turn the classes round, and leave out what has no use.

    Person is class 0 and background class 1 there; here background is 0 and person 1.

    Returns:
        tuple[dict[str, Tensor], list[str]]: tensors by their names here, and the names that were left out.

    Raises:
        ValueError: a memory whose rows and labels differ in number.
    """
    unused = sorted(name for name in tensors if layout.rename(name) == '')
    converted = {layout.rename(name): value for name, value in tensors.items() if name not in unused}
    for name in converted:
        if name.startswith(CLASS_LAYERS):
            converted[name] = converted[name].flip(0)
    rows = [len(converted[name]) for name in (FEATS, LABELS) if name in converted]
    if len(set(rows)) > 1 or len(rows) == 1:
        raise ValueError(f'a memory has features and as many labels, got {rows} rows; save the whole state dict')
    return converted, unused
