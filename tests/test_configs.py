"""Every config builds what it names, with the published sizes and schedules."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import init_default_scope
from torch import nn

from pedsearch.datasets.multimodal import Caption
from pedsearch.datasets.multimodal.attribute_schemas import MALS, PA100K, PETA, RAPV2
from pedsearch.models.pretrain import train_tokenizer
from pedsearch.registry import (
    DATA_SAMPLERS,
    DATASETS,
    HOOKS,
    METRICS,
    MODELS,
    OPTIM_WRAPPER_CONSTRUCTORS,
    PARAM_SCHEDULERS,
    TASK_UTILS,
)
from pedsearch.structures import ReIDDataSample
from tests.toy_models import CONFIGS, WEAK, batch, scene

FILES = sorted(path for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts)
SEARCH = [path for path in FILES if path.parent.name in ('oim', 'nae', 'seqnet', *WEAK)]
GENERATIVE = [path for path in FILES if path.stem.startswith(('gcl_', 'gcl-plus_'))]
DESCRIBED = [path for path in FILES if path.parent.name == 'val_pat']
ATTRIBUTES = [path for path in FILES if path.parent.name == 'attributes']
TEXT_SEARCH = [path for path in FILES if path.parent.name == 'text_search']
REID = [path for path in FILES if path not in SEARCH + GENERATIVE + DESCRIBED + ATTRIBUTES + TEXT_SEARCH]
BOXES = [[10., 10, 60, 150], [90, 20, 150, 190]]


def load(path: Path) -> Config:
    """The config without pretrained weights, which need a network."""
    init_default_scope('pedsearch')
    cfg = Config.fromfile(path)
    cfg.model['image_encoder' if 'image_encoder' in cfg.model else 'backbone'].init_cfg = None
    cfg.model.pop('init_cfg', None)
    if 'shared_head' in cfg.model.get('roi_head', {}):
        cfg.model.roi_head.shared_head.init_cfg = None
    return cfg


def num_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize('path', SEARCH, ids=lambda path: path.stem)
def test_search_config_loses_and_predicts(path):
    cfg = load(path)
    cfg.model.train_cfg.rpn_proposal.max_per_img = 32
    cfg.model.train_cfg.rcnn.sampler.num = 16
    cfg.model.test_cfg.rpn.max_per_img = 4
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).train()
    model.init_weights()
    if path.parent.name in WEAK:
        model.roi_head.init_memory(torch.randn(2, cfg.model.roi_head.embed_dims))
    losses = model(**model.data_preprocessor(batch(scene(BOXES, [0, -1], size=(192, 160))), True), mode='loss')
    total, _ = model.parse_losses(losses)
    assert torch.isfinite(total)
    total.backward()
    idle = [name for name, param in model.named_parameters() if param.requires_grad and param.grad is None]
    assert not idle, 'training on several processes waits for every gradient'
    model.roi_head.test_cfg.score_thr = 0.
    with torch.no_grad():
        result, = model.eval().test_step(batch(scene(BOXES, [0, -1], BOXES[:1], size=(192, 160))))
    dims = cfg.model.roi_head.embed_dims
    assert result.query_instances.embeds.shape == (1, dims)
    assert result.pred_instances.embeds.shape == (len(result.pred_instances.scores), dims)


def crops(num: int, labels: list[int]) -> dict:
    """Collated noise."""
    generator = torch.Generator().manual_seed(0)
    images = [torch.randint(0, 256, (3, 64, 32), generator=generator, dtype=torch.uint8) for _ in range(num)]
    samples = [ReIDDataSample(metainfo=dict(sample_idx=index, img_path=f'{index}.jpg', label=label,
                                               seed=index))
               for index, label in enumerate(labels)]
    return dict(inputs=images, data_samples=samples)


@pytest.mark.parametrize('path', REID, ids=lambda path: path.stem)
def test_reid_config_loses_and_predicts(path):
    cfg = load(path)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    model.train()
    batch = crops(8, [0, 0, 1, 1, 2, 2, 3, 3])
    dims = cfg.model.embed_dims
    if hasattr(model.head, 'init_memory'):
        num_source = 4 if cfg.model.get('domain_norm') else 0
        source_labels = [torch.tensor([0, 0, 1, 1])] if num_source else []
        model.head.init_memory(F.normalize(torch.randn(8, dims), dim=1), *source_labels)
        model.head.reset_memory(model.head.memory_feats(), torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])[num_source:])
    elif hasattr(model.head, 'reset_memory'):
        model.head.reset_memory(F.normalize(torch.randn(4, dims), dim=1), torch.arange(4))
    if cfg.model.get('bn_splits', 1) == 4:  # two images a group in each domain
        batch = {key: value + value for key, value in batch.items()} if cfg.model.get('domain_norm') else batch
    if cfg.model.get('domain_norm'):
        half = len(batch['inputs']) // 2
        order = [i % 4 for i in range(half)] + [4 + i % 4 for i in range(half)]
        batch = {key: [value[i] for i in order] for key, value in batch.items()}
    losses = model(**model.data_preprocessor(batch, True), mode='loss')
    total, _ = model.parse_losses(losses)
    total.backward()
    assert torch.isfinite(total)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None or not parameter.requires_grad, name
    model.head.update_memory()
    model.eval()
    with torch.no_grad():
        results = model.test_step(crops(2, [0, 1]))
    assert [tuple(result.feat.shape) for result in results] == [(dims, )] * 2
    assert all(result.feat.norm() == pytest.approx(1, abs=1e-5) for result in results)


@pytest.mark.parametrize('path', GENERATIVE, ids=lambda path: path.stem)
def test_generative_config_takes_a_step_and_predicts(path):
    cfg = load(path)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).train()
    model.init_weights()
    dims = cfg.model.embed_dims
    model.head.init_memory(torch.randn(8, dims))
    model.head.reset_memory(model.head.memory_feats(), torch.arange(8) // 2)
    batch = crops(4, [0, 1, 2, 3])
    for place, sample in enumerate(batch['data_samples']):
        sample.set_metainfo(dict(sample_idx=2 * place, seed=place))
        sample.set_data(dict(mesh=torch.full((1, 64, 48), 100, dtype=torch.uint8),
                             turned_mesh=torch.zeros(1, 64, 48, dtype=torch.uint8)))
    batch['inputs'] = [F.pad(image, (8, 8)) for image in batch['inputs']]
    constructor = OPTIM_WRAPPER_CONSTRUCTORS.get(cfg.optim_wrapper.pop('constructor'))
    log = model.train_step(batch, constructor(cfg.optim_wrapper)(model))
    assert all(value.isfinite() for value in log.values())
    assert ('loss_view' in log) == ('joint' in path.stem)
    model.eval()
    with torch.no_grad():
        results = model.test_step(crops(2, [0, 1]))
    assert [tuple(result.feat.shape) for result in results] == [(dims, )] * 2


def float_optim_wrapper(cfg: Config, model: nn.Module) -> OptimWrapper:
    """The config's, without mixed precision, which needs a GPU."""
    settings = {key: value for key, value in cfg.optim_wrapper.items() if key != 'dtype'}
    return build_optim_wrapper(model, dict(settings, type='OptimWrapper'))


