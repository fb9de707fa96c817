"""Oracles: values counted by hand, through the metric."""

import numpy as np
import pytest

from pedsearch.evaluation import TextRetrievalMetric

SIMS = np.array([[.9, .8, .1, .4, .3], [.2, .7, .6, .5, .1], [.3, .35, .2, .6, .55]])
OWNERS, SENTENCES = [1, 2, 1, 2, 3], [1, 2, 3]


def samples() -> list[dict]:
    """Embeddings of images are a basis; a sentence's similarities are its coordinates, filled up to unit length."""
    rest = np.sqrt(4 - (SIMS**2).sum(axis=1, keepdims=True)) / 2
    texts = np.hstack([SIMS / 2, rest])
    found = []
    for index, owner in enumerate(OWNERS):
        first = OWNERS.index(owner) == index
        own = texts[[SENTENCES.index(owner)]] if first else np.zeros((0, 6))
        found.append(dict(sample_idx=index, pid=owner, feat=np.eye(6)[index], text_feats=own))
    return found


def evaluate(data, **kwargs) -> dict[str, float]:
    metric = TextRetrievalMetric(topk=(1, 2), **kwargs)
    metric.process(None, data[3:])
    metric.process(None, data)  # the sampler repeated some
    return {key: round(100 * value, 4) for key, value in metric.evaluate(size=5).items()}


def test_values():  # O21
    assert evaluate(samples()) == {'text/R@1': 66.6667, 'text/R@2': 100, 'text/mAP': 67.7778, 'text/mINP': 52.2222}


def test_matches_of_the_image_alone():
    ranks = [1, 1, 2]  # of images 0, 1 and 4 among all
    expected = {'text/R@1': 66.6667, 'text/R@2': 100, 'text/mAP': round(100 * np.mean(1 / np.array(ranks)), 4)}
    found = evaluate(samples(), match='image')
    assert {key: found[key] for key in expected} == expected


def test_nobody_is_left_out():
    stranger = dict(sample_idx=9, pid=-1, feat=np.eye(6)[5], text_feats=np.eye(6)[:2])
    assert evaluate([*samples(), stranger]) == evaluate(samples())


def test_bad_input():
    with pytest.raises(ValueError, match="match must be 'pid' or 'image', got 'text'"):
        TextRetrievalMetric(match='text')
    with pytest.raises(ValueError, match='expected captions of images with identity, got none in 5 images'):
        evaluate([dict(sample, text_feats=None) for sample in samples()])
    with pytest.raises(ValueError, match='a data sample must have feat and pid'):
        TextRetrievalMetric().process(None, [dict(sample_idx=0, pid=1)])
