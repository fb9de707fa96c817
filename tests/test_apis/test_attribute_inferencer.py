"""Oracle: the model itself, image by image."""

import cv2
import numpy as np
import pytest
import torch

from pedsearch.apis.attribute_inferencer import AttributeInferencer
from pedsearch.registry import INFERENCERS

from .attribute_runs import NAMES, SIZE, write_attribute_run, write_noise_crops


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Folder, paths of five crops, and the probabilities of the model called by hand."""
    folder = tmp_path_factory.mktemp('attributes')
    _, model = write_attribute_run(folder)
    paths = [str(folder / 'crops' / name) for name in write_noise_crops(folder / 'crops', 5)]
    rows = []
    with torch.no_grad():
        for path in paths:
            image = torch.from_numpy(cv2.resize(cv2.imread(path), SIZE[::-1])[..., ::-1].copy()).permute(2, 0, 1)
            maps = model.image_encoder((image[None].float() - 120) / 60)
            rows.append(model.attribute_head((maps[-1] if isinstance(maps, tuple) else maps).mean(dim=(2, 3))).sigmoid()[0])
    return folder, paths, torch.stack(rows).numpy()


@pytest.mark.parametrize('options', [dict(batch_size=2), dict(batch_size=8, workers=3)])
def test_probabilities_are_those_of_the_model(run, options):
    folder, paths, expected = run
    inferencer = AttributeInferencer(folder / 'config.py', folder / 'weights.pth', device='cpu', **options)
    np.testing.assert_allclose(inferencer.probabilities(paths), expected, atol=1e-5)
    np.testing.assert_allclose(inferencer.probabilities([cv2.imread(paths[3])]), expected[3:4], atol=1e-5)
    assert inferencer.num_attributes == len(NAMES)
    assert expected.min() < .2
    assert expected.max() > .8


def test_the_registry_knows_it(run):
    assert INFERENCERS.get('AttributeInferencer') is AttributeInferencer


def test_models_that_tell_nothing(run):
    folder = run[0]
    cfg, model = write_attribute_run(folder)
    with pytest.raises(ValueError, match='attributes need a checkpoint, got none; train a model'):
        AttributeInferencer(folder / 'config.py', device='cpu')
    with pytest.raises(ValueError, match='batch_size must be >= 1 and workers >= 0, got 0 and 0'):
        AttributeInferencer(folder / 'config.py', folder / 'weights.pth', batch_size=0)
    model.cfg, model.attribute_head = cfg, None
    with pytest.raises(ValueError, match='the model must tell attributes, got AttributeModel without attribute_head'):
        AttributeInferencer(model, device='cpu')