@pytest.mark.parametrize('path', DESCRIBED, ids=lambda path: path.stem)
def test_config_of_texts_and_attributes_loses_and_predicts(path):
    cfg = load(path)
    cfg.model.tokenizer = train_tokenizer(['a red hat', 'a blue coat'])
    cfg.model.text_encoder.num_layers = 2
    cfg.model.bn_splits = min(cfg.model.bn_splits, 2)  # groups of the few photos below
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).train()
    model.init_weights()
    optimizer = float_optim_wrapper(cfg, model).optimizer
    num = cfg.model.attributes.num_attributes
    if model.attributes is not None:
        model.attributes.positive_rates = torch.full((num, ), .5)
    batch = crops(4, [0, 1, 2, 3])
    for place, sample in enumerate(batch['data_samples']):
        sample.set_metainfo(dict(
            image_id=place, pid=place, text_group=place, caption='a red coat', captions=[Caption('a hat')]))
        sample.set_data(dict(attributes=torch.tensor([place % 2] * num)))
    num_views = len(next(step for step in cfg.train_dataloader.dataset.pipeline if step.type == 'PhotoViews').pipelines)
    views = dict(inputs=[batch['inputs']] * num_views, data_samples=batch['data_samples'])
    losses = model(**model.data_preprocessor(views, True), mode='loss')
    assert losses.keys() == {f'loss_{name}' for name, weight in cfg.model.objectives.items() if weight}
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())
    idle = [name for name, param in model.named_parameters() if param.requires_grad and param.grad is None]
    assert not idle
    before = {name: param.detach().clone() for name, param in model.named_parameters()}
    optimizer.step()
    model.update_memory()
    moved = {name.split('.')[0] for name, param in model.named_parameters() if not torch.equal(param, before[name])}
    assert moved == {name.split('.')[0] for name in before}, 'momentum encoders follow the encoders'
    with torch.no_grad():
        result, *_ = model.eval().test_step(batch)
    if model.texts is None:
        assert result.feat.shape == (cfg.model.image_dims, )
        return
    assert result.feat.shape == result.text_feats[0].shape == (cfg.model.embed_dims, )
    assert result.attribute_probs.shape == (num, )


