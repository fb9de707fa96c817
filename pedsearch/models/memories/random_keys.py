"""Random numbers that depend on seeds alone: drawn on any device, by any number of processes, all at once.

Shape legend: B samples, N places.
"""

import torch
from torch import Tensor

_LOW = 0xFFFFFFFF
_FACTORS = 0x21F0AAAD, 0x735A2D97


def random_keys(seeds: Tensor, num: int, stream: int = 0) -> Tensor:
    """For every seed ``num`` numbers of 32 bits, each a hash of seed, place and stream.

    Places of the largest keys among candidates are a uniform draw without replacement, of whatever candidates: nothing
    has to be copied to the device and nobody waits for it.

    Args:
        seeds (Tensor): (B,) int64; the lowest 32 bits count.
        num (int): N.
        stream (int): other streams give independent numbers. Default: 0.

    Returns:
        Tensor: (B, N) int64 in [0, 2^32).

    Source: own; the mixing steps are those of integer finalisers (xor with a shifted copy, odd factor).

    Example:
        >>> seeds = torch.tensor([7, 8])
        >>> torch.equal(random_keys(seeds, 5)[1:], random_keys(seeds[1:], 5))
        True
    """
    places = torch.arange(num, device=seeds.device) + stream * 0x9E3779B9
    return _mix(_mix(seeds & _LOW)[:, None] + _mix(places & _LOW))


def _mix(x: Tensor) -> Tensor:
    """Scramble 32-bit numbers held in int64; products stay below 2^63."""
    x = x & _LOW
    for factor in _FACTORS:
        x = ((x ^ (x >> 16)) * factor) & _LOW
    return x ^ (x >> 15)
