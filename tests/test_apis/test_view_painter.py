"""Oracles: the files, and the generator called by hand."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from pedsearch.apis import ViewPainter
from tests.test_models.test_reid.gcl_batches import SIZE, gcl_config, small_gcl

VIEWS = dict(type='MeshViewGenerator', image_size=SIZE, bodies=dict(type='WalkingBodies', photo_size=SIZE))


def write_run(folder) -> tuple[Config, str]:
    """Config and checkpoint of a small model on six photos."""
    (folder / 'crops').mkdir()
    rng = np.random.default_rng(0)
    for index in range(6):
        cv2.imwrite(str(folder / 'crops' / f'{index}.png'), rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8))
    pipeline = [dict(type='LoadImage'), dict(type='LoadMeshViews', views=VIEWS), dict(type='PackReIDInputs')]
    dataset = dict(type='CropDataset', data_root=str(folder / 'crops'), split='train', pipeline=pipeline)
    torch.save(dict(state_dict=small_gcl().state_dict()), folder / 'model.pth')
    return Config(dict(model=gcl_config(), train_dataloader=dict(dataset=dataset))), str(folder / 'model.pth')


@pytest.fixture(scope='module')
def run(tmp_path_factory) -> tuple[Config, str]:
    return write_run(tmp_path_factory.mktemp('run'))


@pytest.fixture(scope='module')
def painter(run) -> ViewPainter:
    return ViewPainter(*run)


def pixels(images: torch.Tensor) -> torch.Tensor:
    return (images * 60 + 120).round().clamp(0, 255).to(torch.uint8)


def test_photos_are_the_files(painter, run):
    photos, _ = painter.turned([0, 4], (90, ))
    for photo, index in zip(photos, (0, 4)):
        path = f'{run[0].train_dataloader.dataset.data_root}/{index}.png'
        assert np.array_equal(photo.permute(1, 2, 0).numpy(), cv2.imread(path)[..., ::-1])
    assert painter.names == [f'{index}.png' for index in range(6)]
    assert torch.equal(painter.photo(4), photos[1:])


def test_views_are_painted_on_turned_bodies(painter):
    photos, views = painter.turned([2, 3], (0, 90, 200))
    assert views.shape == (2, 3, 3, *SIZE)
    assert views.dtype == torch.uint8
    model = small_gcl().eval()
    with torch.no_grad():
        codes, _ = model.encode((photos.float() - 120) / 60)
        for row, index in enumerate((2, 3)):
            for column, angle in enumerate((0, 90, 200)):
                mesh = torch.from_numpy(painter.views(f'{index}.png', (angle, )))[None].float() / 255 * 2 - 1
                expected = pixels(model.generator(codes[[row]], mesh))[0]
                assert (views[row, column].int() - expected.int()).abs().max() <= 1


def test_mixtures_go_from_one_person_to_the_other(painter):
    mixed = painter.mixed(1, 5, (1., .5, 0.))
    _, own = painter.turned([1], (0, ))
    assert (mixed[0].int() - own[0, 0].int()).abs().max() <= 1
    assert not torch.equal(mixed[1], mixed[0])
    model = small_gcl().eval()
    with torch.no_grad():
        codes, _ = model.encode((painter.photo(5).float() - 120) / 60)
        other = pixels(model.generator(codes, painter.meshes(1, (0, ))))
    assert (mixed[2:].int() - other.int()).abs().max() <= 1


def test_configs_that_do_not_fit_are_errors(run):
    cfg, checkpoint = run
    plain = Config(dict(model=dict(type='ReIDModel')))
    with pytest.raises(ValueError, match='the config must be one with a generator, got ReIDModel'):
        ViewPainter(plain, checkpoint)
    without = cfg.copy()
    without.train_dataloader = dict(dataset=dict(cfg.train_dataloader.dataset, pipeline=[dict(type='PackReIDInputs')]))
    with pytest.raises(ValueError, match='the training pipeline must have LoadMeshViews, got none'):
        ViewPainter(without, checkpoint)
    with pytest.raises(FileNotFoundError, match='does not exist'):
        ViewPainter(cfg, 'nothing.pth')
