import pytest
import torch
from torch import nn

from pedsearch.models.gan.conv_blocks import ResidualBlock, conv_block

from .plain_layers import instance_norm, leaky, mirrored_conv


@pytest.mark.parametrize(('kernel_size', 'stride', 'dilation'), [(1, 1, 1), (3, 1, 1), (3, 2, 1), (5, 1, 1), (3, 1, 4)])
@pytest.mark.parametrize('activation', [True, False])
def test_layers_in_order(kernel_size, stride, dilation, activation):
    x, block = torch.randn(2, 3, 9, 7), conv_block(3, 4, kernel_size, stride, dilation, nn.InstanceNorm2d, activation)
    expected = instance_norm(mirrored_conv(x, *block.parameters(), stride, dilation))
    torch.testing.assert_close(block(x), leaky(expected) if activation else expected)
    assert block(x).shape == (2, 4, -(-9 // stride), -(-7 // stride))


def test_no_activation_after_the_sum_and_the_input_left_alone():
    x, block = torch.randn(2, 3, 5, 4), ResidualBlock(3)
    before = x.clone()
    w1, b1, w2, b2 = block.parameters()
    torch.testing.assert_close(block(x), x + mirrored_conv(leaky(mirrored_conv(x, w1, b1)), w2, b2))
    assert torch.equal(x, before)
