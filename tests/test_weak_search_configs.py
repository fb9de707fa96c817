"""The configs of weakly supervised person search have the published numbers."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.structures import InstanceData

from pedsearch.registry import MODELS, TASK_UTILS
from tests.test_configs import learning_rates, load, num_parameters
from tests.toy_models import CONFIGS

DICL = {'cuhk': 'dicl/dicl_r50_1xb4-26e_cuhk-sysu', 'prw': 'dicl/dicl_r50_1xb4-26e_prw',
        'cuhk clean': 'dicl/dicl_r50_1xb4-26e-clean_cuhk-sysu', 'prw clean': 'dicl/dicl_r50_1xb4-26e-clean_prw'}
CGPS = {'cuhk': 'cgps/cgps_r50_1xb5-26e_cuhk-sysu', 'prw': 'cgps/cgps_r50_1xb5-24e_prw'}


def config(name: str):
    return load(CONFIGS / f'{name}.py')


def test_parameters_of_dicl():
    """O-27; the layers without use are left out of 180.87 million."""
    model = MODELS.build(config(DICL['prw']).model)
    counts = {name: num_parameters(model.get_submodule(name)) for name in (
        'backbone', 'neck', 'rpn_head', 'roi_head.roi_extractor', 'roi_head.deform', 'roi_head.fc_embed', '')}
    assert counts == {'backbone': 23_508_032, 'neck': 11_704_340, 'rpn_head': 9_515_083,
                      'roi_head.roi_extractor': 89_303_208, 'roi_head.deform': 9_603_090,
                      'roi_head.fc_embed': 22_020_352, '': 179_817_055}
    towers = model.roi_head.classifier, model.roi_head.regressor
    assert sum(num_parameters(tower[4]) for tower in towers) == 3_078
    assert sum(num_parameters(tower) for tower in towers) - 3_078 == 14_159_872


def test_parameters_of_cgps():
    """Linear layers 2048 -> 2, 4, 128 and 1024 -> 128 on the trunk of NAE."""
    model = MODELS.build(config(CGPS['prw']).model)
    layers = sum(num_parameters(getattr(model.roi_head, name)) for name in ('fc_cls', 'fc_reg', 'fc_c5', 'fc_c4'))
    assert layers == 2049 * (2 + 4 + 128) + 1025 * 128
    assert num_parameters(model) - layers == 8_543_296 + 14_964_736 + 9_515_083


@pytest.mark.parametrize('name', [DICL['prw'], DICL['cuhk clean']])
def test_learning_rate(name):
    """O-17."""
    expected = {0: 5e-6, 1121: 5.025e-4, 2241: 9.99556e-4, 2242: 1e-3, 16 * 1426 - 1: 1e-3, 16 * 1426: 1e-4,
                22 * 1426 - 1: 1e-4, 22 * 1426: 1e-5}
    assert learning_rates(config(name), 1426, list(expected)) == pytest.approx(list(expected.values()), rel=1e-6)


def test_optimizer():
    wrapper = config(DICL['prw']).optim_wrapper
    assert wrapper.optimizer == dict(type='SGD', lr=.001, momentum=.9, weight_decay=5e-4)
    assert wrapper.clip_grad == dict(max_norm=10., norm_type=2)
    assert 'paramwise_cfg' not in wrapper  # weight decay on everything


@pytest.mark.parametrize('name', [DICL['prw'], CGPS['cuhk']])
def test_anchors(name):
    """O-18."""
    generator = TASK_UTILS.build(config(name).model.rpn_head.anchor_generator)
    anchors = generator.grid_priors([(2, 3)], device='cpu')[0].view(2, 3, 15, 4)
    sizes = (anchors[..., 2:] - anchors[..., :2])[0, 0]
    expected = [(scale * 16 / ratio**.5, scale * 16 * ratio**.5) for ratio in (1, 2, 3) for scale in (2, 4, 8, 16, 32)]
    torch.testing.assert_close(sizes, torch.tensor(expected))
    torch.testing.assert_close(sizes[[0, 5, 10]], torch.tensor([[32, 32], [22.6274, 45.2548], [18.4752, 55.4256]]))
    centres = (anchors[..., 2:] + anchors[..., :2]) / 2
    torch.testing.assert_close(centres, torch.tensor([[[[16. * x, 16 * y]] * 15 for x in range(3)] for y in range(2)]))


@pytest.fixture(scope='module')
def pictures(tmp_path_factory) -> dict[tuple[int, int], Path]:
    """Files of PRW's two frame sizes, (width, height)."""
    folder = tmp_path_factory.mktemp('frames')
    sizes = [(1920, 1080), (720, 576)]
    for width, height in sizes:
        cv2.imwrite(str(folder / f'{width}.jpg'), np.zeros((height, width, 3), np.uint8))
    return {size: folder / f'{size[0]}.jpg' for size in sizes}


def network_input(cfg, pipeline: list, path: Path) -> tuple[tuple, tuple]:
    """(width, height) after the pipeline and after the data preprocessor."""
    sample = dict(img_path=str(path), img_id=0, seed=0, first_slot=0, queries=[], instances=[
        dict(bbox=[10, 10, 60, 160], bbox_label=0, ignore_flag=False, pid=-1)])
    packed = Compose(pipeline)(sample)
    inputs = MODELS.build(cfg.model.data_preprocessor)(
        dict(inputs=[packed['inputs']], data_samples=[packed['data_samples']]), False)['inputs']
    return tuple(packed['inputs'].shape[:0:-1]), tuple(inputs.shape[:1:-1])


