import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.reid import SpCLHead

DIMS = 4


def filled_head(num_source: int = 5) -> tuple[SpCLHead, torch.Tensor]:
    """Source images of identities 0, 1, 1, 0, 2, then six target images."""
    head = SpCLHead(DIMS)
    feats = F.normalize(torch.randn(num_source + 6, DIMS, generator=torch.Generator().manual_seed(0)), dim=1)
    head.init_memory(feats, torch.tensor([0, 1, 1, 0, 2])[:num_source])
    return head, feats


def samples(*pairs: tuple) -> list[dict]:
    """Of (sample_idx, label)."""
    from pedsearch.structures import ReIDDataSample
    return [ReIDDataSample(metainfo=dict(sample_idx=index, label=label)) for index, label in pairs]


def test_rows_are_source_centroids_and_target_images():
    head, feats = filled_head()
    means = torch.stack([feats[[0, 3]].mean(dim=0), feats[[1, 2]].mean(dim=0), feats[4]])
    torch.testing.assert_close(head.memory.embeds, torch.cat([F.normalize(means, dim=1), feats[5:]]))
    torch.testing.assert_close(head.memory_feats(), feats[5:])
    head.reset_memory(feats[5:], torch.tensor([0, 0, 1, 2, 1, 3]))
    assert head.memory.labels.tolist() == [0, 1, 2, 3, 3, 4, 5, 4, 6]


def test_losses_of_both_domains_and_one_update():
    head, feats = filled_head()
    head.reset_memory(feats[5:], torch.tensor([0, 0, 1, 2, 1, 3]))
    batch = samples((1, 1), (4, 2), (7, 1), (5, 0))  # two of each domain
    x = torch.randn(4, DIMS, generator=torch.Generator().manual_seed(1))
    losses = head.loss(x, x, batch)
    rows = torch.tensor([1, 2, 3 + 2, 3 + 0])
    torch.testing.assert_close(losses['loss_source'], head.memory.loss(x[:2], rows[:2]))
    torch.testing.assert_close(losses['loss_target'], head.memory.loss(x[2:], rows[2:]))
    before = head.memory.embeds.clone()
    head.update_memory()
    expected = before.clone()
    expected[rows] = F.normalize(.2 * before[rows] + .8 * F.normalize(x, dim=1), dim=1)
    torch.testing.assert_close(head.memory.embeds, expected)


def test_without_source_domain():
    head, feats = filled_head(num_source=0)
    head.reset_memory(feats, torch.tensor([0, 0, 1, 2, 1, 3]))
    x = torch.randn(2, DIMS)
    losses = head.loss(x, x, samples((2, 1), (5, 3)))
    assert losses.keys() == {'loss_target'}
    torch.testing.assert_close(losses['loss_target'], head.memory.loss(x, torch.tensor([2, 5])))


def test_state_is_complete():
    head, feats = filled_head()
    head.reset_memory(feats[5:], torch.tensor([0, 0, 1, 2, 1, 3]))
    other = SpCLHead(DIMS)
    other.load_state_dict(head.state_dict())
    batch, x = samples((1, 1), (8, 2)), torch.randn(2, DIMS)
    assert {name: float(loss) for name, loss in other.loss(x, x, batch).items()} == \
        {name: float(loss) for name, loss in head.loss(x, x, batch).items()}


def test_outliers_must_be_classes_of_their_own():
    head, feats = filled_head(num_source=0)
    with pytest.raises(ValueError, match='labels must be >= 0, got -1; make outliers classes of their own'):
        head.reset_memory(feats, torch.tensor([0, 0, 1, -1, 1, 3]))
