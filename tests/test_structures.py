import pytest
import torch
from mmengine.structures import InstanceData

from pedsearch.structures import BACKGROUND, UNLABELED, SearchDataSample


def test_query_instances_are_a_data_field():
    sample = SearchDataSample()
    sample.query_instances = InstanceData(bboxes=torch.rand(2, 4), query_ids=torch.tensor([3, 5]))
    assert 'query_instances' in sample
    assert sample.to('cpu').query_instances.query_ids.tolist() == [3, 5]
    del sample.query_instances
    assert 'query_instances' not in sample


def test_query_instances_must_be_instances():
    with pytest.raises(AssertionError, match='InstanceData'):
        SearchDataSample().query_instances = torch.rand(2, 4)


def test_codes_are_distinct_from_every_identity():
    assert len({UNLABELED, BACKGROUND}) == 2
    assert max(UNLABELED, BACKGROUND) < 0