@pytest.mark.parametrize(('frame', 'scale', 'resized', 'padded'), [
    ((1920, 1080), None, (1500, 844), (1504, 864)), ((720, 576), None, (1125, 900), (1152, 928)),
    ((1920, 1080), (667, 400), (667, 375), (672, 384)), ((1920, 1080), (2000, 1200), (2000, 1125), (2016, 1152))])
def test_sizes_of_images(pictures, frame, scale, resized, padded):
    """O-19: the test pipeline, or the training pipeline with one of its scales."""
    cfg = config(DICL['prw'])
    pipeline = (cfg.train_dataloader if scale else cfg.test_dataloader).dataset.pipeline
    if scale:
        step, = (step for step in pipeline if step.type == 'mmcv.RandomChoiceResize')
        assert scale in step.scales
        step.scales = [scale]
    assert network_input(cfg, pipeline, pictures[frame]) == (resized, padded)


SCALES = [(667, 400), (1000, 600), (1333, 800), (1500, 900), (1666, 1000), (2000, 1200)]


@pytest.mark.parametrize(('name', 'scales'), [
    (DICL['cuhk'], SCALES[:5]), (DICL['prw'], SCALES), (CGPS['cuhk'], SCALES), (CGPS['prw'], SCALES)])
def test_training_scales(name, scales):
    pipeline = config(name).train_dataloader.dataset.pipeline
    step, = (step for step in pipeline if step.type == 'mmcv.RandomChoiceResize')
    assert (step.scales, step.keep_ratio) == (scales, True)
    assert [step.prob for step in pipeline if step.type == 'mmdet.RandomFlip'] == [.5]


CASES = {  # O-22: proposals against a person at (0, 0, 100, 200)
    (0., 0., 100., 130.): .65, (0., 0., 100., 140.): .70, (0., 0., 50., 100.): .25, (0., 0., 100., 18.): .09,
    (90., 180., 190., 380.): .005025}


@pytest.mark.parametrize(('name', 'expected'), [
    (DICL['cuhk'], [1, 1, -1, 0, 0]), (DICL['prw'], [-1, 1, -1, 0, 0]), (CGPS['cuhk'], [1, 1, -1, 0, 0]),
    (CGPS['prw'], [1, 1, -1, 0, 0]), (DICL['prw clean'], [-1, 1, -1, 0, 0])])
def test_assigned_proposals(name, expected):
    """O-22: 1 person, 0 background, -1 left out."""
    assigner = TASK_UTILS.build(config(name).model.train_cfg.rcnn.assigner)
    gt = InstanceData(bboxes=torch.tensor([[0., 0, 100, 200]]), labels=torch.zeros(1, dtype=torch.long))
    result = assigner.assign(InstanceData(priors=torch.tensor(list(CASES))), gt)
    assert result.gt_inds.tolist() == expected
    assert result.max_overlaps.tolist() == pytest.approx(list(CASES.values()), abs=1e-6)


@pytest.mark.parametrize(('name', 'bbox', 'min_samples', 'score_weighted', 'query'), [
    (DICL['cuhk'], 10., 2, False, 'gt_box'), (DICL['prw'], 10., 4, True, 'best_detection'),
    (CGPS['cuhk'], 10., 4, True, 'gt_box'), (CGPS['prw'], 1., 4, True, 'best_detection')])
def test_settings_of_each_data_set(name, bbox, min_samples, score_weighted, query):
    cfg = config(name)
    assert cfg.model.roi_head.loss_weights.bbox == bbox
    assert cfg.custom_hooks[0].clusterer == dict(
        type='ReliableDBSCANCluster', eps=.7, gap=.02, min_samples=min_samples, k1=30, k2=6)
    assert cfg.test_evaluator.score_weighted == score_weighted
    assert cfg.model.test_cfg.rcnn.query == query
    assert cfg.model.test_cfg.rcnn.get('normalize_embeds', False) == (name == DICL['prw'])
    assert cfg.train_dataloader.batch_size == (4 if name.startswith('dicl') else 5)


def test_clean_preset_differs_by_named_switches_only():
    release, clean = (config(f'_base_/models/dicl_r50{preset}').model.to_dict() for preset in ('', '_clean'))

    def differences(a: dict, b: dict, path: str = '') -> dict:
        if isinstance(a, dict) and isinstance(b, dict):
            return {key: value for name in a.keys() | b.keys()
                    for key, value in differences(a.get(name), b.get(name), f'{path}.{name}').items()}
        return {} if a == b else {path[1:]: (a, b)}

    assert differences(release, clean) == {
        'occlusion.stop_at_small': (True, False), 'neck.offset_init': ('xavier', 'zero'),
        'roi_head.memory.eps': (1e-6, 0.), 'roi_head.skip_single_label': (True, False),
        'roi_head.unit_mean': (False, True), 'roi_head.consistency_reduction': ('element', 'row'),
        'test_cfg.rcnn.normalize_embeds': (False, True)}
