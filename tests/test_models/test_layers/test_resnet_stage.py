import pytest
import torch
from torch import nn

from pedsearch.models.layers import ResNetStage


@pytest.mark.parametrize(('depth', 'base_channels', 'inputs', 'outputs'), [(18, 16, 64, 128), (50, 16, 256, 512)])
def test_stage_shapes_and_torchvision_names(depth, base_channels, inputs, outputs):
    stage = ResNetStage(depth=depth, base_channels=base_channels)
    assert stage.out_channels == outputs
    assert stage(torch.randn(2, inputs, 14, 14)).shape == (2, outputs, 7, 7)
    assert 'layer4.0.downsample.0.weight' in stage.state_dict()


def test_stage_has_the_parameters_of_torchvision():
    import torchvision
    expected = torchvision.models.resnet50().layer4.state_dict()
    ours = {name.removeprefix('layer4.'): value.shape for name, value in ResNetStage(depth=50).state_dict().items()}
    assert ours == {name: value.shape for name, value in expected.items()}
    assert sum(parameter.numel() for parameter in ResNetStage(depth=50).parameters()) == 14_964_736


def test_norm_eval_survives_train():
    stage = ResNetStage(depth=18, base_channels=8, norm_eval=True).train()
    assert not any(module.training for module in stage.modules() if isinstance(module, nn.BatchNorm2d))


def test_unknown_depth():
    with pytest.raises(ValueError, match='depth must be one of .* got 20'):
        ResNetStage(depth=20)
