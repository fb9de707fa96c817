"""Oracles: the transforms run by hand."""

import numpy as np
import pytest

from pedsearch.datasets import PhotoViews
from pedsearch.registry import TRANSFORMS

FLIP = dict(type='mmpretrain.RandomFlip', prob=1., direction='horizontal')


def test_each_pipeline_makes_a_view_of_the_photo():
    img = np.random.default_rng(0).integers(0, 255, (6, 4, 3), dtype=np.uint8)
    results = PhotoViews([[FLIP], [], [dict(type='mmpretrain.Resize', scale=(2, 3))]])(dict(img=img.copy(), name='a'))
    weak, plain, small = results['views']
    np.testing.assert_array_equal(weak, img[:, ::-1])
    np.testing.assert_array_equal(plain, img)
    assert small.shape == (3, 2, 3)
    assert results['flip']  # of the weak view
    assert results['img'] is weak
    assert not PhotoViews([[], [FLIP]])(dict(img=img)).get('flip')


def test_there_must_be_a_view():
    with pytest.raises(ValueError, match='PhotoViews needs the pipeline of at least one view, got none'):
        TRANSFORMS.build(dict(type='PhotoViews', pipelines=[]))
