import numpy as np
import pytest
import torch

from pedsearch.functional.match_lists import MatchLists


def plain_lists(query, gallery):
    """Columns of true matches and junk of each query, from (pid, camid) pairs."""
    columns = [i for i, (pid, _) in enumerate(gallery) if pid != -1]
    matches, junk = [], []
    for pid, camid in query:
        same = [place for place, i in enumerate(columns) if gallery[i][0] == pid]
        junk.append([place for place in same if camid is not None and gallery[columns[place]][1] == camid])
        matches.append([place for place in same if place not in junk[-1]])
    return columns, matches, junk


def split(lists):
    indptr, indices = lists
    assert indptr.dtype == indices.dtype == np.int64
    return [sorted(indices[start:stop].tolist()) for start, stop in zip(indptr, indptr[1:])]


@pytest.mark.parametrize('with_cameras', [True, False])
def test_lists_equal_the_plain_ones(with_cameras):
    rng = np.random.default_rng(0)
    for _ in range(20):
        query = [(int(pid), int(cam)) for pid, cam in rng.integers((-1, 2), (8, 5), (9, 2))]
        gallery = [(int(pid), int(cam)) for pid, cam in rng.integers((-1, 2), (8, 5), (30, 2))]
        query[0], gallery[0] = (5, 2), (5, 3)
        ids = [np.array(part) for pairs in (query, gallery) for part in zip(*pairs)]
        if with_cameras:
            found = MatchLists.of(ids[0], ids[2], ids[1], ids[3])
        else:
            found = MatchLists.of(ids[0], ids[2])
            query = [(pid, None) for pid, _ in query]
        columns, matches, junk = plain_lists(query, gallery)
        assert found.shape == (9, 30)
        assert found.columns.tolist() == columns
        assert split(found.matches(slice(0, 9))) == matches
        assert split(found.junk(slice(0, 9))) == junk
        assert split(found.matches(slice(4, 7))) == matches[4:7]
        assert split(found.junk(slice(4, 20))) == junk[4:]
        assert found.num_matches.tolist() == [len(part) for part in matches]


def test_large_and_negative_camera_numbers():
    """Keys of identity and camera must not overflow."""
    big = 2**62
    found = MatchLists.of([big, 7], [7, big, big, 7], [-big, 3], [3, -big, 5, big])
    assert split(found.matches(slice(0, 2))) == [[2], [3]]
    assert split(found.junk(slice(0, 2))) == [[1], [0]]


@pytest.mark.parametrize('convert', [list, tuple, np.int32, torch.tensor, lambda ids: torch.tensor(ids).int()[::1]])
def test_kinds_of_ids(convert):
    found = MatchLists.of(*(convert([1, 2]), convert([2, 1, 1]), convert([0, 0]), convert([1, 0, 1])))
    assert split(found.matches(slice(0, 2))) == [[2], [0]]


@pytest.mark.parametrize(('ids', 'error', 'text'), [
    (([1.], [1]), TypeError, 'query_pids must be integers, got float64'),
    (([1], [True]), TypeError, 'gallery_pids must be integers, got bool'),
    ((['a'], [1]), TypeError, 'query_pids must be an array of numbers, got list'),
    (([[1]], [1]), ValueError, r'query_pids must have shape \(n,\), got \(1, 1\); pass one id per sample'),
    ((3, [1]), ValueError, r'query_pids must have shape \(n,\), got \(\)'),
    (([], [1]), ValueError, 'query_pids must hold at least one identity, got none'),
    (([1], []), ValueError, 'gallery_pids must hold at least one identity, got none'),
    (([-2], [1]), ValueError, 'query_pids must be >= 0, or -1 for no identity, got -2'),
    (([1], [1, -5]), ValueError, 'gallery_pids must be >= 0, or -1 for no identity, got -5'),
    (([1], [1], [0]), ValueError, 'cameras must be given for queries and gallery or for neither, got no gallery_camids'),
    (([1], [1], None, [0]), ValueError, 'or for neither, got no query_camids'),
    (([1], [1], [0, 1], [0]), ValueError, r'query_camids must have shape \(1,\), got \(2,\)'),
    (([1], [1], [0], [[0]]), ValueError, r'gallery_camids must have shape \(1,\), got \(1, 1\)'),
    (([1], [1], [0], [.5]), TypeError, 'gallery_camids must be integers, got float64'),
    (([1, 2], [3, 4]), ValueError, r'at least one query must have a true match in the gallery, got none: query_pids '
     r'\(the first is 1\) and gallery_pids \(the first is 3\) share no identity; number both alike'),
    (([-1], [-1]), ValueError, 'share no identity'),
    (([1, 2], [1, 3], [4, 4], [4, 5]), ValueError, "got none: every gallery item of a query's identity is from the "
     "query's camera; use a gallery of other cameras, or no camids"),
])
def test_bad_ids(ids, error, text):
    with pytest.raises(error, match=text):
        MatchLists.of(*ids)
