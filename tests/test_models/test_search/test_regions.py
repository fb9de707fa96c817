import pytest
import torch

from pedsearch.models.search.regions import Candidates, RoISamples, split_by_image
from pedsearch.structures import BACKGROUND

BOXES = torch.tensor([[0., 0, 10, 10], [1, 0, 11, 10], [30, 0, 40, 10]])


def test_suppression_ranks_by_score():
    kept = Candidates(BOXES, torch.tensor([.6, .8, .9]), torch.eye(3)).suppress(.5)
    assert kept.scores.tolist() == pytest.approx([.9, .8])
    assert kept.embeds.tolist() == [[0, 0, 1], [0, 1, 0]]


def test_query_goes_first_into_the_suppression():
    found = Candidates(BOXES, torch.tensor([1., .9, .8]), torch.eye(3))
    assert found.around(torch.tensor([0., 0, 10, 10]), .5).tolist() == [2]
    assert found.around(torch.tensor([50., 0, 60, 10]), .5).tolist() == [0, 2]


def test_no_candidates():
    none = Candidates(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, 3))
    assert none.survivors(.5).tolist() == []
    assert none.around(torch.tensor([0., 0, 10, 10]), .5).tolist() == []


def test_rows_of_candidates_keep_their_regions():
    found = Candidates(BOXES, torch.tensor([.6, .8, .9]), torch.eye(3), BOXES + 1)
    chosen = found[torch.tensor([2, 0])]
    assert chosen.regions.tolist() == (BOXES + 1)[[2, 0]].tolist()
    assert Candidates(BOXES, torch.zeros(3), torch.eye(3))[:2].regions is None


def test_people_and_background_of_each_image():
    pids = torch.tensor([5, 7, BACKGROUND, BACKGROUND, 3, BACKGROUND])
    images = torch.tensor([0., 0, 0, 2, 3, 3])
    rois = torch.cat([images[:, None], torch.zeros(6, 4)], dim=1)
    samples = RoISamples(rois, pids, torch.zeros(6, 4), torch.zeros(6, dtype=torch.long), [2, 1, 0, 0, 0, 1, 1, 1])
    assert samples.people(pids).tolist() == pids[samples.is_person].tolist() == [5, 7, 3]
    assert samples.background(torch.arange(6)).tolist() == [2, 3, 5]
    assert samples.sample_inds.tolist() == [0, 0, 0, 2, 3, 3]


def test_split_by_image_keeps_empty_images():
    rois = torch.tensor([[0., 0, 0, 1, 1], [2, 0, 0, 1, 1], [2, 0, 0, 2, 2]])
    parts = split_by_image(rois, 4, torch.arange(3), torch.arange(3) * 10)
    assert [[part.tolist() for part in image] for image in parts] == [[[0], [0]], [[], []], [[1, 2], [10, 20]], [[], []]]
