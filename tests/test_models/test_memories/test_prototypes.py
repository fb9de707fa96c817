"""Oracles: worked numbers and cosines."""

import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.memories import Prototypes

CENTRES, FEAT = torch.tensor([[1., 0.], [0., 1.], [-.6, -.8]]), torch.tensor([[3., 4.]])


def test_raw_logits_are_dot_products():  # T33
    prototypes = Prototypes(2, logits='raw')
    prototypes.reset(CENTRES)
    assert prototypes(FEAT).tolist() == [pytest.approx([3, 4, -5])]
    assert F.cross_entropy(prototypes(FEAT), torch.tensor([1])).item() == pytest.approx(.313352, abs=1e-6)
    soft = F.cross_entropy(prototypes(FEAT), torch.tensor([[.3, .7, 0.]]))
    assert soft.item() == pytest.approx(.613352, abs=1e-6)


def test_cosine_logits_do_not_depend_on_lengths():
    prototypes = Prototypes(2, temperature=.5)
    prototypes.reset(CENTRES * torch.tensor([[1.], [.2], [3.]]))
    torch.testing.assert_close(prototypes(7 * FEAT), torch.tensor([[1.2, 1.6, -2.]]))


def test_no_centres_and_wrong_shapes_are_errors():
    prototypes = Prototypes(2)
    with pytest.raises(ValueError, match='no prototypes yet'):
        prototypes(FEAT)
    with pytest.raises(ValueError, match=r'centroids must have shape \(K, 2\), K >= 1, got \(0, 2\)'):
        prototypes.reset(torch.zeros(0, 2))
    with pytest.raises(ValueError, match="logits must be 'cosine' or 'raw', got 'dot'"):
        Prototypes(2, logits='dot')


def test_state_survives_a_checkpoint_of_another_size():
    filled, fresh = Prototypes(2), Prototypes(2)
    filled.reset(CENTRES)
    fresh.load_state_dict(filled.state_dict())
    assert torch.equal(fresh.centroids, CENTRES)
