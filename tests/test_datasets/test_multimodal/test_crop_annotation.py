"""Oracles: sizes and probabilities at their limits, and the sentences themselves."""

import numpy as np
import pytest
from PIL import Image

from pedsearch.datasets.multimodal import CropRule, annotate_crops, label_probabilities, template_captions
from pedsearch.datasets.multimodal.crop_annotation import select_crops

SIZES = {  # (height, width)
    'least.png': (80, 32), 'low.png': (79, 32), 'narrow.png': (96, 31), 'broad.png': (96, 80), 'too_broad.png': (96, 81),
    'tall.png': (160, 40), 'too_tall.png': (161, 40)}


def test_crops_at_the_limits(tmp_path):
    for name, (height, width) in SIZES.items():
        Image.new('RGB', (width, height)).save(tmp_path / name)
    (tmp_path / 'text.png').write_text('no picture')
    taken, left_out = select_crops(str(tmp_path), [*SIZES, 'text.png'], CropRule())
    assert taken == ['least.png', 'broad.png', 'tall.png']
    assert left_out == {'too low': 1, 'too narrow': 1, 'too wide for its height': 1, 'too tall for its width': 1,
                        'no picture': 1}
    assert select_crops(str(tmp_path), SIZES, CropRule(1, 1, .1, 9))[0] == list(SIZES)


@pytest.mark.parametrize('arguments', [(0, 32), (80, 0), (80, 32, 0), (80, 32, 2, 1)])
def test_rules_that_take_nothing_or_all(arguments):
    with pytest.raises(ValueError, match='expected least height and width >= 1 and 0 < least aspect <= greatest aspect'):
        CropRule(*arguments)


def test_probabilities_at_the_limits():
    probs = np.array([[0, .3, .3001], [.6999, .7, 1]])
    assert label_probabilities(probs).tolist() == [[0, 0, -1], [-1, 1, 1]]
    assert label_probabilities(probs, .5, .4).tolist() == [[0, 0, 0], [1, 1, 1]]
    for high, low in ((.3, .3), (.2, .4), (1.1, 0), (.5, -.1)):
        with pytest.raises(ValueError, match='thresholds must be 0 <= low < high <= 1, got low'):
            label_probabilities(probs, high, low)


def test_annotations_carry_labels_scores_and_sentences():
    names, probs = ('female', 'hat', 'bag'), {'b/2.jpg': [.9, .5, .1], 'a/1.jpg': [.5, .6, .4], 'c.jpg': [.1, .8, .9]}
    first, second, third = annotate_crops(probs, 'look', names, 3, seed=4)
    assert (first.image_id, first.img_path, first.split, first.pid) == (0, 'b/2.jpg', 'train', -1)
    assert first.attrs == dict(look=[1, -1, 0])
    assert first.attr_scores == dict(look=[.9, .5, .1])
    assert first.captions == template_captions(names, [1, -1, 0], 3, (4, 0, 0)) != ()
    assert (second.image_id, second.attrs, second.captions) == (1, dict(look=[-1, -1, -1]), ())
    assert third.captions == template_captions(names, [0, 1, 1], 3, (4, 0, 2)) != ()
    assert annotate_crops(probs, 'look', names, 3, seed=4, high=.6)[1].attrs == dict(look=[-1, 1, -1])
