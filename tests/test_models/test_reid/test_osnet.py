import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pedsearch.models.layers import split_batch_norms
from pedsearch.models.reid.osnet import FCNeck, OSNet, WeightedPooling, channel_gate
from pedsearch.registry import MODELS


def randomize(module: nn.Module, seed: int = 0) -> nn.Module:
    """Random values that keep the signal alive, running statistics too; in float64 and eval mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name.endswith('running_var') or (name.endswith('weight') and value.ndim == 1):
                value.uniform_(0.5, 1.5, generator=generator)
            elif value.is_floating_point():
                value.normal_(0, 0.3 if value.ndim < 2 else (2 / value[0].numel())**0.5, generator=generator)
    module.double().eval()
    return module


def plain_osnet(state: dict[str, Tensor], x: Tensor, variant: str = 'plain') -> Tensor:
    """OSNet from a state dict with torchreid's names, step by step; 'ain' in the names that it has there."""
    def conv(name, x, **options):
        return F.conv2d(x, state[f'{name}.weight'], state.get(f'{name}.bias'), **options)

    def norm(name, x):
        if f'{name}.running_var' in state:
            return F.batch_norm(x, *(state[f'{name}.{part}'] for part in
                                     ('running_mean', 'running_var', 'weight', 'bias')))
        return F.instance_norm(x, weight=state[f'{name}.weight'], bias=state[f'{name}.bias'])

    def light(name, x):
        x = conv(f'{name}.conv1', x)
        return norm(f'{name}.bn', conv(f'{name}.conv2', x, padding=1, groups=len(x[0]))).relu()

    def block(name, x):
        streams = [norm(f'{name}.conv1.bn', conv(f'{name}.conv1.conv', x)).relu()] * 4
        total = 0
        for stream in range(4):
            for layer in range(stream + 1):
                part = f'conv2.{stream}.layers.{layer}' if variant == 'ain' else (
                    f'conv2{"abcd"[stream]}' + (f'.{layer}' if stream else ''))
                streams[stream] = light(f'{name}.{part}', streams[stream])
            gate = conv(f'{name}.gate.fc1', streams[stream].mean((2, 3), keepdim=True)).relu()
            total = total + streams[stream] * conv(f'{name}.gate.fc2', gate).sigmoid()
        residual = conv(f'{name}.conv3.conv', total)
        if f'{name}.conv3.bn.weight' in state:
            residual = norm(f'{name}.conv3.bn', residual)
        elif variant == 'ain':
            residual = norm(f'{name}.IN', residual)
        if f'{name}.downsample.conv.weight' in state:
            x = norm(f'{name}.downsample.bn', conv(f'{name}.downsample.conv', x))
        x = x + residual
        return (norm(f'{name}.IN', x) if variant == 'ibn' and f'{name}.IN.weight' in state else x).relu()

    x = norm('conv1.bn', conv('conv1.conv', x, stride=2, padding=3)).relu()
    x = F.max_pool2d(x, 3, 2, 1)
    for stage in (2, 3, 4):
        for index in (0, 1):
            x = block(f'conv{stage}.{index}', x)
        if stage < 4:
            half = f'pool{stage}.0' if variant == 'ain' else f'conv{stage}.2.0'
            x = F.avg_pool2d(norm(f'{half}.bn', conv(f'{half}.conv', x)).relu(), 2)
    return norm('conv5.bn', conv('conv5.conv', x)).relu()


@pytest.mark.parametrize(('width', 'variant', 'published'), [
    (1.0, 'plain', 2_169_508), (0.75, 'plain', 1_285_754), (0.5, 'plain', 630_034), (0.25, 'plain', 201_864),
    (1.0, 'ibn', 2_170_532), (1.0, 'ain', 2_169_508)])
def test_parameter_counts_are_those_published(width, variant, published):
    """T25."""
    net = OSNet(width, variant)
    parts = [*net.parameters(), *FCNeck(net.feat_dim, 512).parameters()]
    assert sum(value.numel() for value in parts) == published


def test_shape_of_map_and_feature():
    """T25."""
    torch.manual_seed(0)
    net, neck = OSNet(0.25), FCNeck(128)
    maps = net(torch.randn(2, 3, 256, 128))
    assert isinstance(maps, tuple)
    assert maps[-1].shape == (2, 128, 16, 8)
    feats = neck(maps[-1].mean((2, 3)))
    assert feats.shape == (2, 512)
    assert (feats >= 0).all()
    assert (feats > 0).any()


