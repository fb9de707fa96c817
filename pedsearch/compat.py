"""Two repairs that let the OpenMMLab hosts run where they were installed from a package registry, without compiling.

1. ``mmcv`` without ``mmcv._ext``: its operators run on torchvision's compiled CPU and CUDA kernels
   (:class:`TorchvisionExt`). A compiled ``mmcv._ext`` wins when there is one.
2. ``mmpretrain`` beside transformers 5 or newer: its multimodal models, which do not import there, stay switched off.

Both repairs must happen before the first import of ``mmcv.ops`` or ``mmpretrain``; importing :mod:`pedsearch` does it.

Shape legend: B batch, C channels, N boxes or rows, R regions of interest, K classes.
"""

import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

import torch
import torchvision  # noqa: F401  registers torch.ops.torchvision
from torch import Tensor

_KERNEL_DTYPES = (torch.float32, torch.float64)


def patch_hosts() -> None:
    """Apply both repairs; calling it again changes nothing."""
    _provide_mmcv_ext()
    _switch_off_mmpretrain_multimodal()


def _provide_mmcv_ext() -> None:
    if 'mmcv._ext' in sys.modules or importlib.util.find_spec('mmcv._ext') is not None:
        return
    import mmcv
    mmcv._ext = sys.modules['mmcv._ext'] = TorchvisionExt()


def _switch_off_mmpretrain_multimodal() -> None:
    name = 'mmpretrain.utils.dependency'
    host = importlib.util.find_spec('mmpretrain')
    if name in sys.modules or host is None:
        return
    try:
        if int(version('transformers').split('.')[0]) < 5:
            return
    except PackageNotFoundError:
        return
    path = Path(host.submodule_search_locations[0], 'utils', 'dependency.py')
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.WITH_MULTIMODAL = False
    sys.modules[name] = module


class TorchvisionExt(ModuleType):
    """Stand-in for the compiled module ``mmcv._ext``.

    Functions keep the calling convention of mmcv's bindings: results are written into the tensors that the caller
    allocated. An operator that is not listed here exists, as mmcv checks for it on import, and raises
    ``NotImplementedError`` with its name and the remedy when it is called.
    """

    def __init__(self) -> None:
        super().__init__('mmcv._ext', self.__class__.__doc__)
        self.__file__ = __file__
        self.__spec__ = ModuleSpec('mmcv._ext', loader=None)
        for function in (get_compiler_version, get_compiling_cuda_version, nms, softnms, roi_align_forward,
                         roi_align_backward, roi_pool_forward, roi_pool_backward, deform_conv_forward,
                         deform_conv_backward_input, deform_conv_backward_parameters, modulated_deform_conv_forward,
                         modulated_deform_conv_backward, sigmoid_focal_loss_forward, sigmoid_focal_loss_backward):
            setattr(self, function.__name__, function)

    def __getattr__(self, name: str) -> Callable:
        if name.startswith('__'):
            raise AttributeError(name)

        def unavailable(*args: object, **kwargs: object) -> None:
            raise NotImplementedError(
                f'mmcv operator {name} is not compiled on this machine and torchvision has no equal; '
                'build it with `MMCV_WITH_OPS=1 pip install --no-build-isolation --no-binary onedl-mmcv onedl-mmcv`')

        unavailable.__name__ = name
        return unavailable


def _kernel_dtype(tensor: Tensor) -> Tensor:
    """Half types are computed in fp32: not all kernels know them, and bf16 would round boxes to several pixels."""
    return tensor if tensor.dtype in _KERNEL_DTYPES else tensor.float()


# -- what environment reports ask for --------------------------------------------------------------------------------

def get_compiler_version() -> str:
    return 'not compiled, torchvision operators'


def get_compiling_cuda_version() -> str:
    return 'not compiled, torchvision operators'


# -- non-maximum suppression ------------------------------------------------------------------------------------------

