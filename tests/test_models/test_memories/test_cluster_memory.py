"""Oracles: worked numbers, a loop over the samples, and one process against two."""

import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.memories import ClusterMemory
from pedsearch.models.memories.cluster_memory import cluster_means, cluster_sums, least_similar
from tests.processes import run_on_processes
from tests.test_models.host_traffic import host_traffic

FEATS = torch.tensor([[4., 3.], [3., 4.], [5., 1.], [-1., 5.]])
LABELS = torch.tensor([0, 0, 0, 1])


def small_memory(**kwargs) -> ClusterMemory:
    memory = ClusterMemory(embed_dims=2, **kwargs)
    memory.reset(torch.tensor([[1., 0.], [0., 1.], [-1., 1.]]))
    return memory


def rows(*values: tuple) -> torch.Tensor:
    return torch.tensor(values)


def test_loss_and_gradient_of_the_worked_example():
    feats = FEATS.clone().requires_grad_()
    loss = small_memory().loss(feats, LABELS)
    loss.backward()
    assert loss.item() == pytest.approx(1.021576, abs=1e-5)
    expected = rows((-.015108, .020145), (-1.099856, .824892), (0., 0.), (-.035210, -.007042))
    torch.testing.assert_close(feats.grad, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close((feats.grad * FEATS).sum(dim=1), torch.zeros(4), atol=1e-5, rtol=0)


@pytest.mark.parametrize(('order', 'hard', 'slot'), [
    ([0, 1, 2, 3], False, (.965631, .259916)),
    ([2, 1, 0, 3], False, (.787056, .616881)),
    ([0, 1, 2, 3], True, (.664364, .747409)),
    ([2, 1, 0, 3], True, (.664364, .747409)),
])
def test_update_of_the_worked_example(order, hard, slot):
    memory = small_memory(hard=hard)
    memory.update(FEATS[order], LABELS[order])
    expected = rows(slot, (-.176814, .984244), (-.5**.5, .5**.5))
    torch.testing.assert_close(memory.centroids, expected, atol=1e-5, rtol=0)


def plain_update(centroids: torch.Tensor, embed: torch.Tensor, labels: list, momentum: float, hard: bool) -> None:
    if hard:
        old = centroids.clone()
        chosen = [min((i for i, y in enumerate(labels) if y == label), key=lambda i: float(embed[i] @ old[label]))
                  for label in sorted(set(labels) - {-1})]
    else:
        chosen = [i for i, label in enumerate(labels) if label >= 0]
    for i in chosen:
        mixed = momentum * centroids[labels[i]] + (1 - momentum) * embed[i]
        centroids[labels[i]] = mixed / mixed.norm()


def random_batch(seed: int = 0, size: int = 32) -> tuple:
    generator = torch.Generator().manual_seed(seed)
    feats = torch.randn(size, 6, generator=generator)
    labels = torch.randint(-1, 5, (size, ), generator=generator)
    return torch.randn(5, 6, generator=generator), feats, labels


@pytest.mark.parametrize('hard', [False, True])
def test_update_equals_a_loop(hard):
    centroids, feats, labels = random_batch()
    memory = ClusterMemory(6, momentum=.3, hard=hard)
    memory.reset(centroids)
    expected = F.normalize(centroids, dim=1)
    plain_update(expected, F.normalize(feats, dim=1), labels.tolist(), .3, hard)
    memory.update(feats, labels)
    torch.testing.assert_close(memory.centroids, expected)


def test_outliers_have_no_part_in_loss_and_update():
    centroids, feats, labels = random_batch()
    memory, other = ClusterMemory(6), ClusterMemory(6)
    for one in (memory, other):
        one.reset(centroids)
    kept = labels >= 0
    assert memory.loss(feats, labels) == other.loss(feats[kept], labels[kept])
    memory.update(feats, labels)
    other.update(feats[kept], labels[kept])
    assert torch.equal(memory.centroids, other.centroids)
    assert memory.loss(feats, torch.full_like(labels, -1)) == 0


def test_rows_that_are_not_finite_are_left_out():
    memory, other = small_memory(), small_memory()
    feats = FEATS.clone()
    feats[1] = float('nan')
    memory.update(feats, LABELS)
    other.update(FEATS[[0, 2, 3]], LABELS[[0, 2, 3]])
    assert torch.equal(memory.centroids, other.centroids)


def test_equal_similarity_to_500_clusters():
    memory = ClusterMemory(embed_dims=501)
    memory.reset(torch.eye(501)[:500])
    assert memory.loss(torch.eye(501)[500:], torch.tensor([7])).item() == pytest.approx(6.214608, abs=1e-5)


def test_centroid_of_the_worked_example():
    means = cluster_means(rows((1., 0.), (.6, .8), (.8, .6), (0., 1.)), torch.tensor([0, 0, 0, -1]))
    torch.testing.assert_close(means, rows((.8, .466667)), atol=1e-5, rtol=0)
    memory = ClusterMemory(2)
    memory.reset(means)
    torch.testing.assert_close(memory.centroids, rows((.863779, .503871)), atol=1e-5, rtol=0)


def test_means_of_labels_with_a_gap():
    means = cluster_means(torch.eye(3), torch.tensor([2, 0, 2]))
    assert means.tolist() == [[0, 1, 0], [0, 0, 0], [.5, 0, .5]]
    with pytest.raises(ValueError, match='not zero, got 1 that are not, first: 1; number clusters without gaps'):
        ClusterMemory(3).reset(means)


def test_least_similar_takes_the_first_of_equal_ones():
    sims, labels = torch.tensor([.5, .2, .2, .9, .1]), torch.tensor([1, 1, 1, 0, 2])
    assert least_similar(sims, labels).tolist() == [3, 1, 4]
    assert least_similar(sims[:0], labels[:0]).tolist() == []


def test_the_gradient_comes_from_the_memory_before_the_update():
    memory, feats = small_memory(), FEATS.clone().requires_grad_()
    loss = memory.loss(feats, LABELS)
    memory.update(feats, LABELS)
    loss.backward()
    assert feats.grad[1, 0].item() == pytest.approx(-1.099856, abs=1e-5)


def test_state_survives_a_checkpoint_of_another_size():
    memory, fresh = small_memory(), ClusterMemory(2)
    fresh.load_state_dict(memory.state_dict())
    assert torch.equal(fresh.centroids, memory.centroids)
    with pytest.raises(RuntimeError, match='size mismatch'):
        ClusterMemory(3).load_state_dict(memory.state_dict())


def test_autocast_computes_in_single_precision():
    centroids, feats, labels = random_batch()
    memory = ClusterMemory(6)
    memory.reset(centroids)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert memory.loss(feats, labels) == memory.loss(feats, labels)
        inside = memory.loss(feats, labels)
    assert inside.dtype == torch.float32
    assert inside == memory.loss(feats, labels)


def update_a_chunk(rank: int, world_size: int, hard: bool) -> dict:
    centroids, feats, labels = random_batch()
    memory = ClusterMemory(6, momentum=.3, hard=hard)
    memory.reset(centroids)
    bounds = [0, 11, 32]  # unequal chunks
    feats, labels = feats[bounds[rank]:bounds[rank + 1]].requires_grad_(), labels[bounds[rank]:bounds[rank + 1]]
    loss = memory.loss(feats, labels)
    loss.backward()
    memory.update(feats, labels)
    return dict(loss=loss.detach(), grad=feats.grad, centroids=memory.centroids)


@pytest.mark.parametrize('hard', [False, True])
def test_two_processes_are_one(hard):
    centroids, feats, labels = random_batch()
    memory, feats = ClusterMemory(6, momentum=.3, hard=hard), feats.requires_grad_()
    memory.reset(centroids)
    loss = memory.loss(feats, labels)
    loss.backward()
    memory.update(feats, labels)
    parts = run_on_processes(update_a_chunk, 2, hard)
    torch.testing.assert_close((parts[0]['loss'] + parts[1]['loss']) / 2, loss.detach())
    torch.testing.assert_close(torch.cat([part['grad'] for part in parts]) / 2, feats.grad)
    for part in parts:
        assert torch.equal(part['centroids'], memory.centroids)


@pytest.mark.parametrize(('embed', 'labels', 'message'), [
    (torch.ones(2, 3), torch.tensor([0, 1]), r'embed must have shape \(B, 2\) and labels \(B,\), got \(2, 3\)'),
    (torch.ones(2, 2), torch.tensor([0, 1, 1]), r'got \(2, 2\) and \(3,\)'),
    (torch.ones(2, 2), torch.tensor([0, 3]), r'labels must lie in -1...2, got 0...3; reset the memory'),
    (torch.ones(2, 2), torch.tensor([0, -2]), r'labels must lie in -1...2, got -2...0'),
])
def test_input_that_does_not_fit(embed, labels, message):
    for method in (small_memory().loss, small_memory().update):
        with pytest.raises(ValueError, match=message):
            method(embed, labels)


@pytest.mark.parametrize(('embed', 'labels', 'message'), [
    (torch.ones(2, 2), torch.tensor([0., 1.]), 'labels must be integers, got torch.float32'),
    (torch.ones(2, 2), torch.tensor([True, False]), 'labels must be integers, got torch.bool'),
    ([[1., 0.]], torch.tensor([0]), 'embed and labels must be tensors, got list and Tensor'),
])
def test_wrong_types(embed, labels, message):
    with pytest.raises(TypeError, match=message):
        small_memory().loss(embed, labels)


def test_without_reset():
    with pytest.raises(ValueError, match='no centroids yet; call reset'):
        ClusterMemory(2).loss(FEATS, LABELS)


@pytest.mark.parametrize(('kwargs', 'message'), [
    (dict(embed_dims=0), 'ClusterMemory needs embed_dims >= 1, got 0'),
    (dict(embed_dims=2, temperature=0), 'temperature must be positive, got 0'),
    (dict(embed_dims=2, momentum=-.1), r'momentum must lie in \[0, 1\], got -0.1'),
])
def test_bad_settings(kwargs, message):
    with pytest.raises(ValueError, match=message):
        ClusterMemory(**kwargs)


@pytest.mark.parametrize(('centroids', 'message'), [
    (torch.ones(2, 3), r'centroids must have shape \(C, 2\), got \(2, 3\)'),
    (torch.tensor([[1., 0.], [float('nan'), 0.]]), 'got 1 that are not, first: 1'),
])
def test_bad_centroids(centroids, message):
    with pytest.raises(ValueError, match=message):
        ClusterMemory(2).reset(centroids)


def test_sums_and_sizes_where_a_sample_and_a_number_have_no_cluster():
    sums, sizes = cluster_sums(FEATS, torch.tensor([2, -1, 2, 0]), 4)
    assert torch.equal(sums, torch.stack([FEATS[3], torch.zeros(2), FEATS[0] + FEATS[2], torch.zeros(2)]))
    assert sizes.tolist() == [1, 0, 2, 0]


def test_nothing_in_the_loss_waits_for_the_device():
    memory, embed = small_memory().to('meta'), torch.zeros(2, 2, device='meta', requires_grad=True)
    labels = torch.zeros(2, dtype=torch.long, device='meta')
    with host_traffic() as counts:
        memory.loss(embed, labels).backward()
    assert not counts