@pytest.mark.parametrize('path', TEXT_SEARCH, ids=lambda path: path.stem)
def test_config_of_text_search_loses_and_predicts(path):
    cfg = load(path)
    cfg.model.tokenizer = train_tokenizer(['a red hat', 'a blue coat'])
    cfg.model.text_encoder.num_layers = 1
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).train()
    model.init_weights()
    batch = crops(4, [0, 1, 2, 3])
    for sample in batch['data_samples']:
        sample.set_metainfo(dict(pid=cfg.model.num_ids - 1, caption='a red coat', captions=[Caption('a hat')]))
    losses = model(**model.data_preprocessor(batch, True), mode='loss')
    assert losses.keys() == {'loss_distribution', 'loss_identity'}
    sum(losses.values()).backward()
    assert all(param.grad is not None for param in model.parameters())
    rates = {group['lr'] for group in float_optim_wrapper(cfg, model).optimizer.param_groups}
    if 'vit-b-clip' in path.stem:
        assert sorted(rates) == pytest.approx([1e-5, 2e-5, 5e-5])  # weights, shifts, the classifier
    with torch.no_grad():
        result, *_ = model.eval().test_step(batch)
    assert result.feat.shape == result.text_feats[0].shape == (cfg.model.embed_dims, )


@pytest.mark.parametrize('path', ATTRIBUTES, ids=lambda path: path.stem)
def test_config_of_attributes_loses_and_predicts(path):
    cfg = load(path)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).train()
    model.init_weights()
    num = cfg.model.num_attributes
    model.attributes.positive_rates = torch.full((num, ), .5)
    batch = crops(4, [0, 1, 2, 3])
    for place, sample in enumerate(batch['data_samples']):
        sample.set_data(dict(attributes=torch.tensor([place % 2] * num)))
    loss, = model(**model.data_preprocessor(batch, True), mode='loss').values()
    loss.backward()
    assert loss.isfinite()
    assert all(param.grad is not None for param in model.parameters())
    with torch.no_grad():
        result, *_ = model.eval().test_step(batch)
    assert result.attribute_probs.shape == (num, )


@pytest.mark.parametrize(('name', 'schema'), [
    ('attributes/attributes_r50_1xb64-30e_pa100k', PA100K), ('attributes/attributes_r50_1xb64-30e_peta', PETA),
    ('attributes/attributes_r50_1xb64-30e_rapv2', RAPV2), ('val_pat/val-pat_vit-s_1xb1024-50e_mals', MALS)])
def test_outputs_are_as_many_as_the_schema_names(name, schema):
    cfg = load(CONFIGS / f'{name}.py')
    assert (cfg.model.get('attributes') or cfg.model).num_attributes == len(schema.names)
    assert cfg.train_dataloader.dataset.schema == cfg.train_dataloader.dataset.name == name.split('_')[-1]


@pytest.mark.parametrize('path', [path for path in DESCRIBED + ATTRIBUTES + TEXT_SEARCH + REID if path.parent.name in (
    'val_pat', 'attributes', 'text_search', 'mgn')], ids=lambda path: path.stem)
def test_pipelines_give_pictures_of_one_size(path, tmp_path):
    cfg = load(path)
    picture = str(tmp_path / 'picture.png')
    cv2.imwrite(picture, np.random.default_rng(0).integers(0, 256, (90, 40, 3), dtype=np.uint8))
    size = Compose(cfg.test_dataloader.dataset.pipeline)(sample_of(picture))['inputs'].shape
    assert size == (3, *cfg.get('size', size[1:]))
    if cfg.val_dataloader:
        assert Compose(cfg.val_dataloader.dataset.pipeline)(sample_of(picture))['inputs'].shape == size
    for seed in range(8):
        np.random.seed(seed)
        inputs = Compose(cfg.train_dataloader.dataset.pipeline)(sample_of(picture))['inputs']
        views = inputs if isinstance(inputs, list) else [inputs]
        assert {view.shape for view in views} == {size}
        assert all(view.dtype == torch.uint8 for view in views)
        assert len(views) == 1 or not torch.equal(views[0], views[1])


