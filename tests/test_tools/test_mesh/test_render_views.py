import importlib.util
from pathlib import Path

import pytest
import torch
from PIL import Image

from pedsearch.mesh import BodyFits, BodyParameters, PrecomputedViews, save_fits

TOOL = Path(__file__).parents[3] / 'tools/mesh/render_views.py'
NAMES = ['bounding_box_train/a.jpg', 'query/b.jpg']


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('render_views', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(importlib.util.find_spec('anny') is None, reason='anny is not installed')
def test_pictures_of_the_published_layout(tool, tmp_path, capsys):
    size = torch.tensor([[64.0, 32.0]]).repeat(2, 1)
    people = BodyParameters.standing(torch.tensor([[0.0, 0.0, 8.0]]).repeat(2, 1))
    fits = BodyFits(people, torch.full((2,), 256.0), size.flip(1) / 2, size, torch.zeros(2), torch.ones(2) > 0)
    save_fits(str(tmp_path / 'f.npz'), NAMES, fits)
    for name in NAMES:
        (tmp_path / 'photos' / name).parent.mkdir(parents=True)
        Image.new('RGB', (32, 64)).save(tmp_path / 'photos' / name)
    out = str(tmp_path / 'meshes')
    photos = str(tmp_path / 'photos')
    assert tool.main([str(tmp_path / 'f.npz'), '--photos', photos, '--out', out, '--angles', '0', '90']) == 0
    assert capsys.readouterr().out == f'2 people at 2 angles in {out}\n'
    views = PrecomputedViews(str(tmp_path / 'photos'), out, (64, 32))
    front, side = views(NAMES[0], (0, 90))
    assert (side < 250).sum() < 0.8 * (front < 250).sum()  # people are broader than deep
    assert views(NAMES[1], (0,)).min() < 200


def test_errors_are_one_line(tool, capsys):
    assert tool.main(['none.npz', '--photos', 'x', '--out', 'x']) == 1
    assert capsys.readouterr().err.startswith('error: expected a file of bodies, got none.npz')
