"""Oracles: sentences read by eye."""

import numpy as np
import pytest

from pedsearch.datasets import PickCaption
from pedsearch.datasets.multimodal import Caption, caption_group
from pedsearch.datasets.transforms.captions import swap_sides


@pytest.mark.parametrize(('text', 'mirrored'), [
    ('A bag in the left hand', 'A bag in the right hand'), ('Right and LEFT', 'Left and RIGHT'),
    ('a bright coat, leftovers', 'a bright coat, leftovers')])
def test_sides_change_places(text, mirrored):
    assert swap_sides(text) == mirrored
    assert swap_sides(mirrored) == text


def test_mirrored_photos_have_mirrored_captions():
    captions = [Caption('bag on the left', group=5)]
    plain, flipped = (PickCaption()(dict(captions=captions, flip=flip)) for flip in (False, True))
    assert (plain['caption'], plain['text_group']) == ('bag on the left', 5)
    assert flipped['caption'] == 'bag on the right'
    assert flipped['text_group'] != 5
    found = PickCaption()(dict(captions=[Caption('bag on the left', group=caption_group('bag on the left'))], flip=True))
    assert found['text_group'] == caption_group('Bag on the right.')  # it matches who says so of another photo
    assert PickCaption()(dict(captions=[Caption('a bag', group=6)], flip=True))['text_group'] == 6


def test_every_caption_is_drawn():
    np.random.seed(0)
    captions = [Caption(text, group=group) for group, text in enumerate('abc')]
    drawn = {PickCaption()(dict(captions=captions))['caption'] for _ in range(40)}
    assert drawn == set('abc')
    none = PickCaption()(dict(captions=[]))
    assert (none['caption'], none['text_group']) == ('', -1)
