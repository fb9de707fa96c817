import numpy as np
import pytest
import torch

from pedsearch.functional import SearchQuery, evaluate_search

from .plain_search import plain_evaluate

BOX, ELSEWHERE = [0, 0, 50, 150], [400, 0, 450, 150]


def frame(*sims, first=BOX, scores=None):
    """Detections whose similarity to the embedding (1, 0) is given; the first lies on the target's box."""
    bboxes = [first, *[ELSEWHERE] * (len(sims) - 1)]
    return bboxes, scores or [1.0] * len(sims), [[sim, 0.0] for sim in sims]


def search(detections, targets, gallery=None, **kwargs):
    query = SearchQuery('q', BOX, [1.0, 0.0], {img_id: [BOX] for img_id in targets}, gallery=gallery)
    return evaluate_search(detections, [query], **kwargs)


# ---- worked numbers -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize(('weighted', 'ap', 'top1'), [(False, .277778, 0), (True, .555556, 1)])
def test_whole_query(weighted, ap, top1):  # dicl.md O-3
    detections = {
        'I1': ([[0, 0, 100, 140], [200, 0, 300, 200]], [1.0, .5], [[.6], [.9]]),
        'I2': ([[0, 0, 10, 8]], [1.0], [[.5]]),
        'I3': ([], [], []),
        'I4': ([[5, 5, 50, 90]], [.8], [[.7]]),
    }
    targets = {'I1': [[0, 0, 100, 200]], 'I2': [[0, 0, 10, 20]], 'I3': [[9, 9, 40, 90]]}
    result = evaluate_search(detections, [SearchQuery('q', BOX, [1.0], targets)], score_weighted=weighted)
    assert result['mAP'] == pytest.approx(ap, abs=1e-6)
    assert (result['top1'], result['top5']) == (top1, 1)
    record = result['per_query'][0]
    assert (record['n_gt'], record['n_tp'], record['num_detections']) == (3, 2, 4)
    assert [entry['is_match'] for entry in record['top']] == ([True, False, True, False] if weighted else
                                                             [False, False, True, True])
    assert [entry['score'] for entry in record['top']] == pytest.approx(
        [.6, .56, .5, .45] if weighted else [.9, .7, .6, .5])


@pytest.mark.parametrize(('query', 'weighted', 'score'), [
    ([1.0, 0.0], False, .8), ([1.0, 0.0], True, .64), ('unit', False, .894427), ('unit', True, .715542)])
def test_norm_and_score_of_an_embedding_count(query, weighted, score):  # dicl.md O-16
    embed = np.array([.8, .4])  # the mean of (1, 0) and (.6, .8)
    if query == 'unit':
        embed = embed / np.linalg.norm(embed)
    result = evaluate_search({'I': ([BOX], [.8], [embed])}, [SearchQuery('q', BOX, [1.0, 0.0], {'I': [BOX]})],
                             score_weighted=weighted)
    assert result['per_query'][0]['top'][0]['score'] == pytest.approx(score, abs=1e-6)


FRAMES = {'F1': frame(.9, .3), 'F2': frame(.5), 'F3': frame(.7, first=ELSEWHERE), 'F4': ([], [], [])}


@pytest.mark.parametrize(('gallery', 'extra', 'ap', 'top1', 'n_gt'), [
    (None, {}, .555556, 1, 3),
    (['F2', 'F3', 'F4'], {}, .25, 0, 2),
    (None, {'F4': frame(.6)}, .805556, 1, 3),
])
def test_galleries(gallery, extra, ap, top1, n_gt):  # search.md O-25
    result = search({**FRAMES, **extra}, ['F1', 'F2', 'F4'], gallery)
    assert result['mAP'] == pytest.approx(ap, abs=1e-6)
    assert (result['top1'], result['per_query'][0]['n_gt']) == (top1, n_gt)


@pytest.mark.parametrize(('duplicates', 'ap', 'n_gt'), [('dedup', 1, 1), ('dicl', 1, 2), ('seqnet', .5, 2)])
def test_an_image_named_twice(duplicates, ap, n_gt):  # search.md O-25
    detections = {'D': frame(.9, .4), 'N': frame(.6)}
    result = search(detections, ['D'], ['D', 'N', 'D'], duplicates=duplicates)
    assert result['mAP'] == pytest.approx(ap)
    assert result['per_query'][0]['n_gt'] == n_gt


