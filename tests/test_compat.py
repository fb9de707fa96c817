"""Oracles: the definitions of the operators as slow loops, and numerical differentiation."""

import subprocess
import sys
from functools import partial
from math import ceil, exp, floor, log

import numpy as np
import pytest
import torch

import pedsearch
from pedsearch.compat import TorchvisionExt

ops = pytest.importorskip('mmcv.ops')
stand_in = pytest.mark.skipif(
    not isinstance(sys.modules['mmcv._ext'], TorchvisionExt), reason='mmcv was compiled with its operators')


def rand(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def random_boxes(count: int, seed: int, size: float = 40.) -> torch.Tensor:
    corner, extent = rand(count, 2, seed=seed) * size, rand(count, 2, seed=seed + 1) * size / 2 + 3
    return torch.cat([corner, corner + extent], dim=1).float()


def slow_iou(a: list[float], b: list[float], offset: int) -> float:
    width = max(0., min(a[2], b[2]) - max(a[0], b[0]) + offset)
    height = max(0., min(a[3], b[3]) - max(a[1], b[1]) + offset)
    area_a, area_b = ((box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (a, b))
    return width * height / (area_a + area_b - width * height)


def slow_bilinear(plane: np.ndarray, y: float, x: float) -> float:
    """Value of a (H, W) plane at a point, zero outside."""
    height, width = plane.shape
    y0, x0 = floor(y), floor(x)
    value = 0.
    for row, weight_y in ((y0, y0 + 1 - y), (y0 + 1, y - y0)):
        for column, weight_x in ((x0, x0 + 1 - x), (x0 + 1, x - x0)):
            if 0 <= row < height and 0 <= column < width:
                value += weight_y * weight_x * plane[row, column]
    return value


# -- non-maximum suppression ------------------------------------------------------------------------------------------


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('threshold', [0.2, 0.5])
def test_nms_is_the_greedy_loop(offset: int, threshold: float) -> None:
    boxes, scores = random_boxes(60, seed=1), rand(60, seed=9).float()
    kept = []
    for index in scores.argsort(descending=True).tolist():
        if all(slow_iou(boxes[index].tolist(), boxes[other].tolist(), offset) <= threshold for other in kept):
            kept.append(index)
    dets, inds = ops.nms(boxes, scores, threshold, offset=offset)
    assert inds.tolist() == kept
    assert 1 < len(kept) < 60
    assert torch.equal(dets, torch.cat([boxes, scores[:, None]], dim=1)[kept])


def test_nms_offset_counts_pixels_inclusively() -> None:
    boxes = torch.tensor([[0., 0., 9., 9.], [0., 5., 9., 14.]])  # 50 of 150 pixels, 36 of 126 as lengths
    scores = torch.tensor([.9, .8])
    assert len(ops.nms(boxes, scores, 0.3, offset=0)[1]) == 2
    assert len(ops.nms(boxes, scores, 0.3, offset=1)[1]) == 1


def test_batched_nms_keeps_classes_apart() -> None:
    boxes = torch.tensor([[0., 0., 10., 10.], [0., 0., 10., 10.], [0., 0., 10., 10.]])
    _, inds = ops.batched_nms(boxes, torch.tensor([.5, .9, .7]), torch.tensor([0, 1, 0]),
                              dict(type='nms', iou_threshold=0.5))
    assert inds.tolist() == [1, 2]


def slow_soft_nms(boxes: list, scores: list, threshold: float, sigma: float, min_score: float, method: str,
                  offset: int) -> list[tuple[int, float]]:
    left, kept = dict(enumerate(scores)), []
    while left:
        best = max(left, key=left.get)
        kept.append((best, left.pop(best)))
        for index in list(left):
            iou = slow_iou(boxes[best], boxes[index], offset)
            if method == 'gaussian':
                left[index] *= exp(-iou * iou / sigma)
            elif iou >= threshold:
                left[index] *= 1 - iou if method == 'linear' else 0.
            if left[index] < min_score:
                del left[index]
    return kept


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
def test_soft_nms_is_the_loop_of_the_paper(method: str, offset: int) -> None:
    boxes, scores = random_boxes(40, seed=3, size=25.), rand(40, seed=4).float()
    expected = slow_soft_nms(boxes.tolist(), scores.tolist(), 0.3, 0.5, 0.05, method, offset)
    dets, inds = ops.soft_nms(boxes, scores, iou_threshold=0.3, sigma=0.5, min_score=0.05, method=method, offset=offset)
    assert inds.tolist() == [index for index, _ in expected]
    assert 5 < len(expected) < 40
    assert torch.allclose(dets[:, 4], torch.tensor([score for _, score in expected]), atol=1e-6)
    assert torch.equal(dets[:, :4], boxes[inds])


def test_soft_nms_decays_at_the_threshold_itself() -> None:
    boxes = torch.tensor([[0., 0., 10., 10.], [0., 0., 10., 5.]])  # IoU exactly 0.5
    dets, _ = ops.soft_nms(boxes, torch.tensor([.9, .8]), iou_threshold=0.5)
    assert dets[:, 4].tolist() == pytest.approx([.9, .4])


def test_suppression_of_nothing_is_nothing() -> None:
    boxes, scores = torch.zeros(0, 4), torch.zeros(0)
    assert len(ops.nms(boxes, scores, 0.5)[1]) == len(ops.soft_nms(boxes, scores)[1]) == 0


# -- RoI operators ----------------------------------------------------------------------------------------------------

ROIS = torch.tensor([[0., 1.3, 2.2, 13.7, 17.1], [1., 4., 4., 9., 8.], [0., 10.2, 3., 10.5, 3.2],
                     [1., -6., -4., 30., 25.]], dtype=torch.float64)


def slow_roi_align(maps: np.ndarray, rois: np.ndarray, size: tuple[int, int], scale: float, samples: int,
                   aligned: bool) -> np.ndarray:
    """Mean of bilinear samples per bin; a sample outside by less than a pixel is moved to the border."""
    height, width = maps.shape[2:]
    out = np.zeros((len(rois), maps.shape[1], *size))

    def sample(plane: np.ndarray, y: float, x: float) -> float:
        if not (-1 <= y <= height and -1 <= x <= width):
            return 0.
        return slow_bilinear(plane, min(max(y, 0.), height - 1), min(max(x, 0.), width - 1))

    for r, (index, *box) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = (value * scale - 0.5 * aligned for value in box)
        extent = y2 - y1, x2 - x1
        if not aligned:
            extent = tuple(max(value, 1.) for value in extent)
        bins = extent[0] / size[0], extent[1] / size[1]
        count = [samples or ceil(value) for value in bins]
        for c in range(maps.shape[1]):
            for i, j in np.ndindex(*size):
                values = [
                    sample(maps[int(index), c], y1 + (i + (a + .5) / count[0]) * bins[0],
                           x1 + (j + (b + .5) / count[1]) * bins[1]) for a in range(count[0]) for b in range(count[1])
                ]
                out[r, c, i, j] = sum(values) / max(len(values), 1)
    return out


@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('samples', [0, 2])
def test_roi_align_is_the_mean_of_bilinear_samples(aligned: bool, samples: int) -> None:
    maps = rand(2, 3, 8, 9, seed=5)
    out = ops.roi_align(maps, ROIS, (3, 2), 0.5, samples, 'avg', aligned)
    expected = slow_roi_align(maps.numpy(), ROIS.numpy(), (3, 2), 0.5, samples, aligned)
    assert np.allclose(out.numpy(), expected, atol=1e-12)


def slow_roi_pool(maps: np.ndarray, rois: np.ndarray, size: tuple[int, int], scale: float) -> np.ndarray:
    """Maximum over bins of whole pixels; both corners belong to the region; an empty bin is 0."""
    out = np.zeros((len(rois), maps.shape[1], *size))
    for r, (index, *box) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = (floor(value * scale + 0.5) for value in box)
        bins = max(y2 - y1 + 1, 1) / size[0], max(x2 - x1 + 1, 1) / size[1]
        for i, j in np.ndindex(*size):
            rows = slice(*np.clip([floor(i * bins[0]) + y1, ceil((i + 1) * bins[0]) + y1], 0, maps.shape[2]))
            columns = slice(*np.clip([floor(j * bins[1]) + x1, ceil((j + 1) * bins[1]) + x1], 0, maps.shape[3]))
            patch = maps[int(index), :, rows, columns]
            out[r, :, i, j] = patch.max(axis=(1, 2)) if patch.size else 0
    return out


def test_roi_pool_is_the_maximum_of_bins() -> None:
    maps = rand(2, 3, 8, 9, seed=6) - 0.5
    rois = ROIS + 0.01  # no coordinate on a rounding border
    out = ops.RoIPool((3, 2), 0.5)(maps, rois)
    assert np.allclose(out.numpy(), slow_roi_pool(maps.numpy(), rois.numpy(), (3, 2), 0.5), atol=1e-12)


@pytest.mark.parametrize('operator', [
    lambda maps: ops.roi_align(maps, ROIS, (2, 2), 0.5, 2, 'avg', True),
    lambda maps: ops.roi_align(maps, ROIS, (2, 2), 0.5, 0, 'avg', False),
    lambda maps: ops.RoIPool((2, 2), 0.5)(maps, ROIS),
])
def test_roi_gradients(operator) -> None:
    assert torch.autograd.gradcheck(operator, rand(2, 2, 6, 7, seed=7).requires_grad_())


def test_roi_operators_without_regions() -> None:
    maps = rand(2, 3, 8, 9).requires_grad_()
    for operator in (ops.RoIAlign((3, 2), 0.5), ops.RoIPool((3, 2), 0.5)):
        out = operator(maps, ROIS[:0])
        assert out.shape == (0, 3, 3, 2)
        assert torch.autograd.grad(out.sum(), maps)[0].abs().sum() == 0


@pytest.mark.parametrize('operator', [ops.RoIAlign((3, 2), 0.5, 2), ops.RoIPool((3, 2), 0.5)])
def test_roi_operators_in_bf16_round_only_at_the_end(operator) -> None:
    maps = rand(2, 3, 8, 9, seed=8).bfloat16().requires_grad_()
    rois = ROIS.float()
    out = operator(maps, rois)
    exact = operator(maps.detach().float(), rois)
    assert out.dtype == torch.bfloat16
    assert torch.equal(out.float(), exact.bfloat16().float())
    assert torch.autograd.grad(out.sum(), maps)[0].dtype == torch.bfloat16


@stand_in
def test_roi_align_max_names_the_way_out() -> None:
    with pytest.raises(NotImplementedError, match="pool_mode='max' needs a compiled mmcv; use pool_mode='avg'"):
        ops.roi_align(rand(1, 1, 4, 4), ROIS[:1], 2, 1.0, 2, 'max', True)


# -- deformable convolution -------------------------------------------------------------------------------------------

GEOMETRIES = [
    dict(),
    dict(stride=2, padding=1),
    dict(stride=(1, 2), padding=(2, 1), dilation=(2, 1)),
    dict(padding=1, groups=2),
    dict(padding=1, deform_groups=2),
    dict(stride=2, padding=1, dilation=2, groups=2, deform_groups=2),
]


def slow_deform_conv(x: np.ndarray, offset: np.ndarray, weight: np.ndarray, mask: np.ndarray | None = None,
                     bias: np.ndarray | None = None, stride=1, padding=0, dilation=1, groups: int = 1,
                     deform_groups: int = 1) -> np.ndarray:
    pair = lambda value: value if isinstance(value, tuple) else (value, value)  # noqa: E731
    (sy, sx), (py, px), (dy, dx) = pair(stride), pair(padding), pair(dilation)
    kernel_h, kernel_w = weight.shape[2:]
    per_group, per_offset = weight.shape[1], x.shape[1] // deform_groups
    out = np.zeros((len(x), len(weight), *offset.shape[2:]))
    for b, o, i, j in np.ndindex(out.shape):
        for c in range(per_group):
            channel = o // (len(weight) // groups) * per_group + c
            for k in range(kernel_h * kernel_w):
                ky, kx = divmod(k, kernel_w)
                tap = channel // per_offset * kernel_h * kernel_w + k
                y = i * sy - py + ky * dy + offset[b, 2 * tap, i, j]
                x_ = j * sx - px + kx * dx + offset[b, 2 * tap + 1, i, j]
                value = slow_bilinear(x[b, channel], y, x_) * weight[o, c, ky, kx]
                out[b, o, i, j] += value if mask is None else value * mask[b, tap, i, j]
    return out if bias is None else out + bias[:, None, None]


def deform_inputs(geometry: dict, seed: int = 10) -> tuple[torch.Tensor, ...]:
    """Input, offset, mask, weight and bias of a 3 x 2 kernel that fit the geometry."""
    x = rand(2, 4, 5, 6, seed=seed) - 0.5
    weight = rand(4, 4 // geometry.get('groups', 1), 3, 2, seed=seed + 1) - 0.5
    plain = {key: value for key, value in geometry.items() if key != 'deform_groups'}
    size = torch.nn.functional.conv2d(x, weight, **plain).shape[2:]
    taps = 6 * geometry.get('deform_groups', 1)
    offset = (rand(2, 2 * taps, *size, seed=seed + 2) - 0.5) * 3
    return x, offset, rand(2, taps, *size, seed=seed + 3), weight, rand(4, seed=seed + 4)


def run_deform_conv(x, offset, weight, stride=1, padding=0, dilation=1, groups=1, deform_groups=1) -> torch.Tensor:
    return ops.deform_conv2d(x, offset, weight, stride, padding, dilation, groups, deform_groups)


def run_modulated(x, offset, mask, weight, bias=None, stride=1, padding=0, dilation=1, groups=1,
                  deform_groups=1) -> torch.Tensor:
    return ops.modulated_deform_conv2d(x, offset, mask, weight, bias, stride, padding, dilation, groups, deform_groups)


@pytest.mark.parametrize('geometry', GEOMETRIES, ids=str)
def test_deform_conv_is_the_slow_loop(geometry: dict) -> None:
    x, offset, mask, weight, bias = deform_inputs(geometry)
    arrays = [tensor.numpy() for tensor in (x, offset, weight, mask, bias)]
    first = run_deform_conv(x, offset, weight, **geometry)
    assert np.allclose(first.numpy(), slow_deform_conv(*arrays[:3], **geometry), atol=1e-12)
    second = run_modulated(x, offset, mask, weight, bias, **geometry)
    assert np.allclose(second.numpy(), slow_deform_conv(*arrays, **geometry), atol=1e-12)


def test_deform_conv_without_offset_is_a_convolution() -> None:
    layer = ops.DeformConv2d(4, 6, 3, padding=1, bias=False).double()
    x = rand(2, 4, 5, 6, seed=20)
    out = layer(x, torch.zeros(2, 18, 5, 6, dtype=torch.float64))
    assert torch.allclose(out, torch.nn.functional.conv2d(x, layer.weight, padding=1))
    layer = ops.ModulatedDeformConv2d(4, 6, 3, padding=1).double()
    out = layer(x, torch.zeros(2, 18, 5, 6, dtype=torch.float64), torch.ones(2, 9, 5, 6, dtype=torch.float64))
    assert torch.allclose(out, torch.nn.functional.conv2d(x, layer.weight, layer.bias, padding=1))


@pytest.mark.parametrize('geometry', [GEOMETRIES[1], GEOMETRIES[5]], ids=str)
def test_deform_conv_gradients(geometry: dict) -> None:
    x, offset, mask, weight, bias = (tensor.requires_grad_() for tensor in deform_inputs(geometry, seed=30))
    check = partial(torch.autograd.gradcheck, fast_mode=True)
    assert check(partial(run_deform_conv, **geometry), (x, offset, weight))
    assert check(partial(run_modulated, **geometry), (x, offset, mask, weight, bias))
    assert check(partial(run_modulated, **geometry), (x, offset, mask, weight))


def test_deform_conv_gradient_of_the_weight_alone() -> None:
    x, offset, _, weight, _ = deform_inputs({}, seed=40)
    assert torch.autograd.gradcheck(lambda weight: run_deform_conv(x, offset, weight), weight.requires_grad_(),
                                    fast_mode=True)


def test_deform_conv_in_bf16() -> None:
    x, offset, mask, weight, bias = (tensor.bfloat16().requires_grad_() for tensor in deform_inputs({}, seed=50))
    exact = [tensor.detach().float() for tensor in (x, offset, mask, weight, bias)]
    first, second = run_deform_conv(x, offset, weight), run_modulated(x, offset, mask, weight, bias)
    assert torch.equal(first, run_deform_conv(exact[0], exact[1], exact[3]).bfloat16())
    assert torch.equal(second, run_modulated(*exact).bfloat16())
    for gradient in torch.autograd.grad(first.sum() + second.sum(), (x, offset, mask, weight, bias)):
        assert gradient.dtype == torch.bfloat16


# -- focal loss -------------------------------------------------------------------------------------------------------


def test_sigmoid_focal_loss_is_the_formula() -> None:
    logits, target, weight = (rand(5, 3, seed=60) - 0.5) * 8, torch.tensor([0, 2, 3, 1, 2]), torch.tensor([1., 2., .5])
    out = ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, None, 'none')
    weighted = ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, weight.double(), 'none')
    for n, k in np.ndindex(5, 3):
        p = 1 / (1 + exp(-logits[n, k].item()))
        expected = -.25 * (1 - p)**2 * log(p) if target[n] == k else -.75 * p**2 * log(1 - p)
        assert out[n, k].item() == pytest.approx(expected, rel=1e-9)
        factor = weight[target[n]].item() if target[n] < 3 else 1
        assert weighted[n, k].item() == pytest.approx(expected * factor, rel=1e-9)
    mean = ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, None, 'mean')
    assert mean.item() == pytest.approx(out.sum().item() / 5)


