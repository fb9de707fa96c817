import numpy as np
import pytest
import torch

from pedsearch.functional import SearchQuery

BOX = [0, 0, 50, 150]
NAN = float('nan')


def query(**changes):
    return SearchQuery(**{'img_id': 'q', 'bbox': BOX, 'embed': [1.0, 0.0], 'targets': {'I': [BOX]}, **changes})


@pytest.mark.parametrize('kind', [list, tuple, np.array, torch.tensor])
def test_all_kinds_of_numbers_become_arrays(kind):
    made = query(bbox=kind([1, 2, 3, 5]), embed=kind([.5, 1.5]), targets={4: kind([[0, 0, 2, 2]])},
                 context_embeds=kind([[2.5, 0.], [0., 1.]]))
    for value, expected in ((made.bbox, [1, 2, 3, 5]), (made.embed, [.5, 1.5]), (made.targets[4], [[0, 0, 2, 2]]),
                            (made.context_embeds, [[2.5, 0], [0, 1]])):
        assert isinstance(value, np.ndarray)
        assert value.tolist() == expected
    assert made.bbox.dtype == made.target_bboxes.dtype == np.float64


@pytest.mark.parametrize(('given', 'kept'), [
    (torch.bfloat16, np.float32), (torch.float16, np.float32), (torch.float32, np.float32), (torch.float64, np.float64)])
def test_precision_of_embeds(given, kept):
    made = query(embed=torch.ones(3, dtype=given), context_embeds=torch.ones(2, 3, dtype=given))
    assert made.embed.dtype == made.context_embeds.dtype == kept


def test_of_several_boxes_in_one_image_the_first_counts():
    """An image without a box does not show the person."""
    made = query(targets={'b': [[1, 1, 2, 2], [5, 5, 9, 9]], 'none': [], 'empty': np.zeros((0, 4)), 'a': [[3, 3, 4, 4]]})
    assert list(made.targets) == ['b', 'a']
    assert made.targets['b'].tolist() == [[1, 1, 2, 2], [5, 5, 9, 9]]
    assert made.target_bboxes.tolist() == [[1, 1, 2, 2], [3, 3, 4, 4]]
    assert query(targets={}).target_bboxes.shape == (0, 4)


@pytest.mark.parametrize('contexts', [[], np.zeros((0, 2)), np.zeros((0, 9)), torch.zeros(0)], ids=repr)
def test_nobody_else_in_the_image(contexts):
    assert query(context_embeds=contexts).context_embeds.shape == (0, 2)
    assert query().context_embeds is None


def test_a_shared_gallery_stays_shared():
    for gallery in ([1, 2], (1, 2), np.array([1, 2])):
        assert query(gallery=gallery).gallery is gallery


@pytest.mark.parametrize('gallery', [{1: 0}.keys(), frozenset([1]), range(1, 2), torch.tensor([1])], ids=repr)
def test_other_galleries_become_indexable(gallery):
    made = query(gallery=gallery).gallery
    assert isinstance(made, np.ndarray if isinstance(gallery, torch.Tensor) else list)
    assert made[0] == 1
    assert len(made) == 1


def test_image_ids_in_arrays_and_tensors_become_numbers():
    """As keys of a dict, two tensors of the same number would differ."""
    made = query(img_id=torch.tensor(3), targets={torch.tensor(5): [BOX]}, gallery=[torch.tensor(5), np.array(7)])
    assert made.img_id in {3}
    assert made.targets.keys() == {5}
    assert set(made.gallery) == {5, 7}


def test_queries_are_told_apart_by_identity():
    first, second = query(), query()
    assert first != second
    assert len({first, second, first}) == 2


@pytest.mark.parametrize(('changes', 'error', 'text'), [
    ({'img_id': [3]}, TypeError, 'img_id of a query must be an image id such as .* got list'),
    ({'targets': {torch.ones(2): [BOX]}}, TypeError, "query in image 'q': a key of targets must be an image id .* got Tensor"),
    ({'img_id': torch.tensor([1])}, TypeError, 'img_id of a query must be an image id .* got Tensor'),
    ({'gallery': [torch.tensor([1])]}, TypeError, 'an entry of gallery must be an image id .* got Tensor'),
    ({'gallery': ['I', [3]]}, TypeError, "query in image 'q': an entry of gallery must be an image id .* got list"),
    ({'bbox': [0, 0, 5]}, ValueError, r"query in image 'q': bbox must have shape \(4,\), got \(3,\)"),
    ({'bbox': [BOX]}, ValueError, r"bbox must have shape \(4,\), got \(1, 4\)"),
    ({'bbox': 'all'}, TypeError, "query in image 'q': bbox must be an array of numbers, got str"),
    ({'bbox': [0, 0, 0, 5]}, ValueError, 'bbox.* x1 < x2, y1 < y2'),
    ({'bbox': [0, 0, NAN, 5]}, ValueError, 'bbox.* must be finite'),
    ({'embed': [NAN, 0]}, ValueError, 'embed must be finite, got NaN or infinity; look for an overflow'),
    ({'embed': [[1, 0]]}, ValueError, r'embed must have shape \(D,\), got \(1, 2\)'),
    ({'embed': []}, ValueError, r'embed must have shape \(D,\), got \(0,\)'),
    ({'targets': [BOX]}, TypeError, 'targets must be a dict .* got list'),
    ({'targets': {'I': BOX}}, ValueError, r"targets\['I'\] must have shape \(m, 4\), got \(4,\)"),
    ({'targets': {'I': [[0, 0, 5, 5], [0, 0, 0, 9]]}}, ValueError, r"a box of targets\['I'\] must be finite"),
    ({'targets': {'H': [BOX, BOX], 'I': [[0, 0, 5, NAN]], 'J': [BOX]}}, ValueError, r"a box of targets\['I'\] must be finite"),
    ({'gallery': 'I'}, TypeError, 'gallery must be a sequence of image ids or None, got str'),
    ({'gallery': 7}, TypeError, 'gallery must be a sequence .* got int'),
    ({'gallery': {1: 2}}, TypeError, 'gallery must be a sequence .* got dict'),
    ({'gallery': iter([1])}, TypeError, 'gallery must be a sequence .* got list_iterator'),
    ({'context_embeds': [1, 0]}, ValueError, r'context_embeds must have shape \(k, D\), got \(2,\)'),
    ({'context_embeds': [[1, 0, 0]]}, ValueError, r'context_embeds must have shape \(k, 2\) like embed, got \(1, 3\)'),
    ({'context_embeds': [[1, np.inf]]}, ValueError, 'context_embeds must be finite'),
])
def test_bad_query(changes, error, text):
    with pytest.raises(error, match=text):
        query(**changes)
