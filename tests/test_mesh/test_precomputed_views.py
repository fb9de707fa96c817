import os
import re

import numpy as np
import pytest
from PIL import Image

from pedsearch.mesh import MeshViewGenerator, PrecomputedViews, WalkingBodies, view_path, write_views
from pedsearch.registry import TASK_UTILS

NAME = 'bounding_box_train/0002_c1s1_000451_03.jpg'
SIZE = (64, 32)


@pytest.fixture
def roots(tmp_path):
    """A photo and its pictures at 0 and 45 degrees, told apart by their grey."""
    photos, meshes = tmp_path / 'photos', tmp_path / 'meshes'
    for path, grey in ((photos / NAME, 60), (meshes / view_path(NAME, 0), 100), (meshes / view_path(NAME, 45), 200)):
        path.parent.mkdir(parents=True)
        Image.new('RGB' if grey == 60 else 'L', (32, 64), (grey,) * 3 if grey == 60 else grey).save(path)
    return str(photos), str(meshes)


@pytest.mark.parametrize(('name', 'angle', 'path'), [
    (NAME, 0, 'train/render/0002_c1s1_000451_03.jpg'),
    (NAME, 315, 'train/render_315/0002_c1s1_000451_03.jpg'),
    (NAME, 360, 'train/render/0002_c1s1_000451_03.jpg'),
    ('bounding_box_test/x.jpg', 45, 'test/render_45/x.jpg'),
    ('MSMT17_V2/mask_train_v2/0001/0001_000_01_x.jpg', 90, 'train/render_90/0001/0001_000_01_x.jpg'),
])  # fmt: skip
def test_the_published_layout(name, angle, path):
    assert view_path(name, angle) == path


def test_pictures_are_read(roots):
    views = TASK_UTILS.build(dict(type='PrecomputedViews', photo_root=roots[0], mesh_root=roots[1], image_size=SIZE))
    found = views(NAME, (45, 0))
    assert found.shape == (2, *SIZE)
    assert found.dtype == np.uint8
    assert abs(int(found[0].mean()) - 200) < 3
    assert abs(int(found[1].mean()) - 100) < 3


def test_resized_as_pillow_does(roots):
    path = os.path.join(roots[1], view_path(NAME, 0))
    noise = np.random.default_rng(0).integers(0, 256, (64, 32), np.uint8)
    Image.fromarray(noise).save(path)
    with Image.open(path) as image:
        expected = np.asarray(image.convert('L').resize((16, 40), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(PrecomputedViews(*roots, (40, 16))(NAME, (0,))[0], expected)


def test_what_is_written_is_read(tmp_path):
    """Names, folders and angles survive the round trip; JPEG costs some grey levels."""
    names = [NAME, 'query/0001_c1s1_001051_00.jpg']
    for name in names:
        (tmp_path / 'photos' / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (32, 64)).save(tmp_path / 'photos' / name)
    views = MeshViewGenerator(WalkingBodies(), SIZE)
    photos, meshes = str(tmp_path / 'photos'), str(tmp_path / 'meshes')
    assert list(write_views(WalkingBodies(), names, photos, meshes, (0, 135))) == names
    read = PrecomputedViews(photos, meshes, SIZE)
    for name in names:
        difference = np.abs(read(name, (0, 135)).astype(int) - views(name, (0, 135)))
        assert difference.mean() < 3
    written = sorted(os.path.relpath(os.path.join(folder, file), tmp_path / 'meshes').replace(os.sep, '/')
                     for folder, _, files in os.walk(tmp_path / 'meshes') for file in files)  # fmt: skip
    assert written == sorted(view_path(name, angle) for name in names for angle in (0, 135))


def test_what_is_there_is_not_written_again(tmp_path):
    path = tmp_path / view_path(NAME, 0)
    path.parent.mkdir(parents=True)
    path.write_bytes(b'there')
    photo = tmp_path / 'photos' / NAME
    photo.parent.mkdir(parents=True)
    Image.new('RGB', (90, 200)).save(photo)
    list(write_views(WalkingBodies(), [NAME], str(tmp_path / 'photos'), str(tmp_path), (0, 45)))
    assert path.read_bytes() == b'there'
    with Image.open(tmp_path / view_path(NAME, 45)) as picture:
        assert picture.size == (90, 200)


def test_a_photo_is_never_its_own_mesh(roots, tmp_path):
    """T6, however it comes about: equal roots, a link to the root, a link to the photo."""
    photos, meshes = roots
    (tmp_path / 'link').symlink_to(photos)
    for root in (photos, photos + '/', str(tmp_path / 'link')):
        with pytest.raises(ValueError, match='mesh_root must be another folder than photo_root'):
            PrecomputedViews(photos, root, SIZE)
    picture = os.path.join(meshes, view_path(NAME, 0))
    os.remove(picture)
    os.symlink(os.path.join(photos, NAME), picture)
    with pytest.raises(ValueError, match='must be another file, got the photo itself'):
        PrecomputedViews(photos, meshes, SIZE)(NAME, (0,))


def test_a_missing_mesh(roots):
    """T6."""
    with pytest.raises(FileNotFoundError, match=re.escape(view_path(NAME, 90)) + ', which does not exist'):
        PrecomputedViews(*roots, SIZE)(NAME, (0, 90))
    with pytest.raises(FileNotFoundError, match='expected a photo, got'):
        PrecomputedViews(*roots, SIZE)('bounding_box_train/none.jpg', (0,))


@pytest.mark.parametrize(('width', 'height', 'fits'), [(224, 224, False), (64, 128, True), (33, 64, True), (48, 64, False)])
def test_a_mesh_of_other_proportions(roots, width, height, fits):
    """T6: pictures may be larger than the photo, not of another shape."""
    Image.new('L', (width, height)).save(os.path.join(roots[1], view_path(NAME, 0)))
    views = PrecomputedViews(*roots, SIZE)
    if fits:
        assert views(NAME, (0,)).shape == (1, *SIZE)
    else:
        with pytest.raises(ValueError, match=f'64 x 32 .* got {height} x {width} in .* not a square crop'):
            views(NAME, (0,))


def test_unknown_folders():
    with pytest.raises(ValueError, match=r"expected a photo in one of the folders bounding_box_train, .* got 'x/a.jpg'"):
        view_path('x/a.jpg', 0)
