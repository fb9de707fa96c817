"""The configs of GCL and GCL+ have the published sizes, schedules and settings."""

import pytest
import torch

from pedsearch.engine import PartOptimizers
from pedsearch.registry import DATA_SAMPLERS, MODELS, PARAM_SCHEDULERS
from tests.test_configs import load
from tests.toy_models import CONFIGS

WARMUP, JOINT = (load(CONFIGS / f'gcl/gcl_r50_1xb16-{stage}_market1501.py') for stage in ('40e-warmup', '20e-joint'))
RELEASED = load(CONFIGS / 'gcl/gcl_r50_1xb16-20e-joint-release_market1501.py')


@pytest.fixture(scope='module')
def model():
    return MODELS.build(JOINT.model)


def trained(module: torch.nn.Module) -> int:
    return sum(param.numel() for param in module.parameters() if param.requires_grad)


def test_parameters(model):  # T8
    assert trained(model.encoder()) == 24_558_144
    assert trained(model.generator) == 13_380_675
    assert trained(model.discriminator) == 1_025_571
    assert trained(model) == 24_558_144 + 13_380_675 + 1_025_571
    warmup = MODELS.build(WARMUP.model)
    assert trained(warmup) == 13_380_675 + 1_025_571


def test_shapes(model):  # T7
    images = torch.randn(1, 3, 256, 128)
    with torch.no_grad():
        codes, feats = model.eval().encode(images)
        painted = model.generator(codes, torch.ones(1, 1, 256, 128))
        scores = model.discriminator(images)
    assert codes.flatten(1).shape == (1, 8192)
    assert feats.shape == (1, 512)
    assert painted.shape == images.shape
    assert [tuple(score.shape) for score in scores] == [(1, 1, 64, 32), (1, 1, 32, 16), (1, 1, 16, 8)]


def rates(cfg, name: str, model) -> list[float]:
    """Learning rate of a part in each of 20 epochs."""
    wrappers = {key: value for key, value in cfg.optim_wrapper.items() if key != 'constructor'}
    optimizer = PartOptimizers(wrappers)(model)[name].optimizer
    schedule = cfg.param_scheduler[name]  # every part has an entry, mmengine asks for it
    scheduler = schedule and PARAM_SCHEDULERS.build(dict(schedule, optimizer=optimizer))
    seen = []
    for _ in range(20):
        seen.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        if scheduler:
            scheduler.step()
    return seen


def test_learning_rates(model):  # T35
    assert rates(JOINT, 'encoder', model) == pytest.approx([3.5e-4] * 10 + [3.5e-5] * 10)
    assert rates(JOINT, 'generator', model) == pytest.approx([1e-4] * 10 + [1e-5] * 10)
    assert rates(RELEASED, 'encoder', model) == pytest.approx([3.5e-4] * 10 + [3.5e-5] * 10)
    for part in ('generator', 'discriminator'):
        assert rates(RELEASED, part, model) == pytest.approx([1e-5] * 20)
    assert WARMUP.param_scheduler is None
    assert WARMUP.optim_wrapper.generator.optimizer == dict(
        type='Adam', lr=1e-4, betas=(0., .999), weight_decay=5e-4)


@pytest.mark.parametrize(('images', 'iterations'), [(12_936, 808), (16_522, 1_032), (32_621, 2_038)])
def test_iterations_of_an_epoch(images, iterations):  # T34
    sampler = DATA_SAMPLERS.build(dict(WARMUP.train_dataloader.sampler, dataset=range(images), seed=0))
    assert len(sampler) / WARMUP.train_dataloader.batch_size == iterations


def test_switches_of_the_presets():
    memory, released = JOINT.model.head.memory, RELEASED.model.head.memory
    assert (memory.negatives, memory.shared_positive, memory.num_negatives) == ('own', True, 8192)
    assert (released.negatives, released.shared_positive, released.num_negatives) == ('generated', False, 8192)
    assert [cfg.model.feat_target for cfg in (JOINT, RELEASED)] == ['turned', 'rebuilt']
    assert [cfg.model.update_statistics for cfg in (JOINT, RELEASED)] == ['photos', 'all']
    assert [cfg.model.generator.mapper.part_layout for cfg in (JOINT, RELEASED)] == ['part', 'channel']
    load_views = RELEASED.train_dataloader.dataset.pipeline[2]
    assert load_views.angles_deg == (45, 90, 135, 180, 225, 270)
    clusterer = JOINT.custom_hooks[0].clusterer
    assert (clusterer.eps_ratio, clusterer.min_samples, clusterer.k1, clusterer.k2) == (.002, 4, 30, 6)
    wider = load(CONFIGS / 'gcl/gcl_r50_1xb16-20e-joint_msmt17.py')
    assert wider.custom_hooks[0].clusterer.eps_ratio == .0012
    plus = load(CONFIGS / 'gcl_plus/gcl-plus_r50_1xb16-20e-joint_market1501.py')
    assert plus.custom_hooks[0].clusterer.eps == .55
