"""Convolutions with mirrored borders, as all networks of the generator have them.

Shape legend: B samples, C channels, h x w size of a map.
"""

from torch import Tensor, nn

SLOPE = 0.2  # of every leaky ReLU


def conv_block(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, dilation: int = 1,
               norm: type[nn.Module] = nn.Identity, activation: bool = True) -> nn.Sequential:
    """Mirrored border, convolution, norm, leaky ReLU; (B, in, h, w) -> (B, out, ceil(h / stride), ceil(w / stride)).

    Args:
        in_channels, out_channels, kernel_size, stride, dilation: of the convolution; kernels are odd. The border of
            ``dilation * (kernel_size // 2)`` pixels must be narrower than the map.
        norm: called with ``out_channels``.
        activation: False: no leaky ReLU.
    """
    padding = dilation * (kernel_size // 2)
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation,
                     padding_mode='reflect' if padding else 'zeros')
    return nn.Sequential(conv, norm(out_channels), nn.LeakyReLU(SLOPE, inplace=True) if activation else nn.Identity())


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, without an activation after the sum; (B, C, h, w) -> the same shape.

    Args:
        channels: C.
        norm: of both convolutions, called with ``channels``.
    """

    def __init__(self, channels: int, norm: type[nn.Module] = nn.Identity) -> None:
        super().__init__()
        self.convs = nn.Sequential(conv_block(channels, channels, 3, norm=norm),
                                   conv_block(channels, channels, 3, norm=norm, activation=False))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.convs(x)
