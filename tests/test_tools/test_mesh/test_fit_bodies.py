import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pedsearch.mesh import load_fits

TOOL = Path(__file__).parents[3] / 'tools/mesh/fit_bodies.py'
needs_anny = pytest.mark.skipif(importlib.util.find_spec('anny') is None, reason='anny is not installed')

# A man of 128 x 64 who faces us: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles; left is at the right.
MAN = [(32, 15), (34, 13), (30, 13), (37, 15), (27, 15), (43, 29), (21, 29), (46, 47), (18, 47), (47, 63), (17, 63),
       (38, 65), (26, 65), (38, 90), (26, 90), (38, 114), (26, 114)]  # fmt: skip


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('fit_bodies', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.FitSettings = lambda: settings()
    return module


def settings():
    from pedsearch.mesh import FitSettings

    return FitSettings(yaws=2, coarse_steps=5, fine_steps=30)


@pytest.fixture
def root(tmp_path):
    """Five photos of one man and his keypoints; on the last photo they are of no body."""
    folder = tmp_path / 'data' / 'train'
    folder.mkdir(parents=True)
    people = []
    for number in range(5):
        Image.new('RGB', (64, 128), (90, 120, 150)).save(folder / f'{number}.jpg')
        points = [value for x, y in MAN for value in (x, y + number, 1.0)]
        people.append(dict(file_name=f'{number}.jpg', keypoints=points))
    people[4]['keypoints'] = [value for x, y in MAN[::-1] for value in (y / 2, 2 * x, 1.0)]
    (tmp_path / 'k.json').write_text(json.dumps(people))
    return tmp_path


def arguments(root, *more):
    return [str(root / 'k.json'), '--photos', str(root / 'data/train'), '--root', str(root / 'data'), '--out',
            str(root / 'out/bodies.npz'), '--batch', '2', *more]  # fmt: skip


@needs_anny
def test_fits_and_sheet(tool, root, capsys):
    assert tool.main(arguments(root, '--contact-sheet', str(root / 'sheet.png'))) == 0
    names, fits = load_fits(str(root / 'out/bodies.npz'))
    assert names == [f'train/{number}.jpg' for number in range(5)]
    assert fits.valid.tolist() == [True] * 4 + [False]
    printed = capsys.readouterr().out
    median, most = (float(torch.quantile(fits.error, share)) for share in (0.5, 0.9))
    assert printed == f'5 people, reprojection error {median:.2f} px (median), {most:.2f} px (90 %), 20.0% failed\n'
    assert median < 3
    with Image.open(root / 'sheet.png') as sheet:
        assert sheet.size == (5 * 256, 256)
    assert [path.name for path in (root / 'out').iterdir()] == ['bodies.npz']


@needs_anny
def test_an_interrupted_run_goes_on(tool, root, monkeypatch):
    """Batches that were finished are not fitted again, and the file is as if nothing had happened."""
    assert tool.main(arguments(root)) == 0
    expected = load_fits(str(root / 'out/bodies.npz'))[1].parameters.rows()
    (root / 'out/bodies.npz').unlink()
    fit, calls = tool.fit_bodies, []

    def breaks(points, *rest):
        calls.append(len(points))
        if len(calls) == 3:
            raise OSError('the disk is full')
        return fit(points, *rest)

    monkeypatch.setattr(tool, 'fit_bodies', breaks)
    assert tool.main(arguments(root)) == 1
    assert not (root / 'out/bodies.npz').exists()
    assert tool.main(arguments(root)) == 0
    assert calls == [2, 2, 1, 1]
    found = load_fits(str(root / 'out/bodies.npz'))[1].parameters.rows()
    np.testing.assert_array_equal(found.numpy(), expected.numpy())


@needs_anny
def test_parts_of_other_keypoints_are_not_used(tool, root, monkeypatch):
    tool.fit_in_parts(
        tool.read_keypoints(str(root / 'k.json'), 'coco17', '', 2), ['a', 'b'], str(root / 'data/train'),
        str(root / 'out/bodies.npz.parts'), 2, settings(),
    )  # fmt: skip
    calls = []
    fit = tool.fit_bodies
    monkeypatch.setattr(tool, 'fit_bodies', lambda points, *rest: calls.append(1) or fit(points, *rest))
    assert tool.main(arguments(root, '--limit', '2')) == 0
    assert len(calls) == 1
    assert load_fits(str(root / 'out/bodies.npz'))[0] == ['train/0.jpg', 'train/4.jpg']  # evenly spread


@pytest.mark.parametrize(('more', 'message'), [
    (('--limit', '0'), 'expected --batch and --limit >= 1, got 2 and 0'),
    (('--root', 'elsewhere'), '--photos must lie in --root'),
    (('--layout', 'market14'), 'must be an HDF5 file|h5py'),
])  # fmt: skip
def test_errors_are_one_line(tool, root, capsys, more, message):
    assert tool.main(arguments(root, *more)) == 1
    printed = capsys.readouterr().err
    assert printed.startswith('error: ')
    assert printed.count('\n') == 1
    assert any(part in printed for part in message.split('|'))


@needs_anny
def test_a_missing_photo(tool, root, capsys):
    (root / 'data/train/3.jpg').unlink()
    assert tool.main(arguments(root)) == 1
    assert '3.jpg, which does not exist; check --photos' in capsys.readouterr().err
