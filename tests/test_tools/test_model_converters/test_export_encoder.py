"""Oracle: the features of the model that was pre-trained."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint

from pedsearch.apis import load_weights
from pedsearch.apis.checkpoints import PRETRAINING_ONLY
from pedsearch.models.pretrain import train_tokenizer
from pedsearch.registry import MODELS
from tests.test_models.test_pretrain.described_batches import DIMS, NUM_ATTRIBUTES, TEXTS, small_model, text_parts

FOLDER = Path(__file__).parents[3] / 'tools/model_converters'


@pytest.fixture(scope='module')
def tool():
    sys.path.insert(0, str(FOLDER))
    spec = importlib.util.spec_from_file_location('export_encoder', FOLDER / 'export_encoder.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(FOLDER))


ENCODER = dict(type='ReIDResNet', depth=18, stem_channels=4, base_channels=4)
NORM = dict(mean=[120.] * 3, std=[60.] * 3, bgr_to_rgb=True)


@pytest.fixture
def trained(tmp_path):
    """Config and checkpoint of a small pre-training, and its model."""
    train_tokenizer(TEXTS).save(tmp_path / 'words.json')
    model = dict(
        type='ValPat', image_encoder=ENCODER, image_dims=DIMS, embed_dims=8,
        objectives=dict(views=1., texts=1., attributes=1.), views=dict(embed_dims=8, queue_length=10),
        attributes=dict(num_attributes=NUM_ATTRIBUTES),
        text_encoder=dict(type='TextTransformer', context=12, width=16, num_layers=1, num_heads=2),
        tokenizer=dict(type='saved_tokenizer', file=str(tmp_path / 'words.json')),
        data_preprocessor=dict(type='ViewsDataPreprocessor', **NORM))
    resize = dict(type='mmpretrain.Resize', scale=(32, 64))
    Config(dict(
        model=model, train_dataloader=dict(dataset=dict(schema='toy')),
        test_dataloader=dict(dataset=dict(pipeline=[resize])))).dump(tmp_path / 'config.py')
    init_default_scope('pedsearch')
    built = MODELS.build(model).eval()
    built.attributes.positive_rates = torch.full((NUM_ATTRIBUTES, ), .5)
    torch.save(dict(state_dict=built.state_dict()), tmp_path / 'iter_1.pth')
    return tmp_path, built


def test_the_next_model_has_the_same_features(tool, trained):  # O35
    root, model = trained
    out = root / 'encoder.pth'
    assert tool.main([str(root / 'config.py'), str(root / 'iter_1.pth'), '--out', str(out)]) == 0
    start = dict(type='Pretrained', checkpoint=str(out), prefix='image_encoder')
    other = MODELS.build(dict(
        type='ReIDModel', backbone=dict(ENCODER, init_cfg=start), embed_dims=DIMS, head=dict(type='GCLHead')))
    other.init_weights()
    assert other.backbone.state_dict().keys() == model.image_encoder.state_dict().keys()
    images = torch.randn(2, 3, 64, 32)
    with torch.no_grad():
        assert torch.equal(other.eval().backbone(images)[-1], model.image_encoder(images)[-1])


def test_the_file_says_what_belongs_to_it(tool, trained):
    root, model = trained
    out = root / 'encoder.pth'
    tool.main([str(root / 'config.py'), str(root / 'iter_1.pth'), '--out', str(out)])
    content = torch.load(out, weights_only=True)
    meta = content['meta']
    assert {name.split('.')[0] for name in content['state_dict']} == set(tool.KEPT)
    assert meta['input_size'] == (64, 32)
    assert (meta['mean'], meta['std'], meta['bgr_to_rgb']) == ([120.] * 3, [60.] * 3, True)
    assert meta['image_encoder'] == ENCODER
    assert meta['vocabulary_sha256'] == model.tokenizer.fingerprint
    assert meta['attribute_schema'] == 'toy'
    again = MODELS.build(dict(
        type='AttributeModel', image_encoder=ENCODER, image_dims=DIMS, num_attributes=NUM_ATTRIBUTES))
    missing, unexpected = again.load_state_dict(content['state_dict'], strict=False)
    assert [name for name in missing if 'extra' not in name and 'rates' not in name] == []
    assert all(name.startswith(('text', 'image_neck')) for name in unexpected)


def test_the_vocabulary_goes_with_the_weights(tool, trained):
    root, model = trained
    out = root / 'encoder.pth'
    tool.main([str(root / 'config.py'), str(root / 'iter_1.pth'), '--out', str(out)])
    same = small_model('TextSearchModel', seed=1, objectives=dict(contrast=1.), **text_parts())
    load_weights(same, str(out), (*PRETRAINING_ONLY, 'attribute_head.'))
    assert torch.equal(same.text_neck.weight, model.text_neck.weight)
    words = same.tokenizer.to_json().replace('trousers', 'stockings')
    parts = text_parts() | dict(tokenizer=type(same.tokenizer).from_json(words))
    other = small_model('TextSearchModel', objectives=dict(contrast=1.), **parts)
    for load in (lambda: load_checkpoint(other, str(out), 'cpu'), lambda: load_weights(
            other, str(out), (*PRETRAINING_ONLY, 'attribute_head.'))):
        with pytest.raises(ValueError, match='the checkpoint must have the vocabulary of the model'):
            load()


def test_other_files_are_errors(tool, trained, capsys):
    root, _ = trained
    args = ['--out', str(root / 'x.pth')]
    assert tool.main([str(root / 'config.py'), str(root / 'none.pth'), *args]) == 1
    assert 'none.pth does not exist' in capsys.readouterr().err
    torch.save(dict(state_dict={'a': torch.ones(1)}), root / 'bad.pth')
    assert tool.main([str(root / 'config.py'), str(root / 'bad.pth'), *args]) == 1
    assert 'does not fit the model' in capsys.readouterr().err
    Config(dict(model=dict(type='ReIDModel'))).dump(root / 'other.py')
    assert tool.main([str(root / 'other.py'), str(root / 'bad.pth'), *args]) == 1
    assert 'must be one with an image_encoder, got ReIDModel; take one of pre-training' in capsys.readouterr().err
    assert not (root / 'x.pth').exists()
