import numpy as np
import pytest
import torch

from pedsearch.functional.detection_table import DetectionTable, sorted_ids

BOX = [0, 0, 50, 150]
NAN = float('nan')


def entry(*scores, dims=2):
    """Detections whose box and embedding tell their place in the entry."""
    places = np.arange(len(scores), dtype=np.float64)[:, None]
    return places + [0, 0, 10, 20], np.array(scores), np.repeat(places, dims, axis=1)


def random_detections(seed, num_images=12):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 5, num_images)
    return {img_id: entry(*rng.integers(0, 5, count) / 4)
            for img_id, count in zip(rng.permutation(100)[:num_images].tolist(), counts)}


def test_by_hand():
    """Images by id, detections by falling score; a score equal to the threshold stays, equal scores keep their order."""
    table = DetectionTable.build({7: entry(.5, .9, .49), 2: ([], [], []), 4: entry(.6, .8, .8, 1.)}, .5, extra_img_ids=[3, 7])
    assert table.img_ids == [2, 3, 4, 7]
    assert table.row_of == {2: 0, 3: 1, 4: 2, 7: 3}
    assert table.starts.tolist() == [0, 0, 0, 4, 6]
    assert table.images.tolist() == [2, 2, 2, 2, 3, 3]
    assert table.scores.tolist() == [1, .8, .8, .6, .9, .5]
    assert table.embeds[:, 0].tolist() == [3, 1, 2, 0, 1, 0]
    assert table.bboxes[:, 2].tolist() == [13, 11, 12, 10, 11, 10]


@pytest.mark.parametrize('score_thr', [0, .5, .9])
def test_equals_the_plain_loop(score_thr):
    for seed in range(10):
        detections = random_detections(seed)
        table = DetectionTable.build(detections, score_thr)
        starts, rows = [0], []
        for number, img_id in enumerate(sorted(detections)):
            bboxes, scores, embeds = detections[img_id]
            places = sorted((place for place in range(len(scores)) if scores[place] >= score_thr), key=lambda i: -scores[i])
            rows += [(number, *bboxes[place], scores[place], *embeds[place]) for place in places]
            starts.append(len(rows))
        assert table.starts.tolist() == starts
        found = np.column_stack([table.images, table.bboxes, table.scores, table.embeds])
        np.testing.assert_array_equal(found, np.array(rows).reshape(-1, 8))


def test_order_of_the_images():
    detections = random_detections(0)
    first, second = (DetectionTable.build({img_id: detections[img_id] for img_id in order}, .3)
                     for order in (list(detections), list(detections)[::-1]))
    assert first.img_ids == second.img_ids
    for name in ('starts', 'images', 'bboxes', 'scores', 'embeds'):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@pytest.mark.parametrize('rows', [[], [3], [5, 0, 5, 11, 2, 2, 2], list(range(12)), list(range(12))[::-1]], ids=str)
def test_detections_of_equals_the_plain_loop(rows):
    for seed in range(5):
        table = DetectionTable.build(random_detections(seed), .5)
        expected = [(det, place) for place, row in enumerate(rows) for det, image in enumerate(table.images) if image == row]
        dets, owners = table.detections_of(np.array(rows, dtype=np.int64))
        assert list(zip(dets.tolist(), owners.tolist())) == expected


@pytest.mark.parametrize(('given', 'kept'), [
    (np.float16, np.float32), (np.float32, np.float32), (np.float64, np.float64), (torch.bfloat16, np.float32)], ids=str)
def test_precision_of_embeds(given, kept):
    bboxes, scores, embeds = entry(.9, .8)
    embeds = torch.tensor(embeds).to(given) if isinstance(given, torch.dtype) else embeds.astype(given)
    table = DetectionTable.build({0: (bboxes.astype(np.float32), scores.astype(np.float16), embeds)}, .5)
    assert table.embeds.dtype == kept
    assert table.bboxes.dtype == table.scores.dtype == np.float64
    assert table.embeds.tolist() == [[0, 0], [1, 1]]


def test_embeds_that_nobody_asked_for_are_not_looked_at():
    bboxes, scores, embeds = entry(.9, .8)
    table = DetectionTable.build({0: (bboxes, scores), 1: (bboxes, scores, embeds * NAN), 2: (bboxes, scores, 'none')}, .5,
                                 with_embeds=False)
    assert table.embeds is None
    assert table.images.tolist() == [0, 0, 1, 1, 2, 2]


