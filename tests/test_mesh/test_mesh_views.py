import multiprocessing
import os
import pickle

import numpy as np
import pytest
import torch

from pedsearch.mesh import ANGLES_DEG, MeshViewGenerator, SoftwareRenderer, WalkingBodies, vertex_normals
from pedsearch.mesh.mesh_views import ViewStore, render_turned
from pedsearch.mesh.person_meshes import PersonMeshes
from pedsearch.registry import TASK_UTILS

NAMES = ['a.jpg', 'b/c.jpg', 'd.jpg']
SIZE = (32, 16)


class CountedBodies(WalkingBodies):
    """Counts the photos it is asked for."""

    asked = 0

    def __call__(self, names):
        self.asked += len(names)
        return super().__call__(names)


def counted():
    return CountedBodies(names=NAMES)


def test_views_are_what_the_renderer_draws_of_turned_people():
    bodies = WalkingBodies()
    views = MeshViewGenerator(bodies, SIZE)('a.jpg', (0, 45, 270))
    assert views.dtype == np.uint8
    assert views.shape == (3, *SIZE)
    for view, angle in zip(views, (0, 45, 270), strict=True):
        people = bodies(['a.jpg']).turned(torch.deg2rad(torch.tensor([float(angle)])))
        normals = vertex_normals(people.vertices, people.faces)
        expected = SoftwareRenderer(SIZE).draw(people.project(SIZE), normals, people.faces).image[0, 0]
        assert np.abs(view - 255 * expected.numpy()).max() <= 1
    assert views[0].max() == 255  # background
    assert views[0].min() < 200


def test_nobody_in_the_picture_is_background_everywhere():
    """T4: +1 after the network's normalisation (v / 255 - 0.5) / 0.5."""
    people = WalkingBodies()(['a.jpg'])
    behind = PersonMeshes(
        people.vertices * torch.tensor([1.0, 1.0, -1.0]), people.faces, people.focal, people.principal, people.photo_size
    )
    picture = render_turned(behind, [0.0], SoftwareRenderer(SIZE)).float()
    assert bool(((picture / 255 - 0.5) / 0.5 == 1).all())


def test_angles_are_degrees_and_whole_turns_count_for_nothing():
    views = MeshViewGenerator(WalkingBodies(), SIZE)
    np.testing.assert_array_equal(views('a.jpg', (360, -90, 0)), views('a.jpg', (0, 270, 0)))
    assert views('a.jpg', ()).shape == (0, *SIZE)
    assert (views('a.jpg', (0,)) != views('a.jpg', (180,))).any()


def test_built_from_a_config():
    views = TASK_UTILS.build(
        dict(type='MeshViewGenerator', bodies=dict(type='WalkingBodies'), image_size=SIZE,
             renderer=dict(type='SoftwareRenderer', image_size=SIZE, supersample=1)))  # fmt: skip
    assert views('a.jpg', (0,)).shape == (1, *SIZE)


@pytest.mark.parametrize('kind', ['memory', 'folder'])
def test_nothing_is_drawn_twice(kind, tmp_path):
    bodies = counted()
    views = MeshViewGenerator(bodies, SIZE, cache='memory' if kind == 'memory' else str(tmp_path / 'cache'))
    expected = MeshViewGenerator(counted(), SIZE)('b/c.jpg', ANGLES_DEG)
    first = views('b/c.jpg', (90, 0))
    assert bodies.asked == 1
    np.testing.assert_array_equal(views('b/c.jpg', (0, 90, 0)), expected[[0, 2, 0]])
    assert bodies.asked == 1
    np.testing.assert_array_equal(views('b/c.jpg', ANGLES_DEG), expected)  # two known, six new
    assert bodies.asked == 2
    np.testing.assert_array_equal(first, expected[[2, 0]])


