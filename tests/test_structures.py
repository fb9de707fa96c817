import pytest
import torch
from mmengine.structures import InstanceData

from pedsearch.structures import BACKGROUND, UNLABELED, ReIDDataSample, SearchDataSample


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


def test_feature_is_a_data_field_of_a_reid_sample():
    sample = ReIDDataSample(metainfo={'sample_idx': 3, 'pid': UNLABELED, 'camid': 0, 'is_query': True})
    assert 'feat' not in sample
    sample.feat = torch.arange(3.)
    assert sample.to(torch.float64).feat.dtype == torch.float64
    assert sample.to_dict()['feat'].tolist() == [0, 1, 2]
    assert {key: sample.to_dict()[key] for key in ('sample_idx', 'pid', 'camid', 'is_query')} == sample.metainfo
    del sample.feat
    assert 'feat' not in sample


def test_feature_must_be_a_tensor():
    with pytest.raises(AssertionError, match='Tensor'):
        ReIDDataSample().feat = [1., 2.]
