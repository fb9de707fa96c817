"""Oracles: a plain list, and values counted by hand."""

import math

import pytest
import torch

from pedsearch.models.losses import info_nce
from pedsearch.models.memories import FeatureQueue
from tests.test_models.host_traffic import host_traffic


def payload(first: int, num: int) -> tuple[torch.Tensor, torch.Tensor]:
    numbers = torch.arange(first, first + num)
    return numbers[:, None].float().repeat(1, 2), numbers[:, None]


def test_batches_go_over_the_end():  # O10
    queue = FeatureQueue(2, 8, num_keys=1)
    places = []
    for step in range(3):
        queue.enqueue(*payload(3 * step, 3))
        places.append(int(queue.place))
    assert places == [3, 6, 1]
    assert queue.feats[:, 0].tolist() == queue.keys[:, 0].tolist() == [8, 1, 2, 3, 4, 5, 6, 7]
    assert queue.used().all()


@pytest.mark.parametrize('sizes', [(3, 3, 3), (5, 1, 7, 2), (20, 3), (8, 8)])
def test_rows_are_the_last_ones(sizes):
    queue, everything = FeatureQueue(2, 8, num_keys=1), []
    for size in sizes:
        queue.enqueue(*payload(len(everything), size))
        everything += range(len(everything), len(everything) + size)
        found = queue.keys[queue.used()].flatten().tolist()
        assert sorted(found) == everything[-8:]
        torch.testing.assert_close(queue.feats[queue.used()][:, 0].long(), torch.tensor(found))


def test_what_is_not_filled_repels_nothing():  # O9
    queue = FeatureQueue(2, 65536)
    q = torch.tensor([[1., 0]])
    assert info_nce(torch.zeros(1), q @ queue.feats.T, .1, queue.used()[None]).item() == 0
    queue.enqueue(torch.zeros(65536, 2))
    loss = info_nce(torch.zeros(1), q @ queue.feats.T, .1, queue.used()[None])
    assert loss.item() == pytest.approx(math.log(65537), abs=1e-5)


@pytest.mark.parametrize(('temperature', 'expected'), [(.1, .1272234553), (.2, .3266516650), (.07, .0558542021)])
def test_contrast_with_the_queue(temperature, expected):  # O8
    queue = FeatureQueue(2, 5)
    queue.enqueue(torch.tensor([[0., 1], [-1, 0], [.6, .8]]))
    q, k = torch.tensor([[1., 0]]), torch.tensor([[.8, .6]])
    loss = info_nce((q * k).sum(1), q @ queue.feats.T, temperature, queue.used()[None])
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_no_wait_for_the_device():
    queue = FeatureQueue(2, 8, num_keys=1).to('meta')
    feats, keys = (part.to('meta') for part in payload(0, 3))
    with host_traffic() as counts:
        queue.enqueue(feats, keys)
        queue.used()
    assert not counts


def test_state_is_whole():
    queue, again = FeatureQueue(2, 8, num_keys=1), FeatureQueue(2, 8, num_keys=1)
    queue.enqueue(*payload(0, 11))
    again.load_state_dict(queue.state_dict())
    for target in (queue, again):
        target.enqueue(*payload(11, 4))
    assert all(torch.equal(a, b) for a, b in zip(queue.state_dict().values(), again.state_dict().values()))


def test_bad_input():
    with pytest.raises(ValueError, match='length must be >= 1, got 0'):
        FeatureQueue(2, 0)
    with pytest.raises(ValueError, match=r'shapes \(B, 2\) and \(B, 1\), got \(3, 2\) and \(3, 0\)'):
        FeatureQueue(2, 8, num_keys=1).enqueue(torch.zeros(3, 2), torch.zeros(3, 0, dtype=torch.long))