def test_a_folder_is_shared_and_lasts(tmp_path):
    first = MeshViewGenerator(counted(), SIZE, cache=str(tmp_path))
    expected = first('a.jpg', ANGLES_DEG)
    bodies = counted()
    np.testing.assert_array_equal(MeshViewGenerator(bodies, SIZE, cache=str(tmp_path))('a.jpg', ANGLES_DEG), expected)
    assert bodies.asked == 0
    worker = pickle.loads(pickle.dumps(first))  # as a started process gets it: what it draws, the others see
    worker('d.jpg', (45,))
    MeshViewGenerator(bodies, SIZE, cache=str(tmp_path))('d.jpg', (45,))
    assert bodies.asked == 0


@pytest.mark.parametrize('changed', [
    dict(image_size=(24, 16)), dict(bodies=WalkingBodies(names=NAMES, seed=1)),
    dict(bodies=WalkingBodies(names=NAMES[:2])), dict(renderer=SoftwareRenderer(SIZE, ambient=0.5)),
])  # fmt: skip
def test_other_bodies_sizes_and_renderers_have_files_of_their_own(changed, tmp_path):
    kept = MeshViewGenerator(WalkingBodies(names=NAMES), SIZE, cache=str(tmp_path))
    kept('a.jpg', (0,))
    setting = {**dict(bodies=WalkingBodies(names=NAMES), image_size=SIZE), **changed}
    found = MeshViewGenerator(**setting, cache=str(tmp_path))('a.jpg', (0,))
    np.testing.assert_array_equal(found, MeshViewGenerator(**setting)('a.jpg', (0,)))
    assert len([path for path in os.listdir(tmp_path) if path.endswith('.u8')]) == 2


def test_what_the_folder_does_not_keep_is_drawn(tmp_path):
    """Angles that are not kept, and photos beyond the list."""
    bodies = counted()
    views = MeshViewGenerator(bodies, SIZE, cache=str(tmp_path), angles_deg=(0, 90))
    plain = MeshViewGenerator(counted(), SIZE)
    for name, angle in (('a.jpg', 10), ('other.jpg', 0)):
        for _ in range(2):
            np.testing.assert_array_equal(views(name, (angle,)), plain(name, (angle,)))
    assert bodies.asked == 4


def fill(folder, order):
    views = MeshViewGenerator(WalkingBodies(names=NAMES), SIZE, cache=folder)
    for number in order:
        views(NAMES[number], (0, 45))


def test_several_processes_fill_one_file(tmp_path):
    context = multiprocessing.get_context('fork')
    workers = [context.Process(target=fill, args=(str(tmp_path), order)) for order in ((0, 1, 2), (2, 1, 0))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    bodies = counted()
    found = MeshViewGenerator(bodies, SIZE, cache=str(tmp_path))
    plain = MeshViewGenerator(counted(), SIZE)
    for name in NAMES:
        np.testing.assert_array_equal(found(name, (0, 45)), plain(name, (0, 45)))
    assert bodies.asked == 0


def test_a_picture_counts_only_with_its_flag(tmp_path):
    """A process that dies between picture and flag leaves a picture that is drawn again."""
    store = ViewStore(str(tmp_path / 'v.u8'), (2, 1, 4, 3))
    store.views[1, 0] = 7
    assert ViewStore(str(tmp_path / 'v.u8'), (2, 1, 4, 3)).get(1, [0]) == [None]
    store.put(1, 0, np.full((4, 3), 9, np.uint8))
    np.testing.assert_array_equal(ViewStore(str(tmp_path / 'v.u8'), (2, 1, 4, 3)).get(1, [0])[0], np.full((4, 3), 9))


def test_errors(tmp_path):
    with pytest.raises(ValueError, match=r'the renderer must draw \(32, 16\) \(height, width\), got \(16, 8\)'):
        MeshViewGenerator(WalkingBodies(), SIZE, SoftwareRenderer((16, 8)))
    with pytest.raises(ValueError, match="a cache in a folder needs bodies with names .*; use cache='memory'"):
        MeshViewGenerator(WalkingBodies(), SIZE, cache=str(tmp_path))
    (tmp_path / 'v.u8').write_bytes(b'123')
    with pytest.raises(ValueError, match=r'must have 24 bytes, got 3; delete it and its \.done'):
        ViewStore(str(tmp_path / 'v.u8'), (2, 1, 4, 3))
