import importlib.util

import numpy as np
import pytest
import torch

from pedsearch.mesh import AnnyFits
from pedsearch.mesh.body_fitting import BodyFits
from pedsearch.mesh.body_pose import BodyParameters, PosedAnny, body_up
from pedsearch.mesh.fitted_bodies import load_fits, save_fits
from pedsearch.registry import TASK_UTILS

needs_anny = pytest.mark.skipif(importlib.util.find_spec('anny') is None, reason='anny is not installed')
NAMES = ['train/a.jpg', 'train/b.jpg', 'query/c.jpg']


def some_fits():
    generator = torch.Generator().manual_seed(0)
    rows = torch.rand(3, 41, generator=generator) * 0.4
    rows[:, -1] += 9
    sizes = torch.tensor([[128.0, 48.0], [128.0, 50.0], [256.0, 100.0]])
    return BodyFits(
        BodyParameters.from_rows(rows), 4 * sizes[:, 0], sizes.flip(1) / 2, sizes, torch.tensor([1.0, 2.0, float('nan')]),
        torch.tensor([True, True, False]),
    )  # fmt: skip


@pytest.fixture
def file(tmp_path):
    save_fits(str(tmp_path / 'f.npz'), NAMES, some_fits())
    return str(tmp_path / 'f.npz')


def test_what_is_saved_is_read_again(file):
    names, fits = load_fits(file)
    expected = some_fits()
    assert names == NAMES
    torch.testing.assert_close(fits.parameters.rows(), expected.parameters.rows(), atol=0, rtol=0)
    for name in ('focal', 'principal', 'photo_size', 'error', 'valid'):
        torch.testing.assert_close(getattr(fits, name), getattr(expected, name), atol=0, rtol=0, equal_nan=True)


def test_files_are_small_plain_and_whole(file, tmp_path):
    """A few hundred bytes a person, no pickled objects, no unfinished file left behind."""
    assert [path.name for path in tmp_path.iterdir()] == ['f.npz']
    with np.load(file, allow_pickle=False) as arrays:
        assert sum(arrays[name].nbytes for name in arrays.files) / 3 < 300


@needs_anny
def test_people_of_some_photos(file):
    bodies = TASK_UTILS.build(dict(type='AnnyFits', file=file))
    assert bodies.names == NAMES
    people = bodies(['query/c.jpg', 'train/a.jpg'])
    expected = some_fits()
    pick = BodyParameters.from_rows(expected.parameters.rows()[[2, 0]])
    torch.testing.assert_close(people.vertices, PosedAnny().vertices(pick), atol=1e-5, rtol=0)
    torch.testing.assert_close(people.up, body_up(pick.root))
    assert people.valid.tolist() == [False, True]
    assert people.photo_size.tolist() == [[256, 100], [128, 48]]
    assert people.focal.tolist() == [1024, 512]


def test_fingerprints_tell_files_apart(file, tmp_path):
    other = some_fits()
    other.photo_size[0, 1] += 1
    save_fits(str(tmp_path / 'other.npz'), NAMES, other)
    save_fits(str(tmp_path / 'same.npz'), NAMES, some_fits())
    first, second, third = (AnnyFits(path).fingerprint for path in (file, str(tmp_path / 'other.npz'), str(tmp_path / 'same.npz')))
    assert first == third != second


def test_errors(file, tmp_path):
    with pytest.raises(ValueError, match=r"no body of 'a\.jpg' in .*, which holds 3, such as 'train/a\.jpg'; fit this"):
        AnnyFits(file)(['train/a.jpg', 'a.jpg'])
    with pytest.raises(FileNotFoundError, match='expected a file of bodies, got none.npz'):
        load_fits('none.npz')
    (tmp_path / 'text.npz').write_text('hello')
    with pytest.raises(ValueError, match=r'must be an \.npz file of arrays, got another; it comes from tools/mesh'):
        load_fits(str(tmp_path / 'text.npz'))
    np.savez(tmp_path / 'others.npz', a=np.zeros(3))
    with pytest.raises(ValueError, match="must be of format 'pedsearch anny fits 1', got 'none'"):
        load_fits(str(tmp_path / 'others.npz'))
    with pytest.raises(ValueError, match='expected 3 different names for 3 fits, got 3, 2 of them different'):
        save_fits(str(tmp_path / 'x.npz'), ['a', 'a', 'b'], some_fits())
