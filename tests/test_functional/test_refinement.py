import numpy as np
import pytest

from pedsearch.functional import (
    SearchQuery,
    average_precision,
    average_query_expansion,
    evaluate_search,
    k_reciprocal_rerank,
)
from pedsearch.functional.refinement import Refinement

from ..plain_reciprocal import clustered, unit

BOX = [0, 0, 50, 150]
RERANK, EXPANSION = dict(k1=5, k2=2, lambda_value=0.4), dict(k=3, alpha=2.0)


def case(num_images=40, num_queries=6):
    """One detection an image; queries look for the images whose number is theirs modulo ``num_queries``."""
    feats = clustered(num_images + num_queries, per_cluster=8, noise=1.2)
    detections = {i: ([BOX], [0.5 + 0.01 * i], feats[i:i + 1]) for i in range(num_images)}
    queries = [SearchQuery(f'q{q}', BOX, feats[num_images + q], {i: [BOX] for i in range(q, num_images, num_queries)})
               for q in range(num_queries)]
    return detections, queries, feats[num_images:], feats[:num_images]


@pytest.mark.parametrize('score_weighted', [False, True])
@pytest.mark.parametrize(('rerank', 'query_expansion'), [(RERANK, None), (None, EXPANSION), (RERANK, EXPANSION), ({}, None)])
def test_ranks_by_the_refined_similarity(rerank, query_expansion, score_weighted):
    detections, queries, embeds, feats = case()
    if query_expansion is not None:
        embeds, feats = average_query_expansion(embeds, feats, **query_expansion)
    sims = unit(embeds) @ unit(feats).T if rerank is None else 1 - k_reciprocal_rerank(embeds, feats, **rerank)
    if score_weighted:
        sims = sims * (0.5 + 0.01 * np.arange(len(feats)))
    labels = np.arange(len(feats)) % len(queries) == np.arange(len(queries))[:, None]
    expected = [average_precision(hits, scores) for hits, scores in zip(labels, sims)]
    result = evaluate_search(detections, queries, rerank=rerank, query_expansion=query_expansion,
                             score_weighted=score_weighted)
    assert [record['ap'] for record in result['per_query']] == pytest.approx(expected, abs=1e-6)
    assert result['mAP'] != evaluate_search(detections, queries, score_weighted=score_weighted)['mAP']


def test_no_detection_at_all():
    _, queries, _, _ = case()
    result = evaluate_search({i: ([], [], []) for i in range(40)}, queries, rerank={}, query_expansion={})
    assert result['mAP'] == 0


def test_nothing_asked_for():
    assert Refinement.of(None, None) is None


@pytest.mark.parametrize(('kwargs', 'error', 'message'), [
    (dict(rerank='k1'), TypeError, r"rerank must be a dict with some of \['k1', 'k2', 'lambda_value', 'variant'\], or None"),
    (dict(rerank=dict(k=3)), ValueError, r"rerank must be a dict with some of .*, got \['k'\]"),
    (dict(query_expansion=dict(k=0)), ValueError, 'query_expansion: k must be an int >= 1, got 0'),
    (dict(rerank={}, cbgm=dict(k1=3, k2=2)), ValueError, 'cbgm goes with neither rerank nor query_expansion'),
])
def test_settings_that_do_not_do(kwargs, error, message):
    detections, queries, _, _ = case()
    with pytest.raises(error, match=message):
        evaluate_search(detections, queries, **kwargs)
