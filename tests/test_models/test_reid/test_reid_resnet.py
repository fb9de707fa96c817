import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from pedsearch.models.reid.reid_resnet import InstanceBatchNorm2d, ReIDResNet
from pedsearch.registry import MODELS

from .test_osnet import randomize


def count(net: nn.Module) -> int:
    return sum(value.numel() for value in net.parameters())


def picture(height: int = 64, width: int = 32) -> torch.Tensor:
    return torch.randn(2, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_parameters_and_shapes_are_those_published():
    net = MODELS.build(dict(type='ReIDResNet', out_indices=(0, 1, 2, 3)))
    assert count(net) == 23_508_032
    net.eval()
    with torch.no_grad():
        x = torch.randn(1, 3, 256, 128)
        assert net.maxpool(net.relu(net.norm1(net.conv1(x)))).shape == (1, 64, 64, 32)
        assert [tuple(y.shape[1:]) for y in net(x)] == [(256, 64, 32), (512, 32, 16), (1024, 16, 8), (2048, 16, 8)]


@pytest.mark.parametrize(('stem_relu', 'stem_pool'), [(True, 'torch'), (False, 'torch'), (True, 'ceil')])
def test_equals_torchvision_with_the_source_stem(stem_relu, stem_pool):
    theirs = torchvision.models.resnet18()
    block = theirs.layer4[0]
    block.conv1.stride = block.downsample[0].stride = (1, 1)
    theirs.fc = nn.Identity()
    ours = randomize(ReIDResNet(18, stem_relu=stem_relu, stem_pool=stem_pool))
    theirs.load_state_dict(ours.state_dict())
    theirs.double().eval()
    x = theirs.bn1(theirs.conv1(picture()))
    x = F.relu(x) if stem_relu else x
    x = F.max_pool2d(x, 3, 2, 1) if stem_pool == 'torch' else F.max_pool2d(x, 3, 2, 0, ceil_mode=True)
    torch.testing.assert_close(ours(picture())[-1], theirs.layer4(theirs.layer3(theirs.layer2(theirs.layer1(x)))))


def test_pools_of_the_two_stems():
    """T20."""
    x = torch.arange(1., 17.).view(1, 1, 4, 4)
    assert ReIDResNet(18).maxpool(x).flatten().tolist() == [6, 8, 14, 16]
    assert ReIDResNet(18, stem_pool='ceil').maxpool(x).flatten().tolist() == [11, 12, 15, 16]


def test_non_local_blocks_start_as_identities():
    plain, agw = ReIDResNet(50, base_channels=8, stem_channels=8), ReIDResNet(50, base_channels=8, stem_channels=8,
                                                                             non_local=(0, 2, 3, 0))
    names = sorted({'.'.join(name.split('.')[:2]) for name in agw.state_dict() if 'non_local' in name})
    assert names == ['layer2.non_local0', 'layer2.non_local1', 'layer3.non_local0', 'layer3.non_local1',
                     'layer3.non_local2']
    agw.init_weights()  # which fills every batch norm with 1, and must leave these at 0
    plain.load_state_dict({name: value for name, value in agw.state_dict().items() if 'non_local' not in name})
    for mode in (True, False):
        plain.train(mode), agw.train(mode)
        torch.testing.assert_close(agw(picture().float())[-1], plain(picture().float())[-1])


@pytest.mark.parametrize('initialised', [False, True])
def test_non_local_blocks_can_learn_from_the_start(initialised):
    """Behind an open norm the branch has the size of a signal, not of the norm's epsilon."""
    torch.manual_seed(0)
    net = ReIDResNet(50, non_local=(0, 1, 1, 0))
    if initialised:
        net.init_weights()
    for stage, channels in ((net.layer2, 512), (net.layer3, 1024)):
        block = stage.non_local0.train()
        nn.init.ones_(block.conv_out.bn.weight)
        x = torch.randn(4, channels, 8, 4).relu()
        assert (block(x) - x).std() > .1


def test_non_local_parameters_and_places():
    assert count(ReIDResNet(50, non_local=(0, 2, 3, 0))) - 23_508_032 == 2 * (6 * 512 + 3) + 3 * (6 * 1024 + 3)
    order = [name for name, _ in ReIDResNet(50, non_local=(0, 2, 3, 0)).layer3.named_children()]
    assert order == ['0', '1', '2', '3', 'non_local0', '4', 'non_local1', '5', 'non_local2']


def test_non_local_block_by_position():
    """Every position adds what all positions say, weighed by the product of two 1-channel maps."""
    net = randomize(ReIDResNet(18, base_channels=8, stem_channels=8, non_local=(0, 1, 0, 0)))
    block = net.layer2.non_local0
    x = torch.randn(2, 16, 3, 2, dtype=torch.float64)
    theta, phi, g = block.theta(x), block.phi(x), block.g(x)
    y = torch.zeros_like(g)
    for i in range(6):
        for j in range(6):
            y[:, 0, i // 2, i % 2] += theta[:, 0, i // 2, i % 2] * phi[:, 0, j // 2, j % 2] * g[:, 0, j // 2, j % 2] / 6
    torch.testing.assert_close(block(x), x + block.conv_out.bn(block.conv_out.conv(y)))


def test_instance_batch_norm_is_its_two_halves():
    norm = randomize(InstanceBatchNorm2d(5))
    x = torch.randn(3, 5, 4, 2, dtype=torch.float64)
    y = norm(x)
    for sample in range(3):
        for channel in range(2):
            z = x[sample, channel]
            z = (z - z.mean()) / (z.var(unbiased=False) + 1e-5).sqrt()
            torch.testing.assert_close(y[sample, channel], z * norm.IN.weight[channel] + norm.IN.bias[channel])
    torch.testing.assert_close(y[:, 2:], norm.BN(x[:, 2:]))


def test_ibn_a_is_in_the_first_three_stages_and_adds_no_parameter():
    net = ReIDResNet(50, ibn='a')
    assert count(net) == 23_508_032
    places = [name for name, module in net.named_modules() if isinstance(module, InstanceBatchNorm2d)]
    assert places == [f'layer{stage}.{block}.bn1' for stage, blocks in ((1, 3), (2, 4), (3, 6))
                      for block in range(blocks)]
    assert [net.layer3[0].bn1.IN.num_features, net.layer3[0].bn1.BN.num_features] == [128, 128]
    assert net(torch.randn(2, 3, 32, 32))[-1].shape == (2, 2048, 2, 2)


def test_frozen_stages_stay_frozen_with_the_parts_put_in():
    net = ReIDResNet(18, ibn='a', non_local=(1, 1, 0, 0), frozen_stages=1)
    frozen = {name.split('.')[0] for name, value in net.named_parameters() if not value.requires_grad}
    assert frozen == {'conv1', 'bn1', 'layer1'}
    assert not any(value.requires_grad for value in net.layer1.parameters())


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(stem_pool='same'), r"stem_pool must be one of \['torch', 'ceil'\], got 'same'"),
    (dict(ibn='b'), "ibn must be None or 'a', got 'b'"),
    (dict(stem_relu=False, deep_stem=True), 'stem_relu=False needs the plain stem, got deep_stem=True'),
    (dict(depth=18, non_local=(0, 3, 0, 0)), r'non_local must give each stage at most as many blocks as it has'),
    (dict(depth=18, non_local=(0, 2)), r'got \[0, 2\]'),
])
def test_settings_that_do_not_fit(settings, message):
    with pytest.raises(ValueError, match=message):
        ReIDResNet(**settings)
