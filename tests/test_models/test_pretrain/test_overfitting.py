"""Oracle: stick figures that are told apart by three things, learnt by heart."""

import itertools

import numpy as np
import pytest
import torch

from pedsearch.datasets.multimodal import Caption, caption_group, write_caption
from pedsearch.evaluation import PedestrianAttributeMetric, TextRetrievalMetric
from pedsearch.models.pretrain import ValPat, train_tokenizer
from pedsearch.structures import ReIDDataSample

from .described_batches import small_model

COLORS = dict(red=(0, 0, 220), green=(0, 180, 0), blue=(220, 0, 0), yellow=(0, 220, 220))  # BGR
NAMES = ['hat', *(f'upper_{color}' for color in COLORS), *(f'lower_{color}' for color in COLORS)]


def figures() -> tuple[list[torch.Tensor], list[ReIDDataSample]]:
    """32 crops (3, 64, 32) on grey, each with its caption and attributes."""
    images, samples = [], []
    rng = np.random.default_rng(0)
    for number, (upper, lower, hat) in enumerate(itertools.product(COLORS, COLORS, (0, 1))):
        img = np.full((64, 32, 3), 120, np.uint8)
        img[8:16, 12:20] = 200
        img[16:36, 8:24] = COLORS[upper]
        img[36:60, 10:22] = COLORS[lower]
        if hat:
            img[4:9, 9:23] = 20
        held = dict.fromkeys(NAMES, 0) | {'hat': hat, f'upper_{upper}': 1, f'lower_{lower}': 1}
        text = write_caption(held, rng)
        sample = ReIDDataSample(metainfo=dict(
            sample_idx=number, image_id=number, pid=number, caption=text, text_group=caption_group(text),
            captions=[Caption(text)]))
        sample.set_data(dict(attributes=torch.tensor(list(held.values()))))
        images.append(torch.from_numpy(img.transpose(2, 0, 1).copy()))
        samples.append(sample)
    return images, samples


def build(samples: list[ReIDDataSample]) -> ValPat:
    return small_model(
        objectives=dict(views=1., texts=1., attributes=1.), image_dims=64, embed_dims=32, momentum=.9,
        image_encoder=dict(type='ReIDResNet', depth=18, stem_channels=8, base_channels=8),
        views=dict(embed_dims=32, queue_length=32), texts=dict(),
        attributes=dict(num_attributes=len(NAMES), weighting='none'),
        text_encoder=dict(type='TextTransformer', context=32, width=32, num_layers=2, num_heads=2),
        tokenizer=train_tokenizer([sample.caption for sample in samples]))


def train(num_iters: int) -> tuple[ValPat, list[dict[str, float]]]:
    """All figures at once, the views shifted by a few pixels.

    The queue holds each figure once, which leaves a loss of log 2 of log 33.
    """
    images, samples = figures()
    model = build(samples)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 300)
    generator = torch.Generator().manual_seed(0)
    logs = []
    for _ in range(num_iters):
        shifts = torch.randint(-2, 3, (3, 32), generator=generator).tolist()
        views = [[image.roll(shift, dims=2) for image, shift in zip(images, row)] for row in shifts]
        data = model.data_preprocessor(dict(inputs=views, data_samples=samples), True)
        losses = model(**data, mode='loss')
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        schedule.step()
        model.update_memory()
        logs.append({name: loss.item() for name, loss in losses.items()})
    return model, logs


@pytest.fixture(scope='module')
def trained():
    return train(300)


def test_every_loss_falls_below_a_quarter(trained):  # O34
    _, logs = trained
    for name in logs[0]:
        first, last = max(log[name] for log in logs[:10]), np.mean([log[name] for log in logs[-10:]])
        assert last < first / 4, (name, first, last)


def test_sentences_find_their_figures_and_attributes_are_told(trained):  # O34
    model, _ = trained
    images, samples = figures()
    with torch.no_grad():
        found = [sample.to_dict() for sample in model.eval().test_step(dict(inputs=images, data_samples=samples))]
    texts, attributes = TextRetrievalMetric(), PedestrianAttributeMetric()
    for metric in (texts, attributes):
        metric.process(None, found)
    assert texts.evaluate(32)['text/R@1'] == 1
    assert attributes.evaluate(32)['attribute/mA'] > .95


def test_two_runs_are_equal():  # O34
    (first, logs), (second, again) = train(6), train(6)
    assert logs == again
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())
