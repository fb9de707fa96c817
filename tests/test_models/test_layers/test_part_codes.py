"""Oracle: a loop over cells."""

import torch

from pedsearch.models.layers import part_codes


def test_codes_are_means_of_stripes():
    maps = torch.randn(2, 3, 16, 8, generator=torch.Generator().manual_seed(0))
    codes = part_codes(maps)
    assert codes.shape == (2, 3, 4)
    for part in range(4):
        torch.testing.assert_close(codes[..., part], maps[:, :, 4 * part:4 * part + 4].mean(dim=(2, 3)))