def test_sigmoid_focal_loss_is_finite_where_the_sigmoid_saturates() -> None:
    logits = torch.tensor([[200., -200.]], requires_grad=True)
    loss = ops.sigmoid_focal_loss(logits, torch.tensor([1]), 2.0, 0.25, None, 'sum')
    assert loss.item() == pytest.approx(.75 * 200 + .25 * 200)
    assert torch.autograd.grad(loss, logits)[0].tolist() == [[pytest.approx(.75), pytest.approx(-.25)]]


@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
def test_sigmoid_focal_loss_gradients(reduction: str) -> None:
    logits, target = ((rand(5, 3, seed=61) - 0.5) * 8).requires_grad_(), torch.tensor([0, 2, 3, 1, 2])
    weight = torch.tensor([1., 2., .5], dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda logits: ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, weight, reduction), logits)


# -- the stand-in as a module -----------------------------------------------------------------------------------------


@stand_in
def test_missing_operator_fails_with_name_and_remedy() -> None:
    with pytest.raises(NotImplementedError, match='operator border_align_forward is not compiled .* `MMCV_WITH_OPS=1'):
        ops.border_align(rand(1, 4, 4, 4), rand(1, 16, 4), 2)
    with pytest.raises(NotImplementedError, match='operator ball_query_forward is not compiled'):
        ops.ball_query(0, 1, 4, rand(1, 8, 3).float(), rand(1, 2, 3).float())