@pytest.mark.parametrize('variant', ['plain', 'ibn'])
def test_equals_the_step_by_step_network_with_the_published_names(variant):
    net = randomize(OSNet(0.25, variant))
    x = torch.randn(2, 3, 64, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = plain_osnet(net.state_dict(), x, variant)
    assert 0.2 < (expected > 0).double().mean() < 0.8
    torch.testing.assert_close(net(x)[-1], expected)


def test_neck_by_hand():
    neck = randomize(FCNeck(3, 2))
    x = torch.tensor([[1., 2., 3.], [-1., 0., 2.]], dtype=torch.float64)
    norm = neck.norm
    y = x @ neck.embedding.weight.T + neck.embedding.bias
    y = (y - norm.running_mean) / (norm.running_var + 1e-5).sqrt() * norm.weight + norm.bias
    torch.testing.assert_close(neck(x), y.clamp(min=0))


def test_neck_with_a_slope_below_zero():
    neck, plain = FCNeck(3, 2, activation='PReLU'), FCNeck(3, 2)
    plain.load_state_dict(neck.state_dict(), strict=False)
    neck.eval(), plain.eval()
    x = torch.randn(5, 3)
    below = neck.norm(neck.embedding(x)).clamp(max=0)
    torch.testing.assert_close(neck(x), plain(x) + 0.25 * below)


def test_gate_of_the_channels_context():
    """Averages of the channels, normalised within 16 groups of two."""
    gate = randomize(channel_gate(32, context=True))
    x = torch.randn(2, 32, 4, 3, dtype=torch.float64)
    y = gate(x)
    pairs = x.mean((2, 3)).view(2, 16, 2)
    pairs = (pairs - pairs.mean(2, keepdim=True)) / (pairs.var(2, correction=0, keepdim=True) + 1e-5).sqrt()
    expected = (pairs.view(2, 32) * gate.gn.weight + gate.gn.bias).sigmoid()
    torch.testing.assert_close(y[:, :, 0, 0], expected)


def test_variant_with_context_has_it_in_every_second_block():
    net = MODELS.build(dict(type='OSNet', width=0.5, variant='lct'))
    gates = [name for name, _ in net.named_modules() if name.endswith('gate.gn')]
    assert gates == ['conv2.1.gate.gn', 'conv3.1.gate.gn', 'conv4.1.gate.gn']
    # instance norm of the input: brightness and contrast of a picture do not count
    randomize(net)
    x = torch.randn(1, 3, 64, 32, dtype=torch.float64)
    torch.testing.assert_close(net(3 * x + 7)[-1], net(x)[-1], rtol=1e-4, atol=1e-4)


def test_weighted_pooling():
    pooling = WeightedPooling(3, map_size=(4, 2))
    x = torch.randn(2, 3, 4, 2)
    torch.testing.assert_close(pooling(x), x.mean((2, 3)))  # what it starts as
    randomize(pooling)
    weight, bias = pooling.conv.weight[:, 0], pooling.conv.bias
    torch.testing.assert_close(pooling(x.double()), (x.double() * weight).sum((2, 3)) + bias)
    with pytest.raises(ValueError, match=r'WeightedPooling takes maps of \(4, 2\) positions, got \(2, 4\)'):
        pooling(x.double().transpose(2, 3))


def test_every_parameter_learns():
    torch.manual_seed(0)
    for variant in ('plain', 'ibn', 'ain'):
        net = OSNet(0.25, variant)
        net.init_weights()
        net(torch.randn(2, 3, 64, 32))[-1].square().mean().backward()
        still = [name for name, value in net.named_parameters() if not value.grad.abs().sum() > 0]
        # of a gate with one inner unit that unit may be switched off
        assert all('gate.fc1' in name or 'gate.fc2.weight' in name for name in still), still


def test_batch_norms_can_be_split_and_the_instance_norms_stay():
    net = MODELS.build(dict(type='OSNet', width=0.25, variant='ibn'))
    before = net.state_dict().keys()
    split_batch_norms(net, num_splits=2)
    assert net.state_dict().keys() == before
    assert not [module for module in net.modules() if type(module) is nn.BatchNorm2d]
    assert net(torch.randn(4, 3, 64, 32))[-1].shape == (4, 128, 4, 2)


@pytest.mark.parametrize('settings', [dict(width=0.3), dict(variant='xyz')])
def test_unknown_settings(settings):
    with pytest.raises(ValueError, match=r'OSNet comes in the widths \[1.0, 0.75, 0.5, 0.25\] and the variants '
                                         r"\['plain', 'ibn', 'ain', 'lct'\], got"):
        OSNet(**settings)


def test_unknown_activation():
    with pytest.raises(ValueError, match="activation must be 'ReLU' or 'PReLU', got 'GELU'"):
        FCNeck(3, 2, activation='GELU')