def sample_of(picture: str) -> dict:
    """What a data set says of a photo."""
    return dict(img_path=picture, sample_idx=0, seed=0, label=0, pid=0, camid=0, image_id=0, name='picture.png',
                captions=[Caption('a man', group=3)], attributes=np.array([0, 1]))


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_config_names_what_exists(path):
    cfg = load(path)
    metrics = cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else [cfg.test_evaluator]
    for registry, entry in ((DATASETS, cfg.train_dataloader.dataset), (DATASETS, cfg.test_dataloader.dataset),
                            (DATA_SAMPLERS, cfg.train_dataloader.sampler), *((METRICS, metric) for metric in metrics),
                            *((HOOKS, hook) for hook in cfg.custom_hooks)):
        assert registry.get(entry.type) is not None
    for hook in cfg.custom_hooks:
        if hook.get('clusterer'):
            TASK_UTILS.build(hook.clusterer)
    sampler = cfg.train_dataloader.sampler
    assert sampler.get('global_batch_size', cfg.train_dataloader.batch_size) == cfg.train_dataloader.batch_size
    for metric in metrics:
        METRICS.build(metric)
    assert cfg.train_cfg.max_epochs == int(re.search(r'-(\d+)e[-_]', path.stem)[1])
    assert cfg.train_dataloader.batch_size == int(re.search(r'_1xb(\d+)-', path.stem)[1])


@pytest.mark.parametrize('folder', sorted({path.parent for path in FILES}), ids=lambda folder: folder.name)
def test_metafile_and_readme_name_every_config(folder):
    meta = yaml.safe_load((folder / 'metafile.yml').read_text())
    configs = sorted(path.relative_to(CONFIGS.parent).as_posix() for path in folder.glob('*.py'))
    assert sorted(model['Config'] for model in meta['Models']) == configs
    assert all(Path(config).stem == model['Name'] for config, model in zip(configs, sorted(
        meta['Models'], key=lambda model: model['Config'])))
    assert (CONFIGS.parent / meta['Collections'][0]['Code']).is_file()
    index = yaml.safe_load((CONFIGS.parent / 'model-index.yml').read_text())
    assert f'configs/{folder.name}/metafile.yml' in index['Import']
    readme = (folder / 'README.md').read_text()
    assert [path.name for path in folder.glob('*.py') if path.stem not in readme and path.name not in readme] == []


