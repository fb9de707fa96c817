import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.layers import BNNeck
from pedsearch.registry import MODELS

ROWS = torch.tensor([[1., 10.], [2., 20.], [3., 60.]])


def test_t7():
    neck = MODELS.build(dict(type='BNNeck', in_channels=2))
    out = neck(ROWS)
    expected = torch.tensor([[-1.224736, -.925820], [0., -.462910], [1.224736, 1.388730]])
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(neck.norm.running_mean, torch.tensor([.2, 3.]))
    torch.testing.assert_close(neck.norm.running_var, torch.tensor([1., 70.9]))
    out.square().sum().backward()
    assert neck.norm.bias.grad is None
    assert neck.norm.bias.tolist() == [0, 0]
    assert neck.norm.weight.grad is not None
    row = neck.eval()(ROWS[:1])
    torch.testing.assert_close(row, torch.tensor([[.799996, .831333]]), atol=1e-5, rtol=0)
    torch.testing.assert_close(F.normalize(row), torch.tensor([[.693396, .720557]]), atol=1e-5, rtol=0)


def test_one_row_in_training_is_normalised_by_the_running_statistics():
    neck = BNNeck(2)
    neck(ROWS)
    state = {name: value.clone() for name, value in neck.state_dict().items()}
    trained = neck(ROWS[:1])
    torch.testing.assert_close(trained, neck.eval()(ROWS[:1]))
    assert all(torch.equal(value, state[name]) for name, value in neck.state_dict().items())


def test_embedding_before_the_norm():
    torch.manual_seed(0)
    neck = BNNeck(64, 512)
    assert neck.embedding.weight.std().item() == pytest.approx((2 / 512)**.5, rel=.02)  # Kaiming over the outputs
    assert not neck.embedding.bias.any()
    x = torch.randn(8, 64)
    torch.testing.assert_close(neck(x), F.batch_norm(x @ neck.embedding.weight.T, None, None, training=True))


@pytest.mark.parametrize('out_channels', [None, 3])
def test_half_precision_features_are_normalised_in_single_precision(out_channels):
    neck, x = BNNeck(4, out_channels), torch.randn(6, 4)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = neck(x.bfloat16())
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, neck(x), atol=.05, rtol=.05)
