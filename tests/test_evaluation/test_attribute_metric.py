"""Oracles: values counted by hand, through the metric."""

import numpy as np
import pytest
import torch

from pedsearch.evaluation import PedestrianAttributeMetric
from pedsearch.structures import ReIDDataSample

TARGETS = [[1, 0, 1], [1, 1, 0], [0, 0, 1], [0, 1, 0]]
PROBS = [[.9, .2, .4], [.6, .7, .1], [.3, .6, .8], [.2, .4, .55]]


def samples(targets=TARGETS, probs=PROBS) -> list[dict]:
    found = []
    for index, (target, prob) in enumerate(zip(targets, probs)):
        sample = ReIDDataSample(metainfo=dict(sample_idx=index, img_path=f'{index}.jpg'))
        sample.set_data(dict(attributes=torch.tensor(target), attribute_probs=torch.tensor(prob)))
        found.append(sample.to_dict())
    return found


def evaluate(batches, **kwargs) -> dict[str, float]:
    metric = PedestrianAttributeMetric(**kwargs)
    for batch in batches:
        metric.process(None, batch)
    return {key: round(100 * value, 4) for key, value in metric.evaluate(size=4).items()}


def test_values():  # O18
    expected = {'attribute/mA': 66.6667, 'attribute/accuracy': 50, 'attribute/precision': 62.5,
                'attribute/recall': 62.5, 'attribute/F1': 62.5}
    everything = samples()
    assert evaluate([everything[:1], everything[1:]]) == expected
    assert evaluate([everything, everything[:2]]) == expected  # repeated to fill a batch


def test_some_attributes_count():
    assert evaluate([samples()], eval_index=[0])['attribute/mA'] == 100


def test_the_data_set_says_which_attributes_count():
    metric = PedestrianAttributeMetric()
    metric.dataset_meta = dict(eval_index=[0])
    metric.process(None, samples())
    assert metric.evaluate(size=4)['attribute/mA'] == 1


def test_images_without_attributes_do_not_count():
    described = evaluate([samples()])
    more = samples([*TARGETS, [-1, -1, -1]], [*PROBS, [.9, .9, .9]])
    metric = PedestrianAttributeMetric()
    metric.process(None, more)
    assert {key: round(100 * value, 4) for key, value in metric.evaluate(size=5).items()} == described
    metric.process(None, more[4:])
    with pytest.raises(ValueError, match='a test set must have images with attributes, got none in 1'):
        metric.evaluate(size=1)


def test_unknown_labels():
    targets = [[1, -1], [0, 1]]
    probs = [[.9, .8], [.1, .9]]
    assert evaluate([samples(targets, probs)])['attribute/mA'] == 75  # the unknown one is told, as negative it is wrong
    left_out = evaluate([samples(targets, probs)], unknown_as_negative=False)
    assert left_out['attribute/mA'] == 75  # no negative is known, so its share is 0
    assert left_out['attribute/precision'] == 100
    assert evaluate([samples(targets, probs)])['attribute/precision'] == 75


@pytest.mark.parametrize(('change', 'message'), [
    (dict(attribute_probs=None), 'a data sample must have attribute_probs'),
    (dict(attributes=np.zeros(2)), r'must have one shape \(A,\), got \(3,\) and \(2,\) for 0.jpg; the model has another')])
def test_bad_samples(change, message):
    with pytest.raises(ValueError, match=message):
        PedestrianAttributeMetric().process(None, [samples()[0] | change])
