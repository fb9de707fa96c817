"""Small models of images and texts, and batches of noise with captions and attributes."""

import torch
from mmengine.registry import init_default_scope

from pedsearch.datasets.multimodal import Caption, caption_group
from pedsearch.models.pretrain import ImageTextModel, train_tokenizer
from pedsearch.registry import MODELS
from pedsearch.structures import ReIDDataSample

WORDS = ['red', 'green', 'blue', 'black', 'white', 'hat', 'bag', 'coat', 'shirt', 'trousers']
TEXTS = [f'a person in a {color} {thing}' for color in WORDS[:5] for thing in WORDS[5:]]
DIMS, NUM_ATTRIBUTES, SIZE = 32, 5, (64, 32)


def text_parts() -> dict:
    """Text encoder and tokenizer of a few words."""
    return dict(
        text_encoder=dict(type='TextTransformer', context=12, width=16, num_layers=1, num_heads=2),
        tokenizer=train_tokenizer(TEXTS))


def small_model(kind: str = 'ValPat', seed: int = 0, **kwargs) -> ImageTextModel:
    """A model of narrow networks, always the same weights."""
    init_default_scope('pedsearch')
    torch.manual_seed(seed)
    settings = dict(
        type=kind, image_dims=DIMS, embed_dims=8,
        image_encoder=dict(type='ReIDResNet', depth=18, stem_channels=4, base_channels=4),
        data_preprocessor=dict(type='ViewsDataPreprocessor', mean=[120.] * 3, std=[60.] * 3, bgr_to_rgb=True))
    model = MODELS.build({**settings, **kwargs})
    model.init_weights()
    return model.train()


def pretraining(objectives: dict | None = None, **kwargs) -> ImageTextModel:
    """A small VAL-PAT."""
    settings = dict(
        objectives=objectives or dict(views=1., texts=1., attributes=1.), momentum=0.9,
        views=dict(embed_dims=8, queue_length=10), texts=dict(queue_length=6, distillation=0.4, ramp_iters=2),
        attributes=dict(num_attributes=NUM_ATTRIBUTES, weighting='none'), **text_parts())
    return small_model(**{**settings, **kwargs})


def batch(num: int = 4, seed: int = 0, num_views: int = 3) -> dict:
    """Views of photos of different people."""
    generator = torch.Generator().manual_seed(seed)
    views = [[torch.randint(0, 256, (3, *SIZE), generator=generator, dtype=torch.uint8) for _ in range(num)]
             for _ in range(num_views)]
    samples = []
    for index in range(num):
        number = num * seed + index
        text = TEXTS[number % len(TEXTS)]
        sample = ReIDDataSample(metainfo=dict(
            sample_idx=number, image_id=number, pid=number // 2, caption=text, text_group=caption_group(text),
            captions=[Caption(text, group=caption_group(text))], seed=number, img_path=f'{number}.jpg'))
        sample.set_data(dict(attributes=torch.randint(-1, 2, (NUM_ATTRIBUTES, ), generator=generator)))
        samples.append(sample)
    return dict(inputs=views if num_views > 1 else views[0], data_samples=samples)