def test_images_without_people():
    """Empty arrays of any shape are no detection, and do not decide on the length of embeddings."""
    table = DetectionTable.build({0: ([], [], []), 1: (np.zeros((0, 4)), np.zeros(0), np.zeros((0, 7))), 2: entry(.9)}, .5)
    assert table.starts.tolist() == [0, 0, 0, 1]
    assert table.embeds.shape == (1, 2)
    nothing = DetectionTable.build({0: ([], [], [])}, .5)
    assert nothing.bboxes.shape == (0, 4)
    assert nothing.embeds.shape == (0, 0)
    assert nothing.starts.tolist() == [0, 0]


def test_scores_may_round_beyond_one():
    assert DetectionTable.build({0: ([BOX, BOX], [1.00005, -.00005], [[1], [1]])}, -1).scores.tolist() == [1.00005, -.00005]
    with pytest.raises(ValueError, match=r'must be in \[0, 1\], got -0.001; pass probabilities, not logits'):
        DetectionTable.build({0: ([BOX], [-.001], [[1]])}, .5)


def test_ids_are_sorted_by_themselves_alone():
    assert sorted_ids({10, 9, 1}) == [1, 9, 10]
    assert sorted_ids(iter(['b', 'a'])) == ['a', 'b']
    mixed = [2, 'b', (1, 2), 'a', 1]
    assert sorted_ids(mixed) == sorted_ids(mixed[::-1]) == [1, 2, 'a', 'b', (1, 2)]


@pytest.mark.parametrize(('detections', 'error', 'text'), [
    ({}, ValueError, 'detections must hold at least one image, got an empty dict; give images without'),
    ([1], TypeError, 'detections must be a dict img_id -> .* got list'),
    ({'I': entry(.5), 'J': ([BOX], [.9], [[NAN, 0]])}, ValueError,
     "embeds must be finite, got NaN or infinity in image 'J'; look for"),
    ({'I': ([[0, 0, NAN, 1]], [1.], [[1, 0]])}, ValueError, "detection of image 'I' must be finite"),
    ({'I': ([[9, 0, 5, 1]], [1.], [[1, 0]])}, ValueError, "of image 'I' must be .* x1 <= x2"),
    ({'I': ([[0, 0, 5, 1, 1]], [1.], [[1, 0]])}, ValueError, r"\['I'\] bboxes must have shape \(n, 4\)"),
    ({'I': entry(.5), 'J': ([[0, 0, 5, 1]], [7.5], [[1, 0]])}, ValueError,
     r"score of a detection of image 'J' must be in \[0, 1\], got 7.5; pass prob"),
    ({'I': ([[0, 0, 5, 1]], [NAN], [[1, 0]])}, ValueError, r'must be in \[0, 1\], got nan'),
    ({'I': ([[0, 0, 5, 1]], [.9, .8], [[1, 0]])}, ValueError, 'one score per box, got scores'),
    ({'I': ([[0, 0, 5, 1]], [.9], [[1, 0], [1, 0]])}, ValueError, 'one embedding row per box'),
    ({'I': ([[0, 0, 5, 1]], [.9], [1])}, ValueError, r'one embedding row per box, got embeds \(1,\) for 1 boxes'),
    ({'I': ([[0, 0, 5, 1]], [.9])}, TypeError, r"detections\['I'\] must be a tuple .* got tuple of 2"),
    ({'I': None}, TypeError, r"detections\['I'\] must be a tuple .* got NoneType"),
    ({'I': ([[0, 0, 5, 1]], ['high'], [[1, 0]])}, TypeError, 'scores must be an array of numbers'),
    ({'I': entry(.5), 'J': entry(.9, dims=3)}, ValueError, "same length .* 3 in image 'J' and 2 in image 'I'"),
])
def test_bad_detections(detections, error, text):
    with pytest.raises(error, match=text):
        DetectionTable.build(detections, .5)


@pytest.mark.parametrize('score_thr', ['0.5', None, True, NAN])
def test_bad_threshold(score_thr):
    with pytest.raises(ValueError, match=f'score_thr must be a number, got {score_thr!r}'):
        DetectionTable.build({'I': entry(.5)}, score_thr)
