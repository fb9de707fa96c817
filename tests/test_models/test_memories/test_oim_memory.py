import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.memories import OIMMemory

LABELED_AND_NOT = torch.tensor([0, 2, 0, -1, -1, -1])
EMBEDS = torch.tensor([[.8, .6], [0, 1], [1, 0], [.6, -.8], [-1, 0], [0, -1]])


def small_memory(scale: float) -> OIMMemory:
    memory = OIMMemory(num_ids=3, queue_size=2, embed_dims=2, momentum=0.5, scale=scale)
    memory.lut.copy_(torch.tensor([[1., 0], [0, 1], [0, 0]]))
    memory.queue.copy_(torch.tensor([[.6, .8], [0, 0]]))
    memory.head.fill_(1)
    return memory


def sequential_update(lut, queue, head, embeds, pids, momentum):
    """The plain loop over rows that the references run."""
    lut, queue = lut.clone(), queue.clone()
    for x, y in zip(embeds, pids):
        if y >= 0:
            lut[y] = F.normalize(momentum * lut[y] + (1 - momentum) * x, dim=0)
        elif len(queue):
            queue[head] = x
            head = (head + 1) % len(queue)
    return lut, queue, head


@pytest.mark.parametrize(('scale', 'loss', 'first_gradient'), [
    (10., 3.983941, (-1.159033, 2.243245)),
    (30., 11.603566, (-3.967472, 7.934741)),
])
def test_loss_and_gradient_of_worked_example(scale, loss, first_gradient):
    memory, embeds = small_memory(scale), EMBEDS.clone().requires_grad_()
    value = memory.loss(embeds, LABELED_AND_NOT)
    value.backward()
    assert value.item() == pytest.approx(loss, abs=1e-5)
    torch.testing.assert_close(embeds.grad[0], torch.tensor(first_gradient), atol=1e-5, rtol=0)
    assert embeds.grad[3:].abs().max() == 0


def test_all_gradients_of_worked_example_at_scale_10():
    embeds = EMBEDS.clone().requires_grad_()
    small_memory(10.).loss(embeds, LABELED_AND_NOT).backward()
    torch.testing.assert_close(
        embeds.grad[:3], torch.tensor([[-1.159033, 2.243245], [.238511, 3.253474], [-.024424, .048105]]),
        atol=1e-5, rtol=0)


def test_update_of_worked_example():
    memory = small_memory(10.)
    memory.update(EMBEDS, LABELED_AND_NOT)
    torch.testing.assert_close(memory.lut, torch.tensor([[.987087, .160182], [0, 1], [0, 1]]), atol=1e-6, rtol=0)
    assert memory.queue.tolist() == [[-1, 0], [0, -1]]
    assert memory.head == 0


def test_update_depends_on_order():
    memory = small_memory(10.)
    memory.update(EMBEDS[[2, 1, 0]], LABELED_AND_NOT[[2, 1, 0]])
    torch.testing.assert_close(memory.lut[0], torch.tensor([.948683, .316228]), atol=1e-6, rtol=0)


@pytest.mark.parametrize('queue_size', [0, 1, 5, 100])
def test_update_equals_the_sequential_loop(queue_size):
    generator = torch.Generator().manual_seed(3)
    memory = OIMMemory(num_ids=7, queue_size=queue_size, embed_dims=8).double()
    memory.lut.copy_(F.normalize(torch.randn(7, 8, generator=generator, dtype=torch.double)))
    for _ in range(4):
        embeds = F.normalize(torch.randn(40, 8, generator=generator, dtype=torch.double))
        pids = torch.randint(-1, 7, (40, ), generator=generator)
        expected = sequential_update(memory.lut, memory.queue, int(memory.head), embeds, pids, 0.5)
        memory.update(embeds, pids)
        torch.testing.assert_close(memory.lut, expected[0], atol=3e-16, rtol=0)
        assert torch.equal(memory.queue, expected[1])
        assert int(memory.head) == expected[2]


def test_batch_without_labeled_person_has_zero_loss_and_gradient():
    embeds = EMBEDS.clone().requires_grad_()
    loss = small_memory(10.).loss(embeds, torch.full((6, ), -1))
    loss.backward()
    assert loss == 0
    assert embeds.grad.abs().max() == 0


def test_empty_batch():
    memory = small_memory(10.)
    before = {name: buffer.clone() for name, buffer in memory.named_buffers()}
    empty, none = torch.zeros(0, 2, requires_grad=True), torch.zeros(0, dtype=torch.long)
    assert memory.loss(empty, none) == 0
    memory.update(empty, none)
    assert all(torch.equal(buffer, before[name]) for name, buffer in memory.named_buffers())


@pytest.mark.parametrize(('num_ids', 'queue_size', 'loss'), [(5532, 5000, 9.262174), (482, 500, 6.889591)])
def test_cold_start(num_ids, queue_size, loss):
    memory = OIMMemory(num_ids, queue_size, embed_dims=4)
    assert memory.loss(F.normalize(torch.randn(3, 4)), torch.tensor([0, 1, -1])).item() == pytest.approx(loss, abs=1e-5)


def test_rows_of_the_queue_take_part_in_the_denominator():
    memory = OIMMemory(num_ids=3, queue_size=2, embed_dims=2, scale=10.)
    memory.lut.copy_(torch.tensor([[1., 0], [0, 1], [.6, .8]]))
    memory.queue.copy_(torch.tensor([[.8, .6], [-1, 0]]))
    x = torch.tensor([[.8, .6]])
    assert memory.loss(x, torch.tensor([0])).item() == pytest.approx(2.601016, abs=1e-5)
    rows = memory.loss(x.repeat(3, 1), torch.tensor([0, -1, 1]))
    assert rows.item() == pytest.approx(3.601016, abs=1e-5)


