import pytest
import torch
from mmpretrain.models.backbones import MobileNetV2
from torch import nn

from pedsearch.models.layers import MobileNetV2Stage


@pytest.fixture(scope='module')
def pair() -> tuple[MobileNetV2, MobileNetV2Stage]:
    """A whole network, and the stage filled from it."""
    torch.manual_seed(0)
    whole, stage = MobileNetV2(out_indices=(4, 6)), MobileNetV2Stage()
    for module in whole.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=.1)
            module.running_var.uniform_(.5, 2)
    stage.load_state_dict({name: value for name, value in whole.state_dict().items()
                           if name.startswith(('layer6.', 'layer7.'))})
    whole.eval()
    stage.eval()
    return whole, stage


def test_stage_is_the_end_of_the_whole_network(pair):
    whole, stage = pair
    with torch.no_grad():
        before, after = whole(torch.randn(2, 3, 64, 32))
        torch.testing.assert_close(stage(before), after)
    assert (before.shape[1], after.shape[1]) == (stage.in_channels, stage.out_channels)


@pytest.mark.parametrize('norm_eval', [True, False])
def test_norm_eval_keeps_the_running_statistics(norm_eval):
    stage = MobileNetV2Stage(norm_cfg=dict(type='BN', requires_grad=False), norm_eval=norm_eval).train()
    means = stage.layer7[0].conv[0].bn.running_mean.clone()
    stage(torch.randn(2, 96, 4, 2))
    assert torch.equal(stage.layer7[0].conv[0].bn.running_mean, means) == norm_eval
    assert all(not parameter.requires_grad for module in stage.modules() if isinstance(module, nn.BatchNorm2d)
               for parameter in module.parameters())