def test_of_two_right_detections_the_better_ranked_is_the_hit():
    detections = {'I': ([BOX, BOX], [1.0, 1.0], [[.4], [.9]]), 'J': ([BOX], [1.0], [[.6]])}
    result = evaluate_search(detections, [SearchQuery('q', BOX, [1.0], {'I': [BOX]})])
    assert (result['mAP'], result['per_query'][0]['n_tp']) == (1, 1)
    assert [entry['is_match'] for entry in result['per_query'][0]['top']] == [True, False, False]


@pytest.mark.parametrize('kind', [int, np.int64, torch.tensor], ids=lambda kind: kind.__name__)
def test_numbers_of_all_kinds_name_images(kind):
    detections = {1: frame(.5), 4: frame(.4), 7: frame(1.0)}
    query = SearchQuery(kind(7), BOX, [1.0, 0.0], {kind(1): [BOX]})  # its own image would rank first
    assert evaluate_search(detections, [query])['mAP'] == 1
    query = SearchQuery(kind(7), BOX, [1.0, 0.0], {1: [BOX]}, gallery=[np.array(4), kind(1), kind(9)])
    result = evaluate_search(detections, [query], topk=np.array([1, 2]), score_thr=torch.tensor(.5))
    assert (result['mAP'], result['top1'], result['per_query'][0]['num_detections']) == (1, 1, 2)


@pytest.mark.parametrize('gallery', [['1', '4'], np.array(['1', '4']), [8, 9], np.array([8, 9])], ids=repr)
def test_a_gallery_of_other_ids_than_the_detections(gallery):
    text = rf"query in image 'q': gallery must name images that are in the detections, got none among 2 \(first: .*{gallery[0]}"
    with pytest.raises(ValueError, match=text):
        search({1: frame(.5), 4: frame(.9)}, [1], gallery)
    assert search({1: frame(.5)}, [1], [])['num_without_target'] == 1


# ---- against the plain loop ---------------------------------------------------------------------------------------

def random_case(seed, num_images=14, num_queries=9, coarse=True):
    """Random scenes with empty images, missed targets, ties, duplicate names and galleries of all kinds."""
    rng = np.random.default_rng(seed)
    detections = {}
    for img_id in rng.permutation(num_images).tolist():
        corners = rng.uniform(0, 120, (int(rng.integers(0, 5)), 2))
        bboxes = np.concatenate([corners, corners + rng.uniform(8, 70, corners.shape)], axis=1)
        embeds = rng.standard_normal((len(bboxes), 3))
        detections[img_id] = (bboxes, rng.uniform(.3, 1, len(bboxes)), embeds.round() if coarse else embeds)
    queries = []
    for _ in range(num_queries):
        targets = {}
        for img_id in rng.choice(num_images + 2, int(rng.integers(1, 7)), replace=False).tolist():
            bboxes = detections.get(img_id, ([],))[0]
            base = bboxes[0] if len(bboxes) and rng.random() < .8 else np.array([5., 5, 30, 80])
            targets[img_id] = np.stack([base + rng.uniform(-2, 2, 4), [200, 200, 230, 290]])
        gallery = [None, rng.integers(0, num_images + 2, 11), rng.integers(0, num_images + 2, 11).tolist()]
        embed, contexts = rng.standard_normal(3), rng.standard_normal((int(rng.integers(0, 4)), 3))
        queries.append(SearchQuery(int(rng.integers(num_images)), BOX, embed.round() if coarse else embed, targets,
                                   gallery=gallery[int(rng.integers(3))], context_embeds=contexts))
    return detections, queries


@pytest.mark.parametrize('kwargs', [
    {}, {'score_thr': .7}, {'score_weighted': True}, {'duplicates': 'dicl'}, {'duplicates': 'seqnet'}, {'topk': [2, 3]}],
    ids=str)
def test_equals_the_plain_loop_with_ties(kwargs):
    for seed in range(12):
        detections, queries = random_case(seed)
        expected, aps = plain_evaluate(detections, queries, **kwargs)
        result = evaluate_search(detections, queries, **kwargs)
        assert {key: result[key] for key in expected} == pytest.approx(expected, abs=1e-9)
        assert [record['ap'] for record in result['per_query']] == pytest.approx(aps, abs=1e-9)
        assert result['num_without_target'] == aps.count(None)


