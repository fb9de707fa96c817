"""A small random model with a text encoder, as files."""

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from pedsearch.models.pretrain import train_tokenizer
from pedsearch.registry import MODELS
from tests.test_models.test_pretrain.described_batches import DIMS, TEXTS


def write_text_model(folder: Path) -> Path:
    """``config.py`` and ``weights.pth`` with momentum encoders and queues; it has the words of ``TEXTS``."""
    train_tokenizer(TEXTS).save(folder / 'words.json')
    model = dict(
        type='ValPat', image_dims=DIMS, embed_dims=8, objectives=dict(views=1., texts=1.),
        image_encoder=dict(type='ReIDResNet', depth=18, stem_channels=4, base_channels=4),
        views=dict(embed_dims=8, queue_length=10),
        text_encoder=dict(type='TextTransformer', context=12, width=16, num_layers=1, num_heads=2),
        tokenizer=dict(type='saved_tokenizer', file=str(folder / 'words.json')),
        data_preprocessor=dict(type='ViewsDataPreprocessor', mean=[120.] * 3, std=[60.] * 3, bgr_to_rgb=True))
    pipeline = [dict(type='LoadImage'), dict(type='mmpretrain.Resize', scale=(32, 64)),
                dict(type='PackMultiModalInputs')]
    Config(dict(model=model, test_dataloader=dict(dataset=dict(pipeline=pipeline)))).dump(folder / 'config.py')
    init_default_scope('pedsearch')
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(model).state_dict()), folder / 'weights.pth')
    return folder
