"""Oracles: a loop over the detections, and files read back."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from pedsearch.apis import GalleryIndex


def random_index(count: int = 30, dims: int = 8) -> GalleryIndex:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 100, (count, 2))
    embeds = rng.standard_normal((count, dims))
    return GalleryIndex(
        images=['gälery/a.jpg', 'b.jpg', 'nobody.jpg', 'c.jpg'],
        image_inds=np.sort(rng.choice([0, 1, 3], count)),
        bboxes=np.concatenate([corners, corners + 20], axis=1),
        scores=rng.uniform(.5, 1, count),
        embeds=embeds / np.linalg.norm(embeds, axis=1, keepdims=True))


@pytest.mark.parametrize('weighted', [False, True])
def test_search_is_a_sorted_loop(weighted: bool) -> None:
    index = random_index()
    embed = np.random.default_rng(1).standard_normal(8)
    scored = []
    for det in range(30):
        if index.images[index.image_inds[det]] != 'b.jpg':
            sim = float(embed @ index.embeds[det].astype(float))
            scored.append((sim * float(index.scores[det]) if weighted else sim, det))
    scored.sort(reverse=True)
    hits = index.search(embed, 7, weighted, leave_out=['b.jpg', 'elsewhere.jpg'])
    assert [hit.bbox for hit in hits] == [tuple(index.bboxes[det].tolist()) for _, det in scored[:7]]
    assert [hit.image for hit in hits] == [index.images[index.image_inds[det]] for _, det in scored[:7]]
    assert [hit.score for hit in hits] == pytest.approx([sim for sim, _ in scored[:7]], rel=1e-6)
    assert [hit.det_score for hit in hits] == [float(index.scores[det]) for _, det in scored[:7]]


def test_equal_answers_keep_the_order_of_the_index() -> None:
    count = 100
    scores, right = np.arange(count) / count, np.arange(count) % 3 == 0
    index = GalleryIndex(['a'], [0] * count, [[0, 0, 1, 1]] * count, scores, np.where(right[:, None], (1, 0), (0, 1)))
    expected = [*scores[right], *scores[~right]]
    assert [hit.det_score for hit in index.search([1, 0], topk=count)] == pytest.approx(expected)


def test_nobody_in_the_gallery_is_no_answer() -> None:
    index = GalleryIndex(['a'], [], [], [], np.zeros((0, 4)))
    assert index.search([1, 0, 0, 0]) == []


@pytest.mark.parametrize('index', [random_index(), GalleryIndex(['a'], [], [], [], np.zeros((0, 4)))])
def test_file_returns_every_bit(index: GalleryIndex, tmp_path: Path) -> None:
    path = tmp_path / 'deep/gallery.index'
    index.save(path)
    again = GalleryIndex.load(path)
    assert again.images == index.images
    for name in ('image_inds', 'bboxes', 'scores', 'embeds'):
        before, after = getattr(index, name), getattr(again, name)
        assert before.dtype == after.dtype
        assert before.shape == after.shape
        assert before.tobytes() == after.tobytes()
    assert [file.name for file in path.parent.iterdir()] == ['gallery.index']


def test_loading_never_unpickles(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / 'sprung', )

    np.savez(tmp_path / 'trap.npz', format=np.array([Trap()], dtype=object))
    (tmp_path / 'trap.pkl').write_bytes(pickle.dumps(Trap()))
    for name in ('trap.npz', 'trap.pkl'):
        with pytest.raises(ValueError, match=f'{name} is no gallery index'):
            GalleryIndex.load(tmp_path / name)
    assert not (tmp_path / 'sprung').exists()


def test_bad_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='index .*none.npz does not exist; write it with GalleryIndex.save'):
        GalleryIndex.load(tmp_path / 'none.npz')
    np.savez(tmp_path / 'other.npz', embeds=np.zeros((1, 2)))
    with pytest.raises(ValueError, match="other.npz is no gallery index .*format"):
        GalleryIndex.load(tmp_path / 'other.npz')
    np.savez(tmp_path / 'future.npz', format='pedsearch-gallery-index 2', images=[], image_inds=[], bboxes=[], scores=[],
             embeds=np.zeros((0, 4)))
    with pytest.raises(ValueError, match="future.npz must have the format 'pedsearch-gallery-index 1', got 'pedsearch-ga"):
        GalleryIndex.load(tmp_path / 'future.npz')
    random_index().save(tmp_path / 'cut.npz')
    (tmp_path / 'cut.npz').write_bytes((tmp_path / 'cut.npz').read_bytes()[:700])
    with pytest.raises(ValueError, match='cut.npz is no gallery index'):
        GalleryIndex.load(tmp_path / 'cut.npz')


@pytest.mark.parametrize(('changes', 'message'), [
    (dict(scores=[.9]), r'must have the same N, got \(2,\), \(2, 4\), \(1,\), \(2, 2\)'),
    (dict(image_inds=[0, 1]), r'image_inds must lie in 0...0, got 0...1'),
    (dict(bboxes=[[0, 0, 9, 9], [9, 9, 0, 0]]), r'bboxes\[1\] must be finite'),
    (dict(embeds='no'), 'embeds must be an array of numbers, got str'),
])
def test_arrays_must_fit(changes: dict, message: str) -> None:
    arrays = dict(images=['a'], image_inds=[0, 0], bboxes=[[0, 0, 9, 9], [5, 0, 9, 9]], scores=[.9, .8],
                  embeds=[[1, 0], [0, 1]])
    with pytest.raises((TypeError, ValueError), match=message):
        GalleryIndex(**{**arrays, **changes})


def test_search_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match=r'embed must have shape \(8,\) like the index, got \(3,\); make both'):
        random_index().search([1, 0, 0])
    with pytest.raises(ValueError, match='topk must be >= 1, got 0'):
        random_index().search(np.ones(8), topk=0)
