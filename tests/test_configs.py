"""Every config builds what it names, with the published sizes and schedules."""

import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from pedsearch.registry import DATASETS, HOOKS, METRICS, MODELS
from tests.toy_models import CONFIGS, batch, scene

FILES = sorted(path for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts)
BOXES = [[10., 10, 60, 150], [90, 20, 150, 190]]


def load(path: Path) -> Config:
    """The config without pretrained weights, which need a network."""
    init_default_scope('pedsearch')
    cfg = Config.fromfile(path)
    cfg.model.backbone.init_cfg = cfg.model.roi_head.shared_head.init_cfg = None
    return cfg


def num_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_config_loses_and_predicts(path):
    cfg = load(path)
    cfg.model.train_cfg.rpn_proposal.max_per_img = 32
    cfg.model.train_cfg.rcnn.sampler.num = 16
    cfg.model.test_cfg.rpn.max_per_img = 4
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).train()
    model.init_weights()
    losses = model(**model.data_preprocessor(batch(scene(BOXES, [0, -1], size=(192, 160))), True), mode='loss')
    total, _ = model.parse_losses(losses)
    assert torch.isfinite(total)
    model.roi_head.test_cfg.score_thr = 0.
    with torch.no_grad():
        result, = model.eval().test_step(batch(scene(BOXES, [0, -1], BOXES[:1], size=(192, 160))))
    dims = cfg.model.roi_head.embed_dims
    assert result.query_instances.embeds.shape == (1, dims)
    assert result.pred_instances.embeds.shape == (len(result.pred_instances.scores), dims)


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_config_names_what_exists(path):
    cfg = load(path)
    for registry, entry in ((DATASETS, cfg.train_dataloader.dataset), (DATASETS, cfg.test_dataloader.dataset),
                            (METRICS, cfg.test_evaluator), (HOOKS, cfg.custom_hooks[0])):
        assert registry.get(entry.type) is not None
    METRICS.build(cfg.test_evaluator)
    assert cfg.train_cfg.max_epochs == int(re.search(r'-(\d+)e_', path.stem)[1])
    assert cfg.train_dataloader.batch_size == int(re.search(r'_1xb(\d+)-', path.stem)[1])


@pytest.mark.parametrize('path', sorted(CONFIGS.rglob('*.py')), ids=lambda path: path.stem)
def test_inheritance_is_at_most_two_deep(path):
    def bases_of(file: Path) -> list[Path]:
        namespace: dict = {}
        exec(compile(file.read_text(), str(file), 'exec'), namespace)  # noqa: S102
        bases = namespace.get('_base_', [])
        return [(file.parent / base).resolve() for base in ([bases] if isinstance(bases, str) else bases)]

    for base in bases_of(path):
        for grandparent in bases_of(base):
            assert not bases_of(grandparent)


@pytest.mark.parametrize(('method', 'parts'), [
    ('nae', {'': 33_433_509, 'backbone': 8_543_296, 'roi_head.shared_head': 14_964_736, 'rpn_head': 9_515_083,
             'roi_head.regressor': 16_408, 'roi_head.embedding': 393_986}),
    ('seqnet', {'': 48_418_735, 'roi_head.first_classifier': 20_490, 'roi_head.first_shared_head': 14_964_736}),
])
def test_published_parameter_counts(method, parts):
    cfg = load(CONFIGS / '_base_' / 'models' / f'{method}_r50.py')
    model = MODELS.build(cfg.model)
    for name, count in parts.items():
        assert num_parameters(model.get_submodule(name)) == count, name


def learning_rates(cfg: Config, iterations_per_epoch: int, wanted: list[int]) -> list[float]:
    from mmengine.optim import LinearLR, MultiStepLR
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=cfg.optim_wrapper.optimizer.lr)
    warmup, steps = (dict(entry) for entry in cfg.param_scheduler)
    schedulers = [LinearLR(optimizer, **{key: value for key, value in warmup.items() if key != 'type'}),
                  MultiStepLR(optimizer, **{key: value for key, value in steps.items() if key != 'type'})]
    seen = []
    for iteration in range(max(wanted) + 1):
        if iteration in wanted:
            seen.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        schedulers[0].step()
        if (iteration + 1) % iterations_per_epoch == 0:
            schedulers[1].step()
    return seen


@pytest.mark.parametrize(('name', 'iterations', 'expected'), [
    ('seqnet_r50_1xb5-20e_cuhk-sysu', 2241,
     {0: 3e-6, 1: 4.337946e-6, 1000: 1.340946e-3, 2239: 2.998663e-3, 2240: 3e-3, 16 * 2241: 3e-4}),
    ('seqnet_r50_1xb5-18e_prw', 1140, {0: 3e-6, 1: 5.631255e-6, 500: 1.318628e-3, 1139: 3e-3, 16 * 1140: 3e-4}),
])
def test_published_learning_rates(name, iterations, expected):
    rates = learning_rates(load(CONFIGS / 'seqnet' / f'{name}.py'), iterations, list(expected))
    assert rates == pytest.approx(list(expected.values()), rel=1e-6)


def test_anchors_of_the_trunk():
    model = MODELS.build(load(CONFIGS / '_base_' / 'models' / 'oim_r50.py').model)
    assert model.rpn_head.prior_generator.base_anchors[0][0].tolist() == [-23, -11, 23, 11]
    assert model.rpn_head.num_base_priors == 15
