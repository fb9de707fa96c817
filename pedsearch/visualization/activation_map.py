"""Where a re-identification network looks: Grad-CAM on the last map of its backbone.

Shape legend: B images, H x W network input, C channels and h x w cells of the last map, D embedding dimensions.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib import colormaps
from PIL import Image, ImageDraw
from torch import Tensor, nn

from .drawing import FAINT, INK, PAPER, font

_COLORS = colormaps['inferno']
_MARGIN, _GAP, _HEIGHT, _LEGEND_WIDTH = 28, 12, 320, 240


def grad_cam(model: nn.Module, inputs: Tensor, target_embed: Tensor | None = None) -> Tensor:
    """Weight of every pixel for an embedding, or for its similarity to another one.

    ``cam = relu(sum_c mean_hw(dy / dA_c) A_c)``, divided by its maximum, for the last map A of the backbone. y is the
    norm of the embedding before it is normalised, or its cosine similarity to ``target_embed``. Mirror images are left
    out of account, whatever the model does with them.

    Args:
        model (nn.Module): a ``ReIDModel`` in evaluation mode; its ``backbone``, ``pooling`` and ``neck`` are run.
        inputs (Tensor): (B, 3, H, W), preprocessed.
        target_embed (Tensor, optional): (D,) or (B, D), what to be similar to.

    Returns:
        Tensor: (B, H, W) in [0, 1]; all zeros where nothing speaks for y.

    Raises:
        ValueError: the model is in training, or the embeddings differ in length.

    Source: Selvaraju et al., "Grad-CAM", ICCV 2017, equations 1 and 2, with a similarity for the class score.
    """
    if model.training:
        raise ValueError('the model must be in evaluation mode, got one in training; call model.eval()')
    with torch.no_grad():
        maps = model.backbone(inputs)
    last = (maps[-1] if isinstance(maps, (tuple, list)) else maps).detach().requires_grad_()  # (B, C, h, w)
    with torch.enable_grad():
        feats = model.neck(model.pooling(last))  # (B, D)
        grads, = torch.autograd.grad(_score(feats, target_embed).sum(), last)
    cam = weigh_channels(last.detach(), grads)
    cam = F.interpolate(cam[:, None], inputs.shape[2:], mode='bilinear', align_corners=False)[:, 0]
    return cam / cam.amax(dim=(1, 2), keepdim=True).clamp(min=torch.finfo(cam.dtype).tiny)


def weigh_channels(maps: Tensor, grads: Tensor) -> Tensor:
    """Sum of the maps weighted by the mean of their gradients, cut off below zero: 2 x (B, C, h, w) -> (B, h, w).

    Example:
        >>> weigh_channels(torch.tensor([[[[1., 2.]], [[4., 1.]]]]), torch.tensor([[[[1., 3.]], [[-2., 0.]]]])).tolist()
        [[[0.0, 3.0]]]
    """
    return (grads.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1).clamp(min=0)


def _score(feats: Tensor, target_embed: Tensor | None) -> Tensor:
    """(B, D) -> (B,)."""
    if target_embed is None:
        return feats.norm(dim=1)
    if target_embed.shape not in (feats.shape, feats.shape[1:]):
        raise ValueError(f'target_embed must have shape {tuple(feats.shape[1:])} or {tuple(feats.shape)}, got '
                         f'{tuple(target_embed.shape)}; embed it with the same model')
    return F.cosine_similarity(feats, target_embed.to(feats).expand_as(feats), dim=1)


def overlay(image: np.ndarray, cam: np.ndarray, strength: float = .7) -> np.ndarray:
    """Lay a heat map over an image; where it is 0 the image stays as it is, only greyer.

    Args:
        image (numpy.ndarray): (H, W, 3) uint8 RGB.
        cam (numpy.ndarray): (H, W) in [0, 1].
        strength (float): opacity where the map is 1.

    Returns:
        numpy.ndarray: (H, W, 3) uint8 RGB.

    Raises:
        ValueError: the sizes differ.
    """
    if image.shape != (*cam.shape, 3):
        raise ValueError(f'image must be (H, W, 3) as large as the map (H, W), got {image.shape} and {cam.shape}; '
                         'resize the image to the network input')
    grey = image @ np.array([.299, .587, .114])  # (H, W)
    ground = .25 * image + .75 * grey[..., None]
    heat = 255 * _COLORS(cam)[..., :3]
    opacity = strength * np.sqrt(cam)[..., None]
    return ((1 - opacity) * ground + opacity * heat).round().astype(np.uint8)


def draw_activation_maps(title: str, images: Sequence[np.ndarray], cams: Sequence[np.ndarray],
                         captions: Sequence[str]) -> np.ndarray:
    """Draw each image beside itself under its map.

    Args:
        title (str): first line.
        images (Sequence[numpy.ndarray]): each (H, W, 3) uint8 RGB.
        cams (Sequence[numpy.ndarray]): each (H, W) in [0, 1].
        captions (Sequence[str]): a line below each.

    Returns:
        numpy.ndarray: uint8 RGB.
    """
    pairs = [[_enlarge(image), _enlarge(overlay(image, cam))] for image, cam in zip(images, cams)]
    widths = [max(2 * plain.width + 4, int(font(13).getlength(text))) for (plain, _), text in zip(pairs, captions)]
    width = max(sum(widths) + 3 * _GAP * (len(pairs) - 1), int(font(18, bold=True).getlength(title)), _LEGEND_WIDTH)
    sheet = Image.new('RGB', (width + 2 * _MARGIN, _HEIGHT + 122), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, 20), title, INK, font(18, bold=True))
    _draw_scale(sheet, (_MARGIN, 52))
    x = _MARGIN
    for (plain, heated), text, taken in zip(pairs, captions, widths):
        sheet.paste(plain, (x, 80))
        sheet.paste(heated, (x + plain.width + 4, 80))
        draw.text((x, _HEIGHT + 88), text, INK, font(13))
        x += taken + 3 * _GAP
    return np.asarray(sheet)


def _draw_scale(sheet: Image.Image, corner: tuple[int, int]) -> None:
    """What the colours mean."""
    x, y = corner
    draw = ImageDraw.Draw(sheet)
    draw.text((x, y), 'counts little', FAINT, font(12))
    scale = (255 * _COLORS(np.linspace(0, 1, 100))[:, :3]).astype(np.uint8)
    sheet.paste(Image.fromarray(np.broadcast_to(scale, (12, 100, 3)).copy()), (x + 86, y + 2))
    draw.text((x + 196, y), 'much', FAINT, font(12))


def _enlarge(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image).resize((round(image.shape[1] * _HEIGHT / image.shape[0]), _HEIGHT),
                                         Image.Resampling.LANCZOS)
