"""Oracle: average precision written out."""

import numpy as np
import pytest

from pedsearch.evaluation import evaluate_sentence_search

BOX, OTHER = [0., 0, 10, 30], [50., 0, 60, 30]


def test_the_described_person_counts_in_every_image():
    """Sentence 0 ranks: image 1 wrong, image 0 right, image 2 right; a box of low confidence is not ranked."""
    detections = {
        0: (np.array([BOX]), np.array([.9]), np.array([[.8, .6]])),
        1: (np.array([OTHER, BOX]), np.array([.9, .4]), np.array([[1., 0], [1., 0]])),
        2: (np.array([BOX]), np.array([.9]), np.array([[.6, .8]])),
    }
    person = dict(text='a', img_id=0, bbox=BOX, pid=1, targets={0: [BOX], 2: [BOX]})
    other = dict(text='b', img_id=1, bbox=OTHER, pid=2, targets={1: [OTHER]})
    found = evaluate_sentence_search(detections, [person, other], np.array([[1., 0], [1., 0]]))
    assert found['per_query'][0]['ap'] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert found['per_query'][1]['ap'] == 1
    assert found['mAP'] == pytest.approx((1 + 7 / 12) / 2)
    assert (found['top1'], found['top5']) == (.5, 1)
    with pytest.raises(ValueError, match='an embedding for each of 2 sentences, got 1'):
        evaluate_sentence_search(detections, [person, other], np.ones((1, 2)))
