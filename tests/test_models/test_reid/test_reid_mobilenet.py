import pytest
import torch
import torchvision
from mmpretrain.models.backbones import MobileNetV2

from pedsearch.models.reid.reid_mobilenet import ReIDMobileNetV2


def test_only_the_last_stride_differs():
    torch.manual_seed(0)
    ours, theirs = ReIDMobileNetV2(out_indices=(4, 7)), MobileNetV2(out_indices=(4, 7))
    theirs.load_state_dict(ours.state_dict())
    ours.eval(), theirs.eval()
    x = torch.randn(1, 3, 64, 32)
    with torch.no_grad():
        (fine, last), (fine_theirs, last_theirs) = ours(x), theirs(x)
    torch.testing.assert_close(fine, fine_theirs)
    assert last.shape == (1, 1280, 4, 2)
    assert last_theirs.shape == (1, 1280, 2, 1)


def test_with_stride_2_it_is_torchvisions():
    torch.manual_seed(0)
    ours, theirs = ReIDMobileNetV2(last_stride=2), torchvision.models.mobilenet_v2().features
    pairs = list(zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True))
    with torch.no_grad():
        for own, other in pairs:  # both list the same layers in the same order
            own.copy_(other)
        ours.eval(), theirs.eval()
        x = torch.randn(1, 3, 64, 32)
        torch.testing.assert_close(ours(x)[-1], theirs(x))


def test_other_strides():
    with pytest.raises(ValueError, match='last_stride must be 1 or 2, got 3'):
        ReIDMobileNetV2(last_stride=3)


def test_nothing_is_built_behind_the_last_output():
    torch.manual_seed(0)
    whole, part = ReIDMobileNetV2(widen_factor=.25), ReIDMobileNetV2(widen_factor=.25, out_indices=(2, 4))
    whole.eval(), part.eval()
    assert [name for name, _ in part.named_children()] == ['conv1', *(f'layer{index}' for index in range(1, 6))]
    part.load_state_dict(whole.state_dict(), strict=False)
    whole.out_indices = (2, 4)
    x = torch.randn(1, 3, 64, 32)
    for ours, theirs in zip(part(x), whole(x), strict=True):
        torch.testing.assert_close(ours, theirs)