@stand_in
def test_environment_report_works() -> None:
    import mmcv.utils
    assert mmcv.utils.collect_env()['MMCV Compiler'] == 'not compiled, torchvision operators'


def test_patching_twice_changes_nothing() -> None:
    before = sys.modules['mmcv._ext']
    pedsearch.compat.patch_hosts()
    assert sys.modules['mmcv._ext'] is before


def run_python(code: str, *path: object) -> subprocess.CompletedProcess:
    """Run code in a fresh interpreter with some folders at the head of its module path."""
    head = f'import sys; sys.path[:0] = {[str(folder) for folder in path]!r}\n'
    return subprocess.run([sys.executable, '-c', head + code], capture_output=True, text=True, check=False)


def test_compiled_operators_win(tmp_path) -> None:
    (tmp_path / '_ext.py').write_text("__getattr__ = lambda name: (lambda *args, **kwargs: 'compiled')\n"
                                      "__path__ = []\n")
    code = f'''
import mmcv
mmcv.__path__.append({str(tmp_path)!r})
import pedsearch
from mmcv.ops.nms import ext_module
print(ext_module.__file__, ext_module.nms())
'''
    result = run_python(code)
    assert result.stdout.split() == [str(tmp_path / '_ext.py'), 'compiled'], result.stderr


@pytest.mark.parametrize('version', ['5.0.0', '4.40.0'])
def test_mmpretrain_beside_transformers(tmp_path, version: str) -> None:
    """A transformers without the names that mmpretrain's multimodal models import, as version 5 is."""
    pytest.importorskip('pycocotools')  # without it mmpretrain leaves the multimodal models out by itself
    (tmp_path / 'transformers').mkdir()
    (tmp_path / 'transformers/__init__.py').touch()
    metadata = tmp_path / f'transformers-{version}.dist-info'
    metadata.mkdir()
    (metadata / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: transformers\nVersion: {version}\n')
    repaired = run_python('import pedsearch, mmpretrain.models; print(mmpretrain.models.build_backbone)', tmp_path)
    assert ('function build_backbone' in repaired.stdout) == (version == '5.0.0'), repaired.stderr
    if version == '4.40.0':  # left alone: what the host does with it is the host's business
        assert 'ImportError' in repaired.stderr