def test_empty_queue_equals_cross_entropy_over_ids_and_zeros():
    memory = OIMMemory(num_ids=5, queue_size=4, embed_dims=8)
    memory.lut.copy_(F.normalize(torch.randn(5, 8)))
    x, y = F.normalize(torch.randn(6, 8)), torch.tensor([0, 1, 2, 3, 4, 0])
    logits = torch.cat([30 * x @ memory.lut.T, torch.zeros(6, 4)], dim=1)
    torch.testing.assert_close(memory.loss(x, y), F.cross_entropy(logits, y))


def test_first_visit_stores_the_embedding_and_rows_stay_unit():
    memory = OIMMemory(num_ids=4, queue_size=3, embed_dims=8)
    x = F.normalize(torch.randn(1, 8))
    memory.update(x, torch.tensor([2]))
    torch.testing.assert_close(memory.lut[2:3], x)
    assert memory.lut[[0, 1, 3]].abs().max() == 0
    memory.update(F.normalize(torch.randn(9, 8)), torch.tensor([2, 2, 0, -1, -1, -1, -1, 1, 3]))
    torch.testing.assert_close(memory.lut.norm(dim=1), torch.ones(4))


def test_loss_and_backward_leave_the_memory_alone():
    memory = small_memory(10.)
    before = {name: buffer.clone() for name, buffer in memory.named_buffers()}
    memory.loss(EMBEDS.clone().requires_grad_(), LABELED_AND_NOT).backward()
    assert all(torch.equal(buffer, before[name]) for name, buffer in memory.named_buffers())


def test_state_survives_a_checkpoint():
    memory = small_memory(10.)
    memory.update(EMBEDS, LABELED_AND_NOT)
    copy = OIMMemory(num_ids=3, queue_size=2, embed_dims=2)
    copy.load_state_dict(memory.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(copy.buffers(), memory.buffers()))


def test_half_precision_embeddings_are_compared_in_fp32():
    memory = OIMMemory(num_ids=50, queue_size=10, embed_dims=16)
    x, y = F.normalize(torch.randn(8, 16)).bfloat16(), torch.arange(8)
    memory.update(x, y)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = memory.loss(x, y)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, memory.loss(x.float(), y))


@pytest.mark.parametrize(('embed', 'pids', 'message'), [
    (torch.zeros(2, 3), torch.zeros(2, dtype=torch.long), r'embed must have shape \(B, 2\)'),
    (torch.zeros(2, 2), torch.zeros(3, dtype=torch.long), r'and pids \(B,\), got \(2, 2\) and \(3,\)'),
    (torch.zeros(2, 2), torch.tensor([0, 3]), r'pids must lie in -1\.\.\.2, got 0\.\.\.3; set num_ids'),
    (torch.zeros(2, 2), torch.tensor([-2, 0]), r'pids must lie in -1\.\.\.2, got -2\.\.\.0'),
])
def test_bad_input_gets_one_clear_line(embed, pids, message):
    memory = small_memory(10.)
    with pytest.raises(ValueError, match=message):
        memory.loss(embed, pids)
    with pytest.raises(ValueError, match=message):
        memory.update(embed, pids)


@pytest.mark.parametrize(('embed', 'pids', 'message'), [
    (np.zeros((2, 2)), torch.zeros(2, dtype=torch.long), 'must be tensors, got ndarray and Tensor'),
    (torch.zeros(2, 2), [0, 1], 'must be tensors, got Tensor and list'),
    (torch.zeros(2, 2), torch.zeros(2), 'pids must be integers, got torch.float32'),
])
def test_wrong_types_get_one_clear_line(embed, pids, message):
    for method in (small_memory(10.).loss, small_memory(10.).update):
        with pytest.raises(TypeError, match=message):
            method(embed, pids)


def test_any_integer_type_of_ids():
    memory = small_memory(10.)
    assert memory.loss(EMBEDS, LABELED_AND_NOT.int()) == memory.loss(EMBEDS, LABELED_AND_NOT)
    memory.update(EMBEDS, LABELED_AND_NOT.int())


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_rows_that_are_not_finite_are_left_out(bad):
    memory, expected = small_memory(10.), small_memory(10.)
    embeds = EMBEDS.clone()
    embeds[[0, 4]] = bad
    memory.update(embeds, LABELED_AND_NOT)
    expected.update(EMBEDS[[1, 2, 3, 5]], LABELED_AND_NOT[[1, 2, 3, 5]])
    assert all(torch.equal(a, b) for a, b in zip(memory.buffers(), expected.buffers()))


@pytest.mark.parametrize(('kwargs', 'message'), [
    (dict(num_ids=1, queue_size=1, embed_dims=2, scale=0), 'scale must be positive, got 0'),
    (dict(num_ids=0, queue_size=1, embed_dims=2), 'num_ids >= 1'),
    (dict(num_ids=1, queue_size=-1, embed_dims=2), 'queue_size >= 0'),
    (dict(num_ids=1, queue_size=1, embed_dims=2, momentum=1.5), r'momentum must lie in \[0, 1\], got 1.5'),
])
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        OIMMemory(**kwargs)


def test_scale_of_oracle_is_the_inverse_temperature():
    memory = OIMMemory(num_ids=2, queue_size=0, embed_dims=2, scale=2.)
    memory.lut.copy_(torch.eye(2))
    expected = math.log(1 + math.exp(-2.))
    assert memory.loss(torch.tensor([[1., 0.]]), torch.tensor([0])).item() == pytest.approx(expected, abs=1e-6)
