import torch

from pedsearch.models.layers import global_max_pool


def test_global_max_pool():
    x = torch.randn(3, 4, 5, 6)
    assert torch.equal(global_max_pool(x), x.amax(dim=(2, 3)))
