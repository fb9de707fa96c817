"""Oracle: torch's binary cross entropy."""

import pytest
import torch
import torch.nn.functional as F

from .described_batches import NUM_ATTRIBUTES, batch, small_model


def build(**kwargs):
    return small_model('AttributeModel', num_attributes=NUM_ATTRIBUTES, **kwargs)


def test_loss_is_that_of_the_known_labels():
    model = build(criterion=dict(weighting='none', reduction='sum'))
    data = model.data_preprocessor(batch(num_views=1), True)
    loss, = model(**data, mode='loss').values()
    targets = torch.stack([sample.attributes for sample in data['data_samples']])
    logits = model.attribute_head(model.pooled_feat(data['inputs']))
    terms = F.binary_cross_entropy_with_logits(logits, targets.clamp(min=0).float(), reduction='none')
    torch.testing.assert_close(loss, terms[targets >= 0].sum() / 4)
    loss.backward()
    assert all(param.grad is not None for param in model.parameters())


def test_predictions_are_probabilities():
    model = build().eval()
    with torch.no_grad():
        samples = model.test_step(batch(num_views=1))
        images = model.data_preprocessor(batch(num_views=1), False)['inputs']
        expected = model.attribute_head(model.pooled_feat(images)).sigmoid()
    torch.testing.assert_close(torch.stack([sample.attribute_probs for sample in samples]), expected)


def test_rates_must_be_known():
    model = build()
    with pytest.raises(ValueError, match='positive_rates must have 5 values, one an attribute, got 0'):
        model(**model.data_preprocessor(batch(num_views=1), True), mode='loss')