@pytest.mark.parametrize('path', sorted(CONFIGS.rglob('*.py')), ids=lambda path: path.stem)
def test_inheritance_is_at_most_two_deep(path):
    def bases_of(file: Path) -> list[Path]:
        namespace: dict = {}
        exec(compile(re.sub(r'{{.*?}}', 'None', file.read_text()), str(file), 'exec'), namespace)  # noqa: S102
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
    """Learning rate at some iterations."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=cfg.optim_wrapper.optimizer.lr)
    entries = cfg.param_scheduler if isinstance(cfg.param_scheduler, list) else [cfg.param_scheduler]
    schedulers = [PARAM_SCHEDULERS.build(
        dict(entry, optimizer=optimizer, **(dict(epoch_length=iterations_per_epoch)
                                            if entry.get('convert_to_iter_based') else {}))) for entry in entries]
    seen = []
    for iteration in range(max(wanted) + 1):
        if iteration in wanted:
            seen.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            if not scheduler.by_epoch or (iteration + 1) % iterations_per_epoch == 0:
                scheduler.step()
    return seen


@pytest.mark.parametrize(('name', 'iterations', 'expected'), [
    ('bot/bot_r50_1xb64-120e_market1501', 1,
     {0: 3.815e-5, 4: 1.7675e-4, 8: 3.1535e-4, 9: 3.5e-4, 38: 3.5e-4, 39: 3.5e-5, 69: 3.5e-6}),
    ('agw/agw_r50_1xb64-120e_market1501', 202,
     {0: 3.5e-5, 500: 1.1375e-4, 1000: 1.925e-4, 1999: 3.498425e-4, 2000: 3.5e-4, 49 * 202 - 1: 3.5e-4,
      49 * 202: 3.5e-5, 99 * 202 - 1: 3.5e-5, 99 * 202: 3.5e-6}),
    ('agw/agw_r50_1xb64-120e_msmt17', 472, {44 * 472 - 1: 3.5e-4, 44 * 472: 3.5e-5, 94 * 472: 3.5e-6}),
    ('cluster_contrast/cluster-contrast_r50_1xb256-50e_market1501', 1,
     {0: 3.5e-4, 19: 3.5e-4, 20: 3.5e-5, 39: 3.5e-5, 40: 3.5e-6, 49: 3.5e-6}),
    ('spcl/spcl_r50_1xb64-50e_msmt17', 1, {19: 3.5e-4, 20: 3.5e-5, 40: 3.5e-6}),
    ('mgn/mgn_r50_1xb64-60e_market1501', 202,
     {0: 3.5e-6, 10 * 202: 3.5e-4, 30 * 202: 3.5e-4, 45 * 202: (3.5e-4 + 7.7e-7) / 2}),
    ('val_pat/val-pat-views_r50_1xb2560-200e_luperson', 1,  # O32
     {0: .3, 50: .2560660172, 100: .15, 150: .0439339828}),
    ('val_pat/val-pat_r50_1xb1024-50e_mals', 4, {0: 5e-6, 8: 5e-4, 4 * 26: (5e-4 + 1e-6) / 2}),
])
def test_published_learning_rates_of_reid(name, iterations, expected):
    rates = learning_rates(load(CONFIGS / f'{name}.py'), iterations, list(expected))
    assert rates == pytest.approx(list(expected.values()), rel=1e-6)


def test_published_parameter_counts_of_reid():
    cfg = load(CONFIGS / 'cluster_contrast/cluster-contrast_r50_1xb256-50e_market1501.py')
    model = MODELS.build(cfg.model)
    assert num_parameters(model) == 23_512_129
    assert sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad) == 23_510_081
    model.eval()
    assert model.backbone(torch.zeros(1, 3, 256, 128))[-1].shape == (1, 2048, 16, 8)


def test_published_parameter_counts_of_mgn():
    model = MODELS.build(load(CONFIGS / 'mgn/mgn_r50_1xb64-60e_market1501.py').model)
    parts = {'backbone': 64_609_344, 'pooling': 4_194_312, 'neck': 4_096, 'head': 1_538_048}
    assert {name: num_parameters(part) for name, part in model.named_children() if num_parameters(part)} == parts


@pytest.mark.parametrize(('profile', 'tokens'), [('vit_s', 129), ('vit_b_clip', 193)])  # O31
def test_tokens_of_the_profiles(profile, tokens):
    settings = load(CONFIGS / '_base_' / 'models' / f'val_pat_{profile}.py').model.image_encoder
    encoder = MODELS.build(dict(settings, out_type='raw'))
    encoder.eval()
    with torch.no_grad():
        assert encoder(torch.zeros(1, 3, *settings.img_size))[-1].shape == (1, tokens, encoder.embed_dims)


@pytest.mark.parametrize(('config', 'shape'), [('val_pat_r50', (8, 4)), ('attributes_r50', (8, 4)), ('reid_r50', (16, 8))])
def test_maps_of_resnet_50(config, shape):  # O31
    model = load(CONFIGS / '_base_' / 'models' / f'{config}.py').model
    encoder = MODELS.build(model.get('image_encoder') or model.backbone)
    encoder.eval()
    with torch.no_grad():
        assert encoder(torch.zeros(1, 3, 256, 128))[-1].shape == (1, 2048, *shape)


@pytest.mark.parametrize('profile', ['r50', 'vit-s', 'vit-b-clip'])
def test_text_side_is_slower_and_norms_and_shifts_do_not_decay(profile):
    path, = (CONFIGS / 'val_pat').glob(f'val-pat_{profile}_1xb1024*.py')
    cfg = load(path)
    cfg.model.tokenizer = train_tokenizer(['a red hat'])
    cfg.model.text_encoder.num_layers = 1
    model = MODELS.build(cfg.model)
    wrapper = float_optim_wrapper(cfg, model)
    base, places = cfg.optim_wrapper.optimizer.lr, {id(p): name for name, p in model.named_parameters()}
    for group in wrapper.optimizer.param_groups:
        (param, ), name = group['params'], places[id(group['params'][0])]
        assert group['lr'] == pytest.approx(base * (.2 if 'text_' in name else 1)), name
        kept = param.ndim == 1 or name == 'texts.temperature'
        assert group['weight_decay'] == pytest.approx(0 if kept else .05), name


def test_non_local_blocks_begin_as_identities():
    cfg = load(CONFIGS / 'agw/agw_r50_1xb64-120e_market1501.py')
    torch.manual_seed(0)
    with_blocks = MODELS.build(cfg.model.backbone)
    with_blocks.init_weights()
    without = MODELS.build(dict(cfg.model.backbone, non_local=None))
    without.load_state_dict({name: value for name, value in with_blocks.state_dict().items() if 'non_local' not in name})
    x = torch.randn(2, 3, 64, 32)
    with_blocks.eval(), without.eval()
    torch.testing.assert_close(with_blocks(x)[-1], without(x)[-1])


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
