"""The layers of the networks written out, to compare with."""

import torch
import torch.nn.functional as F


def mirrored_conv(x, weight, bias, stride=1, dilation=1):
    border = dilation * (weight.size(-1) // 2)
    return F.conv2d(F.pad(x, (border,) * 4, mode='reflect'), weight, bias, stride, dilation=dilation)


def instance_norm(x):
    mean, var = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, unbiased=False)
    return (x - mean) / (var + 1e-5).sqrt()


def leaky(x):
    return torch.where(x > 0, x, 0.2 * x)


def num_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())
