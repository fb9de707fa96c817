"""Oracles: the parts by hand."""

import pytest
import torch
import torch.nn.functional as F

from pedsearch.datasets.multimodal import Caption
from pedsearch.models.pretrain.image_text import attributes_of, captions_of, column, pool_maps

from .described_batches import DIMS, TEXTS, batch, small_model, text_parts


def build(**kwargs):
    return small_model('TextSearchModel', **{**dict(objectives=dict(distribution=1.)), **text_parts(), **kwargs}).eval()


def test_embeddings_are_unit_projections():
    model, images = build(), torch.randn(3, 3, 64, 32)
    with torch.no_grad():
        pooled = model.image_encoder(images)[-1].mean(dim=(2, 3))
        torch.testing.assert_close(model.extract_feat(images), F.normalize(model.image_neck(pooled), dim=1))
        torch.testing.assert_close(model(images), model.extract_feat(images))
        text = model.text_encoder(*model.tokenizer.encode(TEXTS[:2], 12))
        torch.testing.assert_close(model.extract_text_feat(TEXTS[:2]), F.normalize(model.text_neck(text), dim=1))


def test_each_image_gets_the_embeddings_of_its_own_captions():
    model, data = build(), batch(num=3, num_views=1)
    for sample, texts in zip(data['data_samples'], (TEXTS[:2], [], TEXTS[4:5])):
        sample.set_metainfo(dict(captions=[Caption(text) for text in texts]))
    with torch.no_grad():
        first, second, third = model.test_step(data)
        torch.testing.assert_close(first.text_feats, model.extract_text_feat(TEXTS[:2]))
        torch.testing.assert_close(third.text_feats, model.extract_text_feat(TEXTS[4:5]))
    assert second.text_feats.shape == (0, 8)


def test_outputs_of_backbones_become_rows():
    maps = torch.randn(2, 5, 4, 3)
    pooling = torch.nn.AdaptiveAvgPool2d(1)
    assert pool_maps((maps[:, :2], maps), pooling) is not None
    torch.testing.assert_close(pool_maps([maps[:1], maps], pooling).flatten(1), maps.mean(dim=(2, 3)))
    assert pool_maps(maps[:, :, 0, 0], pooling).shape == (2, 5)  # of a transformer, pooled already


def test_columns_of_samples():
    samples = batch(num_views=1)['data_samples']
    assert captions_of(samples) == [sample.caption for sample in samples]
    assert column(samples, 'pid', torch.device('cpu')).tolist() == [0, 0, 1, 1]
    assert column(samples, 'other', torch.device('cpu')).tolist() == [-1] * 4
    assert attributes_of(samples, torch.device('cpu')).shape == (4, 5)


def test_modes_and_words_that_are_not_there():
    with pytest.raises(ValueError, match="mode must be 'tensor', 'loss' or 'predict', got 'train'"):
        build()(torch.zeros(1, 3, 64, 32), mode='train')
    images_only = small_model('AttributeModel', num_attributes=2).eval()
    with pytest.raises(ValueError, match='this model has no text encoder; take one that was trained with texts'):
        images_only.tokenize(['a hat'])
    assert images_only.extract_feat(torch.zeros(1, 3, 64, 32)).shape == (1, DIMS)
