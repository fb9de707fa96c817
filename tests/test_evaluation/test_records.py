"""Oracles: images counted by hand."""

import pytest

from pedsearch.evaluation.records import RecordMetric


class Names(RecordMetric):

    def record(self, sample):
        return dict(name=sample['name'])

    def compute(self, records):
        return dict(names=''.join(record['name'] for record in records))


def test_each_image_counts_once_in_order():
    metric = Names()
    metric.process(None, [dict(sample_idx=2, name='c'), dict(sample_idx=0, name='a')])
    metric.process(None, [dict(sample_idx=1, name='b'), dict(sample_idx=0, name='a')])
    assert metric.evaluate(size=2) == dict(names='abc')


def test_samples_need_an_index():
    with pytest.raises(ValueError, match=r"a data sample must have sample_idx, got \['name'\]; pack it"):
        Names().process(None, [dict(name='a')])


def test_a_metric_says_what_it_records():
    with pytest.raises(NotImplementedError, match=r'RecordMetric must implement record\(\)'):
        RecordMetric().record({})
    with pytest.raises(NotImplementedError, match=r'RecordMetric must implement compute\(\)'):
        RecordMetric().compute([])
