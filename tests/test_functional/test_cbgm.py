import numpy as np
import pytest

from pedsearch.functional import ContextMatching, SearchQuery, evaluate_search
from pedsearch.functional.cbgm import _largest, match_contexts
from pedsearch.functional.detection_table import DetectionTable

from .plain_search import best_assignment

BOX, ELSEWHERE = [0, 0, 50, 150], [400, 0, 450, 150]


def unit(*rows):
    rows = np.array(rows, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def image(feats, scores):
    """The first detection lies on BOX, the others elsewhere."""
    return [BOX] + [ELSEWHERE] * (len(feats) - 1), scores, feats


def rescored(weights, aggregate='max'):
    """New similarities of one image whose matrix people x detections is given."""
    weights = np.array(weights)
    contexts = np.eye(len(weights))[1:]
    feats = weights.T  # so that eye @ feats.T = weights
    table = DetectionTable.build({0: image(feats, np.ones(len(feats)))}, 0)
    return match_contexts(weights[0], np.arange(len(feats)), contexts, feats, table, ContextMatching(99, 99, aggregate))


HARMFUL = {
    'A': image(unit((.8, .6, 0), (.1, .95, .3), (.6, 0, .8)), [.9, 1, .8]),
    'B': image(unit((.9, .3, .3), (.5, .5, .7)), [.8, .95]),
}


@pytest.mark.parametrize(('aggregate', 'score_a', 'score_b', 'ap'), [  # search.md O-14
    (None, .72, .723627, 1.0), ('max', .948815, .723627, .5), ('sum', 2.308815, 1.391977, .5),
    ('mean', .769605, .695989, .5), ('half', .834407, .723627, .5)])
def test_a_case_where_contexts_harm(aggregate, score_a, score_b, ap):
    query = SearchQuery('q', BOX, [1, 0, 0], {'B': [BOX]}, context_embeds=np.eye(3)[1:])
    cbgm = aggregate and {'k1': 10, 'k2': 3, 'aggregate': aggregate}
    result = evaluate_search(HARMFUL, [query], score_weighted=True, cbgm=cbgm)
    scores = {entry['img_id']: entry['score'] for entry in result['per_query'][0]['top'] if entry['bbox'] == BOX}
    assert scores == pytest.approx({'A': score_a, 'B': score_b}, abs=1e-6)
    assert result['mAP'] == pytest.approx(ap)


HELPFUL = {
    'T': image(unit((.60, .10, .7937), (.05, .95, .30)), [1, .9]),
    'D': image(unit((.66, .2, .72)), [1]),
    'E': image(unit((.3, .3, .9), (.2, .1, .97)), [.9, .9]),
}


def helpful(cbgm):
    query = SearchQuery('q', BOX, [1, 0, 0], {'T': [BOX]}, context_embeds=[[0, 1, 0]])
    result = evaluate_search(HELPFUL, [query], score_weighted=True, cbgm=cbgm)
    scores = {(entry['img_id'], entry['bbox'] == BOX): entry['score'] for entry in result['per_query'][0]['top']}
    return result['mAP'], scores


PLAIN_SCORES = {('T', True): .600012, ('T', False): .045113, ('D', True): .661989, ('E', True): .271360, ('E', False): .180825}


@pytest.mark.parametrize(('cbgm', 'ap', 'changes'), [  # search.md section 7 and O-15
    (None, .5, {}),
    ({'k1': 1, 'k2': 2}, .5, {}),
    ({'k1': 2, 'k2': 2}, 1.0, {('T', True): .857146}),
    ({'k1': 2, 'k2': 2, 'aggregate': 'sum'}, 1.0, {('T', True): 1.457158}),
    ({'k1': 3, 'k2': 2}, 1.0, {('T', True): .857146, ('E', False): .271360}),
    ({'k1': 3, 'k2': 2, 'aggregate': 'sum'}, 1.0, {('T', True): 1.457158, ('E', False): .452185}),
    ({'k1': 3, 'k2': 1}, .5, {}),
])
def test_a_case_where_contexts_help(cbgm, ap, changes):
    mean_ap, scores = helpful(cbgm)
    assert mean_ap == pytest.approx(ap)
    assert scores == pytest.approx({**PLAIN_SCORES, **changes}, abs=1e-6)


def test_the_query_may_get_a_detection_that_is_not_its_best():  # search.md O-16
    assert rescored([[.9, .8], [.85, .1]]).tolist() == pytest.approx([.9, .85])


def test_an_unmatched_query_keeps_its_similarity():  # search.md O-16
    feat = unit((.3, .9, .1))
    weights = np.eye(3) @ feat.T
    assert weights[1, 0] == pytest.approx(.943456, abs=1e-6)
    assert rescored(weights).tolist() == pytest.approx([.314485], abs=1e-6)


def test_equals_trying_all_assignments():
    rng = np.random.default_rng(0)
    for _ in range(60):
        weights = rng.standard_normal(rng.integers(1, 5, 2))
        pairs = dict(best_assignment(weights))
        expected = weights[0].copy()
        if 0 in pairs:
            expected[pairs[0]] = max(weights[pair] for pair in pairs.items())
        np.testing.assert_allclose(rescored(weights), expected)


def test_properties():  # search.md O-28
    rng = np.random.default_rng(0)
    for _ in range(40):
        weights = rng.standard_normal((3, 4))
        assert (rescored(weights) >= weights[0] - 1e-12).all(), 'max lowers nothing'
        alone = rescored(weights[:1])
        np.testing.assert_allclose(alone, weights[0], err_msg='alone, the query keeps its best match')


def test_only_images_of_the_best_k1_detections_change():
    rng = np.random.default_rng(3)
    feats = rng.standard_normal((30, 4))
    table = DetectionTable.build({i: image(feats[3 * i:3 * i + 3], np.ones(3)) for i in range(10)}, 0)
    contexts, query = rng.standard_normal((2, 4)), rng.standard_normal(4)
    sims = feats @ query
    for k1 in (1, 2, 5, 30, 1000):
        new = match_contexts(sims, np.arange(30), contexts, feats, table, ContextMatching(k1, 3))
        best_images = set((np.argsort(-sims)[:k1] // 3).tolist())
        assert set((np.flatnonzero(new != sims) // 3).tolist()) <= best_images
        assert len(np.flatnonzero(new != sims)) <= len(best_images)


def test_largest_values_with_ties():
    rng = np.random.default_rng(0)
    for k in (1, 3, 8, 20, 50):
        values = rng.integers(0, 5, 20)
        assert _largest(values, k).tolist() == np.argsort(-values, kind='stable')[:k].tolist()


@pytest.mark.parametrize(('cbgm', 'error', 'text'), [
    ({'k1': 0, 'k2': 3}, ValueError, 'cbgm k1 must be an int >= 1, got 0'),
    ({'k1': 10, 'k2': -1}, ValueError, 'cbgm k2 must be an int >= 1, got -1'),
    ({'k1': 10, 'k2': 2.5}, ValueError, 'cbgm k2 must be an int >= 1, got 2.5'),
    ({'k1': 10, 'k2': 3, 'aggregate': 'median'}, ValueError, "aggregate must be one of .* got 'median'"),
    ({'k1': 10}, ValueError, r"keys k1, k2 and optionally aggregate, got \['k1'\]"),
    ({'k1': 10, 'k2': 3, 'top': 1}, ValueError, 'keys k1, k2 and optionally aggregate'),
    (True, TypeError, r'cbgm must be a dict\(k1, k2, aggregate\) or None, got bool'),
])
def test_bad_settings(cbgm, error, text):
    with pytest.raises(error, match=text):
        helpful(cbgm)
