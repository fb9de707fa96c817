import numpy as np
import pytest
import torch

from pedsearch.functional.settings import check_count, check_flag, check_iou_thr, check_threshold, check_topk


@pytest.mark.parametrize('value', [.25, np.float32(.25), np.array(.25), torch.tensor(.25), torch.tensor(.25).half()])
def test_numbers_of_all_kinds(value):
    for checked in (check_threshold(value, 'score_thr'), check_iou_thr(value)):
        assert checked == .25
        assert type(checked) is float


@pytest.mark.parametrize('value', [-1, 1.1, float('inf'), torch.tensor(2)])
def test_scores_know_no_bounds(value):
    assert check_threshold(value, 'score_thr') == float(value)


@pytest.mark.parametrize('value', ['x', None, True, np.True_, torch.tensor(True), float('nan'), torch.tensor(np.nan), [.5],
                                   np.array([.5]), 1j])
def test_what_is_no_number(value):
    with pytest.raises(ValueError, match='det_score_thr must be a number, got '):
        check_threshold(value, 'det_score_thr')
    with pytest.raises(ValueError, match='iou_thr must be a number, got '):
        check_iou_thr(value)


@pytest.mark.parametrize('value', [0, -.5, 1.001, 5, torch.tensor(5)])
def test_overlaps_are_bounded(value):
    with pytest.raises(ValueError, match=r'iou_thr must be in \(0, 1\], got '):
        check_iou_thr(value)


@pytest.mark.parametrize('topk', [[1, 5], (1, 5), np.array([1, 5]), torch.tensor([1, 5]), [np.int32(1), np.int64(5)]])
def test_ranks_of_all_kinds(topk):
    assert check_topk(topk) == (1, 5)
    assert {type(k) for k in check_topk(topk)} == {int}


@pytest.mark.parametrize('topk', [5, (), '15', [0], [1.0], [True], np.array([1.5]), np.array(5), {1: 2}, None])
def test_what_is_no_list_of_ranks(topk):
    with pytest.raises(ValueError, match=r'topk must be a sequence of ints >= 1 such as \(1, 5, 10\), got '):
        check_topk(topk)


def test_flags():
    assert check_flag(np.True_, 'cross_camera') is check_flag(True, 'cross_camera') is True
    for value in ('yes', 1, None):
        with pytest.raises(ValueError, match=f'score_weighted must be True or False, got {value!r}'):
            check_flag(value, 'score_weighted')


def test_counts():
    assert check_count(np.int32(4), 'k') == 4
    assert type(check_count(np.int32(4), 'k')) is int
    assert check_count(0, 'seed', at_least=0) == 0
    for value in (0, -1, 2., '3', True, None):
        with pytest.raises(ValueError, match='^k must be an int >= 1, got '):
            check_count(value, 'k')
