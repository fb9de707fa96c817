import numpy as np
import pytest

from pedsearch.evaluation import build_queries, other_camera_queries, random_embeds
from pedsearch.functional import SearchQuery, evaluate_search

BOX = [0, 0, 50, 150]
CAMIDS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 2}


def entry(query_id, gallery=None):
    return {'query_id': query_id, 'img_id': 0, 'bbox': np.array(BOX), 'pid': 7, 'targets': {1: np.array([BOX])},
            'gallery': gallery}


def test_queries_are_joined_with_their_features():
    features = {4: (np.array([1., 0]), None), 9: (np.array([0., 1]), np.ones((3, 2)))}
    queries = build_queries('all', [entry(9, np.array([1, 2], np.int32)), entry(4)], features)
    assert [query.embed.tolist() for query in queries] == [[0, 1], [1, 0]]
    assert queries[0].context_embeds.shape == (3, 2)
    assert queries[0].gallery.tolist() == [1, 2]
    assert queries[1].gallery is None


def test_a_query_without_feature_is_named():
    with pytest.raises(ValueError, match="protocol 'G50': expected a feature for each of 2 queries, got none for 1, the "
                                         'first being query 5 of image 0; run the test over every image'):
        build_queries('G50', [entry(4), entry(5)], {4: (np.ones(2), None)})
    with pytest.raises(ValueError, match="protocol 'all' must hold at least one query"):
        build_queries('all', [], {})


def test_cross_camera_numbers():  # search.md O-25 on frames 1, 2, 3 and 4
    other = [400, 0, 450, 150]
    detections = {
        0: ([], [], []), 1: ([BOX, other], [1, 1], [[.9], [.3]]), 2: ([BOX], [1], [[.5]]),
        3: ([other], [1], [[.7]]), 4: ([], [], [])}
    query = SearchQuery(0, BOX, [1.0], {1: [BOX], 2: [BOX], 4: [BOX]})
    assert evaluate_search(detections, [query])['mAP'] == pytest.approx(.555556, abs=1e-6)
    for gallery in (None, [0, 1, 2, 3, 4], np.arange(5)):
        query = SearchQuery(0, BOX, [1.0], {1: [BOX], 2: [BOX], 4: [BOX]}, gallery=gallery)
        result = evaluate_search(detections, other_camera_queries([query], CAMIDS))
        assert (result['mAP'], result['top1'], result['per_query'][0]['n_gt']) == (pytest.approx(.25), 0, 2)


def test_other_cameras_share_their_gallery_and_keep_a_lists_repetitions():
    queries = [SearchQuery(img_id, BOX, [1.0], {}, gallery=gallery)
               for img_id, gallery in [(0, None), (1, None), (3, [1, 0, 4, 1])]]
    restricted = other_camera_queries(queries, CAMIDS)
    assert restricted[0].gallery is restricted[1].gallery
    assert [query.gallery.tolist() for query in restricted] == [[2, 3, 4], [2, 3, 4], [1, 0, 1]]


def test_random_embeddings_are_unit_reproducible_and_fit():
    embeds = random_embeds([2, 0, 3], 8, seed=1)
    assert [rows.shape for rows in embeds] == [(2, 8), (0, 8), (3, 8)]
    np.testing.assert_allclose(np.linalg.norm(np.concatenate(embeds), axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(embeds[2], random_embeds([2, 0, 3], 8, seed=1)[2])
    assert (embeds[2] != random_embeds([2, 0, 3], 8, seed=2)[2]).all()