@pytest.mark.parametrize('aggregate', ['max', 'sum', 'mean', 'half'])
def test_equals_the_plain_loop_with_context_matching(aggregate):
    changed = 0
    for seed in range(8):
        detections, queries = random_case(seed, coarse=False)
        cbgm = {'k1': 6, 'k2': 3, 'aggregate': aggregate}
        expected, aps = plain_evaluate(detections, queries, score_weighted=True, cbgm=cbgm)
        result = evaluate_search(detections, queries, score_weighted=True, cbgm=cbgm)
        assert [record['ap'] for record in result['per_query']] == pytest.approx(aps, abs=1e-9)
        changed += result['mAP'] != evaluate_search(detections, queries, score_weighted=True)['mAP']
    assert changed >= 4, 'the case must exercise the matching'


def test_chunks_of_queries_do_not_matter(monkeypatch):
    detections, queries = random_case(0)
    whole = evaluate_search(detections, queries)
    monkeypatch.setattr('pedsearch.functional.similarity._SIMS_PER_CHUNK', 40)
    assert evaluate_search(detections, queries) == whole


# ---- what must not matter -----------------------------------------------------------------------------------------

def means(result):
    return {key: value for key, value in result.items() if key != 'per_query'}


def test_order_of_images_queries_and_boxes():
    rng = np.random.default_rng(0)
    for seed in range(6):
        detections, queries = random_case(seed)
        mixed = {}
        for img_id in rng.permutation(list(detections)).tolist():
            order = rng.permutation(len(detections[img_id][1]))
            mixed[img_id] = tuple(values[order] for values in detections[img_id])
        assert means(evaluate_search(mixed, queries[::-1])) == pytest.approx(means(evaluate_search(detections, queries)))
        mixed = {img_id: detections[img_id] for img_id in reversed(detections)}
        cbgm = {'k1': 3, 'k2': 2}
        assert evaluate_search(mixed, queries, cbgm=cbgm) == evaluate_search(detections, queries, cbgm=cbgm)


def test_scale_of_the_features():
    detections, queries = random_case(2, coarse=False)
    scaled = {img_id: (bboxes, scores, 8 * embeds) for img_id, (bboxes, scores, embeds) in detections.items()}
    assert means(evaluate_search(scaled, queries)) == means(evaluate_search(detections, queries))


def test_detections_below_the_threshold():
    detections, queries = random_case(3)
    more = {img_id: (np.vstack([bboxes.reshape(-1, 4), BOX]), np.append(scores, .49),
                     np.vstack([embeds.reshape(-1, 3), [9, 9, 9]]))
            for img_id, (bboxes, scores, embeds) in detections.items()}
    assert evaluate_search(more, queries) == evaluate_search(detections, queries)


def test_type_of_the_arrays():
    detections, queries = random_case(4, coarse=True)
    tensors = {img_id: tuple(torch.tensor(values) for values in entry) for img_id, entry in detections.items()}
    as_tensors = [SearchQuery(q.img_id, torch.tensor(q.bbox), torch.tensor(q.embed, dtype=torch.bfloat16),
                              {img_id: torch.tensor(bboxes) for img_id, bboxes in q.targets.items()}, q.gallery)
                  for q in queries]
    assert evaluate_search(tensors, as_tensors) == evaluate_search(detections, queries)
    lists = {img_id: tuple(values.tolist() for values in entry) for img_id, entry in detections.items()}
    assert evaluate_search(lists, queries) == evaluate_search(detections, queries)


def test_kind_of_image_ids_and_galleries():
    detections, queries = random_case(5)
    named = {f'{img_id:03d}.jpg': entry for img_id, entry in detections.items()}
    renamed = [SearchQuery(f'{q.img_id:03d}.jpg', q.bbox, q.embed, {f'{i:03d}.jpg': b for i, b in q.targets.items()},
                           None if q.gallery is None else np.array([f'{i:03d}.jpg' for i in q.gallery]))
               for q in queries]
    assert means(evaluate_search(named, renamed)) == means(evaluate_search(detections, queries))


def test_a_collapsed_model_gets_no_credit_for_the_order():
    rng = np.random.default_rng(0)
    embed = rng.standard_normal(64).astype(np.float32)
    detections = {i: (np.array([BOX, ELSEWHERE]), np.ones(2), np.stack([embed, embed])) for i in range(101)}
    queries = [SearchQuery(-1, BOX, rng.standard_normal(64).astype(np.float32), {i: [BOX]}) for i in range(33)]
    result = evaluate_search(detections, queries)
    assert result['mAP'] == pytest.approx(1 / 202)
    assert result['top10'] == 0
    assert {record['first_hit'] for record in result['per_query']} == {202}