def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Indices (M,) of the kept boxes (N, 4) by falling score; ``offset`` 1 counts pixels inclusively."""
    boxes = boxes.float()
    if offset:
        boxes = torch.cat([boxes[:, :2], boxes[:, 2:] + offset], dim=1)
    return torch.ops.torchvision.nms(boxes, scores.float(), iou_threshold)


def softnms(boxes: Tensor, scores: Tensor, dets: Tensor, iou_threshold: float, sigma: float, min_score: float,
            method: int, offset: int) -> Tensor:
    """Soft-NMS; writes boxes and decayed scores to the first M rows of ``dets`` (N, 5), returns indices (M,).

    ``method``: 0 hard, 1 linear, 2 gaussian decay. Source: Bodla et al., ICCV 2017, equations 1 and 3.
    """
    boxes, scores = boxes.float(), scores.float().clone()
    left = torch.arange(len(boxes), device=boxes.device)
    areas = (boxes[:, 2:] - boxes[:, :2] + offset).prod(dim=1)
    kept = []
    while len(left):
        best = left[scores[left].argmax()]
        dets[len(kept), :4], dets[len(kept), 4] = boxes[best], scores[best]
        kept.append(best)
        left = left[left != best]
        overlap = (torch.minimum(boxes[left, 2:], boxes[best, 2:]) -
                   torch.maximum(boxes[left, :2], boxes[best, :2]) + offset).clamp(min=0).prod(dim=1)
        iou = overlap / (areas[left] + areas[best] - overlap)
        if method == 2:
            decay = torch.exp(-iou**2 / sigma)
        else:
            decay = torch.where(iou >= iou_threshold, 1 - iou if method == 1 else torch.zeros_like(iou), 1.)
        scores[left] *= decay
        left = left[scores[left] >= min_score]
    return torch.stack(kept) if kept else left


# -- RoI operators ----------------------------------------------------------------------------------------------------

def _require_average(pool_mode: int) -> None:
    if pool_mode != 1:
        raise NotImplementedError("RoIAlign with pool_mode='max' needs a compiled mmcv; use pool_mode='avg'")


def roi_align_forward(input: Tensor, rois: Tensor, output: Tensor, argmax_y: Tensor, argmax_x: Tensor,
                      aligned_height: int, aligned_width: int, spatial_scale: float, sampling_ratio: int,
                      pool_mode: int, aligned: bool) -> None:
    """Input (B, C, H, W), rois (R, 5) -> output (R, C, aligned_height, aligned_width)."""
    _require_average(pool_mode)
    input = _kernel_dtype(input)
    output.copy_(torch.ops.torchvision.roi_align(
        input, rois.to(input.dtype), spatial_scale, aligned_height, aligned_width, sampling_ratio, aligned))


def roi_align_backward(grad_output: Tensor, rois: Tensor, argmax_y: Tensor, argmax_x: Tensor, grad_input: Tensor,
                       aligned_height: int, aligned_width: int, spatial_scale: float, sampling_ratio: int,
                       pool_mode: int, aligned: bool) -> None:
    """grad_output (R, C, h, w) -> grad_input (B, C, H, W)."""
    _require_average(pool_mode)
    grad_output = _kernel_dtype(grad_output)
    grad_input.copy_(torch.ops.torchvision._roi_align_backward(
        grad_output, rois.to(grad_output.dtype), spatial_scale, aligned_height, aligned_width, *grad_input.shape,
        sampling_ratio, aligned))


def roi_pool_forward(input: Tensor, rois: Tensor, output: Tensor, argmax: Tensor, pooled_height: int,
                     pooled_width: int, spatial_scale: float) -> None:
    """Input (B, C, H, W), rois (R, 5) -> output and argmax (R, C, pooled_height, pooled_width)."""
    input = _kernel_dtype(input)
    pooled, where = torch.ops.torchvision.roi_pool(input, rois.to(input.dtype), spatial_scale, pooled_height,
                                                   pooled_width)
    output.copy_(pooled)
    argmax.copy_(where)


def roi_pool_backward(grad_output: Tensor, rois: Tensor, argmax: Tensor, grad_input: Tensor, pooled_height: int,
                      pooled_width: int, spatial_scale: float) -> None:
    """grad_output (R, C, h, w) -> grad_input (B, C, H, W)."""
    grad_output = _kernel_dtype(grad_output)
    grad_input.copy_(torch.ops.torchvision._roi_pool_backward(
        grad_output, rois.to(grad_output.dtype), argmax, spatial_scale, pooled_height, pooled_width,
        *grad_input.shape))


# -- deformable convolution -------------------------------------------------------------------------------------------

def _deform_forward(input: Tensor, weight: Tensor, offset: Tensor, mask: Tensor | None, bias: Tensor | None,
                    output: Tensor, geometry: tuple[int, ...]) -> None:
    input, weight, offset = map(_kernel_dtype, (input, weight, offset))
    modulated = mask is not None
    mask = _kernel_dtype(mask) if modulated else input.new_zeros(len(input), 1)
    bias = _kernel_dtype(bias) if bias is not None else input.new_zeros(weight.size(0))
    output.copy_(torch.ops.torchvision.deform_conv2d(input, weight, offset, mask, bias, *geometry, modulated)
                 .view_as(output))


def _deform_backward(grad_output: Tensor, input: Tensor, weight: Tensor, offset: Tensor, mask: Tensor | None,
                     geometry: tuple[int, ...]) -> tuple[Tensor, ...]:
    """Gradients of (input, weight, offset, mask, bias)."""
    grad_output, input, weight, offset = map(_kernel_dtype, (grad_output, input, weight, offset))
    modulated = mask is not None
    mask = _kernel_dtype(mask) if modulated else input.new_zeros(len(input), 1)
    return torch.ops.torchvision._deform_conv2d_backward(
        grad_output, input, weight, offset, mask, input.new_zeros(weight.size(0)), *geometry, modulated)


def deform_conv_forward(input: Tensor, weight: Tensor, offset: Tensor, output: Tensor, columns: Tensor, ones: Tensor,
                        kW: int, kH: int, dW: int, dH: int, padW: int, padH: int, dilationW: int, dilationH: int,
                        group: int, deformable_group: int, im2col_step: int) -> None:
    """Deformable convolution v1, input (B, C, H, W) -> output (B, C', H', W')."""
    _deform_forward(input, weight, offset, None, None, output,
                    (dH, dW, padH, padW, dilationH, dilationW, group, deformable_group))


def deform_conv_backward_input(input: Tensor, offset: Tensor, grad_output: Tensor, grad_input: Tensor,
                               grad_offset: Tensor, weight: Tensor, columns: Tensor, kW: int, kH: int, dW: int,
                               dH: int, padW: int, padH: int, dilationW: int, dilationH: int, group: int,
                               deformable_group: int, im2col_step: int) -> None:
    """Writes ``grad_input`` and ``grad_offset``; leaves the weight gradient in the scratch tensor ``columns``."""
    to_input, to_weight, to_offset, _, _ = _deform_backward(
        grad_output, input, weight, offset, None, (dH, dW, padH, padW, dilationH, dilationW, group, deformable_group))
    grad_input.copy_(to_input)
    grad_offset.copy_(to_offset)
    columns.resize_(weight.shape).copy_(to_weight)


def deform_conv_backward_parameters(input: Tensor, offset: Tensor, grad_output: Tensor, grad_weight: Tensor,
                                    columns: Tensor, ones: Tensor, kW: int, kH: int, dW: int, dH: int, padW: int,
                                    padH: int, dilationW: int, dilationH: int, group: int, deformable_group: int,
                                    scale: float, im2col_step: int) -> None:
    """Adds ``scale`` times the weight gradient, from ``columns`` where the call above has just left it."""
    if columns.shape == grad_weight.shape:
        to_weight = columns
    else:
        _, to_weight, _, _, _ = _deform_backward(
            grad_output, input, grad_weight, offset, None,
            (dH, dW, padH, padW, dilationH, dilationW, group, deformable_group))
    grad_weight.add_(to_weight.to(grad_weight.dtype), alpha=scale)


def modulated_deform_conv_forward(input: Tensor, weight: Tensor, bias: Tensor, ones: Tensor, offset: Tensor,
                                  mask: Tensor, output: Tensor, columns: Tensor, kernel_h: int, kernel_w: int,
                                  stride_h: int, stride_w: int, pad_h: int, pad_w: int, dilation_h: int,
                                  dilation_w: int, group: int, deformable_group: int, with_bias: bool) -> None:
    """Deformable convolution v2, input (B, C, H, W) -> output (B, C', H', W')."""
    _deform_forward(input, weight, offset, mask, bias if with_bias else None, output,
                    (stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, group, deformable_group))


def modulated_deform_conv_backward(input: Tensor, weight: Tensor, bias: Tensor, ones: Tensor, offset: Tensor,
                                   mask: Tensor, columns: Tensor, grad_input: Tensor, grad_weight: Tensor,
                                   grad_bias: Tensor, grad_offset: Tensor, grad_mask: Tensor, grad_output: Tensor,
                                   kernel_h: int, kernel_w: int, stride_h: int, stride_w: int, pad_h: int, pad_w: int,
                                   dilation_h: int, dilation_w: int, group: int, deformable_group: int,
                                   with_bias: bool) -> None:
    """Writes the gradients of all five inputs."""
    gradients = _deform_backward(
        grad_output, input, weight, offset, mask,
        (stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, group, deformable_group))
    targets = (grad_input, grad_weight, grad_offset, grad_mask) + ((grad_bias, ) if with_bias else ())
    for target, gradient in zip(targets, gradients):
        target.copy_(gradient)


# -- focal loss -------------------------------------------------------------------------------------------------------

def _sigmoid_focal_loss(logits: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float) -> Tensor:
    """(N, K) logits and (N,) labels, K = background -> (N, K). Source: Lin et al., ICCV 2017, equation 5."""
    logits = _kernel_dtype(logits)
    positive = target[:, None] == torch.arange(logits.size(1), device=logits.device)
    log_p, log_not_p = torch.nn.functional.logsigmoid(logits), torch.nn.functional.logsigmoid(-logits)
    loss = torch.where(positive, -alpha * log_not_p.exp()**gamma * log_p,
                       -(1 - alpha) * log_p.exp()**gamma * log_not_p)
    if weight.numel():
        loss = loss * torch.cat([weight, weight.new_ones(1)])[target, None]
    return loss


def sigmoid_focal_loss_forward(input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float,
                               alpha: float) -> None:
    """Writes the loss of each entry to ``output`` (N, K)."""
    output.copy_(_sigmoid_focal_loss(input, target, weight, gamma, alpha))


def sigmoid_focal_loss_backward(input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float,
                                alpha: float) -> None:
    """Writes d(sum of losses) / d(input) to ``grad_input`` (N, K)."""
    with torch.enable_grad():
        logits = input.detach().requires_grad_()
        loss = _sigmoid_focal_loss(logits, target, weight, gamma, alpha).sum()
    grad_input.copy_(torch.autograd.grad(loss, logits)[0])
