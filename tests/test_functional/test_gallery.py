import numpy as np
import pytest
import torch

from pedsearch.functional import SearchQuery
from pedsearch.functional.detection_table import DetectionTable
from pedsearch.functional.gallery import DUPLICATES, GalleryFinder, check_duplicates

BOX = [0, 0, 50, 150]


def table_of(counts):
    """A table with so many detections per image."""
    return DetectionTable.build({img_id: ([BOX] * n, [.9] * n, [[1.]] * n) for img_id, n in counts.items()}, .5)


def query(gallery=None, img_id='q'):
    return SearchQuery(img_id, BOX, [1.], {}, gallery=gallery)


def plain_gallery(table, names, duplicates):
    """Detections, counts in n_gt and counts in the ranking of the images that a gallery names."""
    names = list(names)
    dets, counted, ranked = [], [], []
    for row, img_id in enumerate(table.img_ids):
        named = sum(name == img_id for name in names)
        counted.append(min(named, 1) if duplicates == 'dedup' else named)
        ranked.append(named if duplicates == 'dicl' else min(named, 1))
        for det in range(table.starts[row], table.starts[row + 1]):
            dets += [det] * ranked[-1]
    return dets, counted, ranked


def as_lists(gallery):
    return gallery.dets.tolist(), gallery.counted.tolist(), gallery.ranked.tolist()


@pytest.mark.parametrize(('duplicates', 'dets', 'counted', 'ranked'), [
    ('dedup', [2, 3, 4], [0, 0, 1, 1], [0, 0, 1, 1]),
    ('dicl', [2, 3, 4, 4], [0, 0, 1, 2], [0, 0, 1, 2]),
    ('seqnet', [2, 3, 4], [0, 0, 1, 2], [0, 0, 1, 1]),
])
def test_an_image_named_twice(duplicates, dets, counted, ranked):
    """Image 'a' holds detections 0 and 1, 'b' none, 'c' 2 and 3, 'd' 4."""
    finder = GalleryFinder(table_of(dict(a=2, b=0, c=2, d=1)), duplicates)
    assert as_lists(finder.of(query(['d', 'c', 'd']))) == (dets, counted, ranked)


def test_without_a_list_all_images_but_the_own():
    finder = GalleryFinder(table_of(dict(a=2, b=0, c=2, d=1)), 'dedup')
    assert as_lists(finder.of(query(img_id='c'))) == ([0, 1, 4], [1, 1, 0, 1], [1, 1, 0, 1])
    assert as_lists(finder.of(query(img_id='b'))) == ([0, 1, 2, 3, 4], [1, 0, 1, 1], [1, 0, 1, 1])
    assert as_lists(finder.of(query(img_id='elsewhere'))) == ([0, 1, 2, 3, 4], [1] * 4, [1] * 4)
    assert as_lists(finder.of(query(['c'], img_id='c'))) == ([2, 3], [0, 0, 1, 0], [0, 0, 1, 0])  # a list stays as it is


@pytest.mark.parametrize('duplicates', DUPLICATES)
@pytest.mark.parametrize('kind', [
    list, tuple, np.array, torch.tensor, set, lambda names: np.array(names, np.int32), lambda names: np.array(names, np.uint64),
    lambda names: np.array(names, object)])
def test_equals_the_plain_loop(kind, duplicates):
    """Galleries name images twice, in any order, and images below, between and above those of the table."""
    rng = np.random.default_rng(0)
    for _ in range(8):
        table = table_of({img_id: int(rng.integers(0, 4)) for img_id in rng.permutation(30)[:15].tolist()})
        gallery = kind(rng.integers(0, 40, 25).tolist())
        found = as_lists(GalleryFinder(table, duplicates).of(query(gallery)))
        assert found == plain_gallery(table, (int(name) for name in gallery), duplicates)


def test_named_images_and_an_empty_list():
    table = table_of({'b.jpg': 2, 'a.jpg': 1, 7: 3})
    finder = GalleryFinder(table, 'dicl')
    for gallery in ([7, 'a.jpg', 'none.jpg'], ('a.jpg', 'a.jpg'), np.array(['b.jpg', 'a.jpg'])):
        assert as_lists(finder.of(query(gallery))) == plain_gallery(table, gallery, 'dicl')
    for gallery in ([], np.array([], np.int64), ['none.jpg']):
        assert as_lists(finder.of(query(gallery))) == ([], [0] * 3, [0] * 3)


def test_one_gallery_is_looked_up_once():
    finder = GalleryFinder(table_of(dict(a=2, b=1)), 'dedup')
    names = ['b']
    assert finder.of(query(names)) is finder.of(query(names))


def test_many_galleries_are_not_mixed_up():
    """Each list dies with its query, so the next one may lie at the same address; the finder must not take it for the last."""
    table = table_of({img_id: 1 for img_id in range(20)})
    finder = GalleryFinder(table, 'dedup')
    for number in range(300):
        assert finder.of(query([number % 20])).dets.tolist() == [number % 20]
    assert len(finder.shared) <= 64


def test_ways_to_count_duplicates():
    assert [check_duplicates(value) for value in DUPLICATES] == ['dedup', 'dicl', 'seqnet']
    for value in ('Dedup', True, None):
        with pytest.raises(ValueError, match=rf"duplicates must be one of \('dedup', 'dicl', 'seqnet'\), got {value!r}"):
            check_duplicates(value)
