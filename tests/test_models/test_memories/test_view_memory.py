"""Oracles: worked numbers, a loop over samples, and one process against two."""

import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.memories import ViewMemory
from tests.processes import run_on_processes
from tests.test_models.host_traffic import host_traffic

ROWS = torch.tensor([[1., 0.], [.8, .6], [0., 1.], [-1., 0.], [-.6, .8], [0., -1.]])
LABELS = torch.tensor([0, 0, 1, 1, -1, -1])
PHOTO, TURNED, FIRST = torch.tensor([[.96, .28]]), torch.tensor([[.6, .8]]), torch.tensor([0])


def small_memory(rows=ROWS, labels=LABELS, **kwargs) -> ViewMemory:
    memory = ViewMemory(embed_dims=rows.size(1), **kwargs)
    memory.reset(rows, labels)
    return memory


def draws_of(memory: ViewMemory, rows: torch.Tensor, seeds: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What the loss draws: positives (turned, photo)."""
    return memory.draw_positives(memory.labels == memory.labels[rows][:, None], seeds)


def seed_of(memory: ViewMemory, turned: int, photo: int) -> torch.Tensor:
    """A seed for which sample 0 has these positives."""
    for seed in range(100):
        drawn = draws_of(memory, FIRST, torch.tensor([seed]))
        if (int(drawn[0]), int(drawn[1])) == (turned, photo):
            return torch.tensor([seed])
    raise AssertionError('no such draw')


@pytest.mark.parametrize(('turned', 'photo', 'total'), [
    (0, 0, 3.028908), (1, 1, 2.620958), (1, 0, 2.596011), (0, 1, 3.053856),
])
def test_worked_example_with_negatives_of_the_turned_view(turned, photo, total):  # T28
    memory = small_memory(temperature=.5, negatives='generated', shared_positive=turned == photo)
    losses = memory.loss(PHOTO, FIRST, seed_of(memory, turned, photo), TURNED)
    assert losses['loss_turned'].item() == pytest.approx(1.153935, abs=1e-6)
    assert losses['loss_turned_positive'].item() == pytest.approx((1.153935, .721038)[turned], abs=1e-6)
    assert losses['loss_view'].item() == pytest.approx((.721038, .745986)[photo], abs=1e-6)
    assert sum(losses.values()).item() == pytest.approx(total, abs=2e-6)


def test_with_negatives_of_the_turned_view_nothing_repels_the_photo():  # T29
    memory = small_memory(temperature=.5, negatives='generated')
    photo = PHOTO.clone().requires_grad_()
    sum(memory.loss(photo, FIRST, seed_of(memory, 0, 0), TURNED).values()).backward()
    raw = torch.tensor([[-1.027505, 0.]])  # before the inner normalisation
    torch.testing.assert_close(photo.grad, raw - (raw * PHOTO).sum() * PHOTO, atol=1e-5, rtol=0)
    own = small_memory(temperature=.5)
    sum(own.loss(photo, FIRST, seed_of(own, 0, 0), TURNED).values()).backward()
    assert not torch.allclose(photo.grad, 2 * (raw - (raw * PHOTO).sum() * PHOTO))


def test_update_of_the_worked_examples():  # T26, T28
    memory = small_memory(torch.tensor([[.6, .8]]), torch.tensor([0]))
    memory.update(torch.tensor([[1., 0.]]), FIRST)
    torch.testing.assert_close(memory.embeds, torch.tensor([[.985211755, .171341175]]))
    memory = small_memory()
    memory.update(5 * PHOTO, FIRST)
    torch.testing.assert_close(memory.embeds[0], torch.tensor([.97425532, .22544751]))
    torch.testing.assert_close(memory.embeds[1:], ROWS[1:])
    for momentum, expected in ((1., ROWS[:1]), (0., PHOTO)):
        memory = small_memory(momentum=momentum)
        memory.update(PHOTO, FIRST)
        torch.testing.assert_close(memory.embeds[:1], expected)
        torch.testing.assert_close(memory.embeds.norm(dim=1), torch.ones(6))


def random_memory(num=60, dims=8, **kwargs) -> ViewMemory:
    generator = torch.Generator().manual_seed(0)
    return small_memory(torch.randn(num, dims, generator=generator),
                        torch.randint(-1, 6, (num, ), generator=generator), **kwargs)


def batch(memory: ViewMemory, num=10) -> tuple[torch.Tensor, ...]:
    """Photos, rows with a label, seeds, turned views."""
    generator = torch.Generator().manual_seed(1)
    rows = (memory.labels >= 0).nonzero().flatten()[:num]
    photo, turned = torch.randn(2, len(rows), 8, generator=generator)
    return photo, rows, torch.arange(len(rows)) * 31, turned


@pytest.mark.parametrize('negatives', ['own', 'generated'])
@pytest.mark.parametrize('num_negatives', [7, 8192])
def test_the_losses_are_those_of_a_loop_over_samples(negatives, num_negatives):
    memory = random_memory(negatives=negatives, num_negatives=num_negatives, shared_positive=False)
    photo, rows, seeds, turned = batch(memory)
    found = memory.loss(photo, rows, seeds, turned)
    for_turned, for_photo = draws_of(memory, rows, seeds)
    same = memory.labels == memory.labels[rows][:, None]
    drawn, keep = memory.draw_negatives(same, seeds)
    expected = dict.fromkeys(found, 0.)
    for i, row in enumerate(rows):
        f, g = F.normalize(photo[i], dim=0), F.normalize(turned[i], dim=0)
        others = memory.embeds[drawn[i][keep[i]]]
        for name, x, place, y in (('loss_view', f, for_photo[i], f if negatives == 'own' else g),
                                  ('loss_turned', g, row, g), ('loss_turned_positive', g, for_turned[i], g)):
            top = (x @ memory.embeds[place] / .04).double().exp()
            expected[name] -= (top / (top + (others @ y / .04).double().exp().sum())).log() / len(rows)
    for name, value in found.items():
        assert value.item() == pytest.approx(expected[name].item(), rel=1e-5)


def test_outliers_are_negatives_and_positives_have_the_anchors_label():  # T30
    memory = random_memory(num_negatives=20)
    _, rows, _, _ = batch(memory)
    same = memory.labels == memory.labels[rows][:, None]
    counts = torch.zeros(len(rows), 60)
    positives = torch.zeros(len(rows), 60)
    for seed in range(600):
        seeds = torch.arange(len(rows)) + 100 * seed
        drawn, keep = memory.draw_negatives(same, seeds)
        assert keep.all()
        assert (drawn.sort().values.diff() > 0).all()  # without replacement
        counts.scatter_add_(1, drawn, torch.ones(drawn.shape))
        positives.scatter_add_(1, memory.draw_positives(same, seeds)[0][:, None], torch.ones(len(rows), 1))
    assert (counts[same] == 0).all()
    assert (positives[~same] == 0).all()
    for sample in range(len(rows)):
        other = counts[sample][~same[sample]]
        expected = 600 * 20 / len(other)  # every row of another label, outliers too, equally often
        assert (other - expected).abs().max() < 5 * expected**.5
        own = positives[sample][same[sample]]
        assert (own - 600 / len(own)).abs().max() < 5 * (600 / len(own))**.5


def test_a_photo_with_few_rows_of_other_labels_takes_all_of_them():
    labels = torch.tensor([0] * 50 + [1] * 10)
    memory = random_memory(num_negatives=30)
    memory.set_labels(labels)
    drawn, keep = memory.draw_negatives(labels == labels[[0, 55]][:, None], torch.tensor([1, 2]))
    assert keep.sum(dim=1).tolist() == [10, 30]
    assert sorted(drawn[0][keep[0]].tolist()) == list(range(50, 60))


def test_without_views_the_photo_alone_is_contrasted():
    memory = random_memory()
    photo, rows, seeds, turned = batch(memory)
    alone = memory.loss(photo, rows, seeds)
    assert list(alone) == ['loss_view']
    torch.testing.assert_close(alone['loss_view'], memory.loss(photo, rows, seeds, turned)['loss_view'])


def step(rank: int, world_size: int) -> tuple[torch.Tensor, ...]:
    memory = random_memory(num_negatives=9)
    own = [part.chunk(world_size)[rank] for part in batch(memory)]
    photo = own[0].requires_grad_()
    loss = sum(memory.loss(photo, *own[1:]).values())
    loss.backward()
    memory.update(photo, own[1])
    return loss.detach(), photo.grad, memory.embeds


def test_two_processes_are_one():
    loss, grad, embeds = step(0, 1)
    parts = run_on_processes(step, 2)
    torch.testing.assert_close(sum(part[0] for part in parts) / 2, loss)
    torch.testing.assert_close(torch.cat([part[1] for part in parts]) / 2, grad)
    for part in parts:
        torch.testing.assert_close(part[2], embeds)


def test_nothing_waits_for_the_device():
    memory = random_memory(num_negatives=9).to('meta')
    photo, turned = (torch.zeros(4, 8, device='meta', requires_grad=True) for _ in range(2))
    ids = torch.zeros(4, dtype=torch.long, device='meta')
    with host_traffic() as counts:
        sum(memory.loss(photo, ids, ids, turned).values()).backward()
    assert not counts


def test_the_update_after_the_loss_does_not_change_its_gradient():
    memory = random_memory()
    photo, rows, seeds, turned = batch(memory)
    grads = []
    for update in (False, True):
        x = photo.clone().requires_grad_()
        loss = sum(memory.loss(x, rows, seeds, turned).values())
        if update:
            memory.update(photo, rows)
        loss.backward()
        grads.append(x.grad)
    assert torch.equal(*grads)


def test_state_survives_a_checkpoint_of_another_size():
    fresh = ViewMemory(2)
    fresh.load_state_dict(small_memory().state_dict())
    assert torch.equal(fresh.embeds, ROWS)
    assert torch.equal(fresh.labels, LABELS)


@pytest.mark.parametrize(('kwargs', 'text'), [
    (dict(temperature=0), 'temperature must be positive, got 0'), (dict(num_negatives=0), 'num_negatives must be >= 1'),
    (dict(negatives='both'), "negatives must be 'own' or 'generated', got 'both'"),
])
def test_settings_out_of_range_are_errors(kwargs, text):
    with pytest.raises(ValueError, match=text):
        ViewMemory(4, **kwargs)


def test_rows_and_labels_that_do_not_fit_are_errors():
    memory = small_memory()
    with pytest.raises(ValueError, match=r'rows must lie in 0\.\.\.5, got 6\.\.\.6'):
        memory.loss(PHOTO, torch.tensor([6]), FIRST)
    with pytest.raises(ValueError, match='labels must be -1'):
        memory.set_labels(torch.full((6, ), -2))
    with pytest.raises(ValueError, match='embeds must be finite and not zero, got 1'):
        memory.reset(torch.tensor([[0., 0.], [1., 0.]]))