# ---- borders ------------------------------------------------------------------------------------------------------

def test_own_image_is_left_out_unless_listed():
    detections = {'q': frame(1.0), 'I': frame(.5)}
    assert search(detections, ['I'])['mAP'] == 1
    assert search(detections, ['I'], ['q', 'I'])['mAP'] == .5
    assert search(detections, ['I', 'q'])['per_query'][0]['n_gt'] == 1


def test_target_images_without_detections_count_as_missed():
    result = search({'I': frame(.5)}, ['I', 'never run'])
    assert (result['mAP'], result['per_query'][0]['n_gt']) == (.5, 2)


def test_queries_without_target_are_reported_and_left_out():
    queries = [SearchQuery('q', BOX, [1, 0], {'I': [BOX]}), SearchQuery('q', BOX, [1, 0], {'I': [BOX]}, gallery=['J']),
               SearchQuery('q', BOX, [1, 0], {})]
    result = evaluate_search({'I': frame(.5), 'J': frame(.7)}, queries)
    assert (result['mAP'], result['num_queries'], result['num_without_target']) == (.5, 3, 2)
    assert [record['ap'] for record in result['per_query']] == [.5, None, None]
    assert [len(record['top']) for record in result['per_query']] == [2, 1, 2]
    assert np.isnan(evaluate_search({'I': frame(.5)}, queries[2:])['mAP'])


def test_no_detection_at_all():
    result = search({'I': ([], [], []), 'J': (np.zeros((0, 4)), np.zeros(0), np.zeros((0, 2)))}, ['I'],
                    cbgm={'k1': 3, 'k2': 2})
    assert (result['mAP'], result['top10'], result['per_query'][0]['top']) == (0, 0, [])
    assert search({'I': frame(.9, scores=[.2])}, ['I'])['mAP'] == 0


def test_small_targets_get_a_lower_bar_and_the_first_box_counts():
    detections = {'I': ([[0, 0, 10, 8]], [1.0], [[1.0]])}
    small, far = [0, 0, 10, 20], [300, 0, 310, 20]
    for bboxes, ap in ([[small], 1], [[small, far], 1], [[far, small], 0]):
        assert evaluate_search(detections, [SearchQuery('q', BOX, [1.0], {'I': bboxes})])['mAP'] == ap


QUERY = SearchQuery('q', BOX, [1.0, 0.0], {'I': [BOX]})


@pytest.mark.parametrize(('detections', 'queries', 'kwargs', 'error', 'text'), [
    ({}, [QUERY], {}, ValueError, 'detections must hold at least one image'),
    ({'I': frame(.5)}, [QUERY], {'score_thr': '0.5'}, ValueError, "score_thr must be a number, got '0.5'"),
    ({'I': frame(.5)}, [], {}, ValueError, 'queries must hold at least one SearchQuery, got none'),
    ({'I': frame(.5)}, QUERY, {}, TypeError, 'queries must be a sequence of SearchQuery, got SearchQuery'),
    ({'I': frame(.5)}, [{}], {}, TypeError, r'queries\[0\] must be a SearchQuery, got dict'),
    ({'I': ([BOX], [.9], [[1, 0, 0]])}, [QUERY], {}, ValueError, r'embed must have shape \(3,\) .* got \(2,\)'),
    ({'I': frame(.5)}, [QUERY], {'topk': (1, 0)}, ValueError, r'topk must be a sequence of ints >= 1 .* got \(1, 0\)'),
    ({'I': frame(.5)}, [QUERY], {'topk': 5}, ValueError, 'topk must be a sequence of ints >= 1 .* got 5'),
    ({'I': frame(.5)}, [QUERY], {'topk': ()}, ValueError, 'topk must be a sequence'),
    ({'I': frame(.5)}, [QUERY], {'score_weighted': 'yes'}, ValueError, "score_weighted must be True or False, got 'yes'"),
    ({'I': frame(.5)}, [QUERY], {'duplicates': True}, ValueError, 'duplicates must be one of .* got True'),
    ({'I': frame(.5)}, [QUERY], {'cbgm': 'on'}, TypeError, 'cbgm must be a dict'),
])
def test_bad_input(detections, queries, kwargs, error, text):
    with pytest.raises(error, match=text):
        evaluate_search(detections, queries, **kwargs)
