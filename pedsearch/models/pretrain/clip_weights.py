"""Weights of CLIP under the names of this library.

Shape legend: W width of the image tower, D embedding dimensions, h x w patches of the input.
"""

from collections.abc import Mapping

import torch
from mmpretrain.models.utils import resize_pos_embed
from torch import Tensor

from .text_transformer import clip_text_weights

_WHOLE = {'conv1.weight': 'patch_embed.projection.weight', 'ln_pre.weight': 'pre_norm.weight',
          'ln_pre.bias': 'pre_norm.bias', 'ln_post.weight': 'ln1.weight', 'ln_post.bias': 'ln1.bias'}
_PARTS = {'attn.in_proj_': 'attn.qkv.', 'attn.out_proj.': 'attn.proj.', 'ln_1.': 'ln1.', 'ln_2.': 'ln2.',
          'mlp.c_fc.': 'ffn.layers.0.0.', 'mlp.c_proj.': 'ffn.layers.1.'}


def clip_image_weights(state_dict: Mapping[str, Tensor], grid: tuple[int, int] | None = None) -> dict[str, Tensor]:
    """Weights of CLIP's image transformer under the names of ``mmpretrain.VisionTransformer``.

    That one needs ``pre_norm=True``, ``norm_cfg=dict(type='LN', eps=1e-5)`` and
    ``layer_cfgs=dict(act_cfg=dict(type='mmpretrain.QuickGELU'))``.

    Args:
        state_dict (Mapping[str, Tensor]): of a whole CLIP model, or of its image tower.
        grid (tuple[int, int], optional): (h, w) patches of the new input, (24, 8) for 384 x 128 pixels and patches of
            16; position embeddings are resized to it (bicubic). None: they stay, for square inputs.

    Returns:
        dict[str, Tensor]: float32, without the projection, which CLIP calls ``visual.proj``.

    Raises:
        ValueError: there is no image transformer.

    Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021.
    Deviation: none.
    """
    visual = _image_tower(state_dict)
    positions = visual['positional_embedding'].float()[None]  # (1, 1 + patches, W)
    if grid is not None:
        side = round((positions.size(1) - 1)**0.5)
        positions = resize_pos_embed(positions, (side, side), tuple(grid), 'bicubic', num_extra_tokens=1)
    found = {'cls_token': visual['class_embedding'].float()[None, None], 'pos_embed': positions}
    found.update({ours: visual[theirs].float() for theirs, ours in _WHOLE.items()})
    for name, value in visual.items():
        if name.startswith('transformer.resblocks.'):
            number, rest = name.removeprefix('transformer.resblocks.').split('.', 1)
            for theirs, ours in _PARTS.items():
                if rest.startswith(theirs):
                    found[f'layers.{number}.{ours}{rest.removeprefix(theirs)}'] = value.float()
    return found


def clip_weights(state_dict: Mapping[str, Tensor], grid: tuple[int, int] | None = None) -> dict[str, Tensor]:
    """Weights of a whole CLIP model with an image transformer under the names of an ``ImageTextModel``.

    CLIP's projections become the necks, whose shifts are 0. Its temperature, 0.01, is left out.

    Args:
        state_dict (Mapping[str, Tensor]): of CLIP.
        grid (tuple[int, int], optional): as :func:`clip_image_weights`.

    Returns:
        dict[str, Tensor]: float32, ``image_encoder.*``, ``image_neck.*``, ``text_encoder.*`` and ``text_neck.*``.

    Raises:
        ValueError: a tower is missing.
    """
    towers = dict(image_encoder=clip_image_weights(state_dict, grid), text_encoder=clip_text_weights(state_dict))
    found = {f'{tower}.{name}': value.float() for tower, weights in towers.items() for name, value in weights.items()}
    for neck, projection in (('image_neck', 'visual.proj'), ('text_neck', 'text_projection')):
        weight = state_dict[projection].float().T.contiguous()  # (D, W)
        found.update({f'{neck}.weight': weight, f'{neck}.bias': torch.zeros(len(weight))})
    return found


def _image_tower(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights without the prefix that they have in a whole model."""
    visual = {name.removeprefix('visual.'): value for name, value in state_dict.items() if name.startswith('visual.')}
    visual = visual or dict(state_dict)
    if 'class_embedding' not in visual or 'ln_pre.weight' not in visual:
        raise ValueError('state_dict must be of a CLIP model with an image transformer (class_embedding, ln_pre), got '
                         f'{", ".join(list(visual)[:3])}...; take one of the ViT models')
    return visual
