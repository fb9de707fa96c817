"""Oracles: Python's own integers, and the statistics of uniform draws."""

import torch

from pedsearch.models.memories import random_keys


def mix(x: int) -> int:
    for factor in (0x21F0AAAD, 0x735A2D97):
        x = ((x ^ (x >> 16)) * factor) % 2**32
    return x ^ (x >> 15)


def test_keys_are_those_of_exact_integers():
    seeds, num, stream = [0, 1, 2**32 - 1, 2**40 + 5, 123456789], 7, 3
    keys = random_keys(torch.tensor(seeds), num, stream)
    expected = [[mix((mix(seed % 2**32) + mix((place + stream * 0x9E3779B9) % 2**32)) % 2**32) for place in range(num)]
                for seed in seeds]
    assert keys.tolist() == expected


def test_keys_of_a_seed_do_not_depend_on_the_others():
    seeds = torch.arange(100) * 7919
    together = random_keys(seeds, 30)
    assert torch.equal(together, torch.cat([random_keys(seed[None], 30) for seed in seeds]))
    assert torch.equal(together[:, :10], random_keys(seeds, 10))


def test_draws_are_uniform_and_streams_and_seeds_independent():
    seeds = torch.arange(4000)
    first, second = (random_keys(seeds, 20, stream) for stream in (1, 2))
    counts = torch.bincount(first.argmax(dim=1), minlength=20)
    assert (counts - 200).abs().max() < 5 * 200**.5
    pairs = torch.bincount(first.argmax(dim=1) * 20 + second.argmax(dim=1), minlength=400)
    assert ((pairs - 10.)**2 / 10).sum() < 400 + 5 * 800**.5  # chi-square of 400 cells
    unit = first.double() / 2**32
    assert abs(unit.mean() - .5) < .005
    assert abs(unit.std() - 12**-.5) < .005
    correlation = torch.corrcoef(unit.T)  # of places
    assert (correlation - torch.eye(20)).abs().max() < .08
    neighbours = torch.corrcoef(torch.stack([unit[:-1].flatten(), unit[1:].flatten()]))[0, 1]
    assert abs(neighbours) < .02
