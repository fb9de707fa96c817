"""SMPL itself is not free; a stand-in with its call and its faces tests what surrounds it."""

import sys
import types

import numpy as np
import pytest
import torch

from pedsearch.mesh.smpl_bodies import SMPLFits
from pedsearch.registry import TASK_UTILS

FACES = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.uint32)


class StandIn:
    """Vertices that tell which numbers went where."""

    faces = FACES

    def __init__(self, model_path, create_transl=True):
        assert (model_path, create_transl) == ('smpl.pkl', False)

    def __call__(self, betas, global_orient, body_pose):
        assert (betas.shape[1], global_orient.shape[1], body_pose.shape[1]) == (10, 3, 69)
        corners = torch.tensor([[0.1, -0.2, 0.05], [1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
        told = torch.stack((betas[:, 0], global_orient[:, 0], body_pose[:, -1]), 1)
        return types.SimpleNamespace(vertices=corners + told[:, None])


@pytest.fixture
def arrays():
    theta = np.zeros((2, 85), np.float32)
    theta[:, :3] = [0.9, 0.02, 0.03]
    theta[1, 75], theta[1, 3], theta[1, 74] = 0.5, 0.25, 0.125  # first of the shape, first and last of the pose
    return dict(names=np.array(['a.jpg', 'b.jpg']), theta=theta, photo_size=np.array([[128, 64], [256, 128]]))


def write(tmp_path, arrays):
    np.savez(tmp_path / 'hmr.npz', **arrays)
    return str(tmp_path / 'hmr.npz')


@pytest.fixture
def _smplx(monkeypatch):
    monkeypatch.setitem(sys.modules, 'smplx', types.SimpleNamespace(SMPL=StandIn))


@pytest.mark.usefixtures('_smplx')
def test_people_from_85_numbers(tmp_path, arrays):
    bodies = TASK_UTILS.build(dict(type='SMPLFits', file=write(tmp_path, arrays), model_path='smpl.pkl'))
    people = bodies(['b.jpg', 'a.jpg'])
    translation = torch.tensor([0.02, 0.03, 500 / (0.5 * 224 * 0.9)])
    torch.testing.assert_close(people.vertices[1, 0], torch.tensor([0.1, -0.2, 0.05]) + translation)
    torch.testing.assert_close(people.vertices[0, 3], torch.tensor([0.5, 0.25, 1.125]) + translation)
    assert people.faces.tolist() == FACES.tolist()
    assert people.faces.dtype == torch.int64
    assert people.focal.tolist() == pytest.approx([500 / 0.875, 500 / 1.75])
    assert people.valid.all()
    x, y, _ = people.project((128, 64))[1, 0].tolist()
    assert (x, y) == pytest.approx((38.843022, 54.305718), abs=1e-4)


@pytest.mark.usefixtures('_smplx')
def test_crops_and_validity_where_given(tmp_path, arrays):
    given = dict(scale=np.array([2.0, 4.0]), centre=np.array([[30.0, 60], [50, 90]]), valid=np.array([False, True]))
    people = SMPLFits(write(tmp_path, {**arrays, **given}), 'smpl.pkl')(['a.jpg', 'b.jpg'])
    assert people.focal.tolist() == [250.0, 125.0]
    assert people.principal.tolist() == [[30, 60], [50, 90]]
    assert people.valid.tolist() == [False, True]


def test_without_smplx(tmp_path, arrays, monkeypatch):
    monkeypatch.setitem(sys.modules, 'smplx', None)
    with pytest.raises(ImportError, match=r"pip install 'pedsearch\[smpl\]'"):
        SMPLFits(write(tmp_path, arrays), 'smpl.pkl')(['a.jpg'])


@pytest.mark.usefixtures('_smplx')
def test_errors(tmp_path, arrays):
    with pytest.raises(ValueError, match='must hold names, theta and photo_size, got no theta'):
        SMPLFits(write(tmp_path, {name: arrays[name] for name in ('names', 'photo_size')}), 'smpl.pkl')
    with pytest.raises(ValueError, match=r'theta of .* must have shape \(2, 85\) for 2 names, got \(2, 82\)'):
        SMPLFits(write(tmp_path, {**arrays, 'theta': np.zeros((2, 82))}), 'smpl.pkl')
    with pytest.raises(ValueError, match="no body of 'c.jpg'"):
        SMPLFits(write(tmp_path, arrays), 'smpl.pkl')(['c.jpg'])
    with pytest.raises(FileNotFoundError, match='expected a file of bodies'):
        SMPLFits('none.npz', 'smpl.pkl')
