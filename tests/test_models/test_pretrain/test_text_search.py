"""Oracles: the losses as plain loops, one process for two."""

import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.losses import distribution_matching, projection_matching
from tests.processes import run_on_processes

from .described_batches import batch, small_model, text_parts

OBJECTIVES = dict.fromkeys(('distribution', 'contrast', 'projection', 'identity', 'projection_identity'), 1.)


def build(objectives=None, **kwargs):
    settings = dict(objectives=objectives or OBJECTIVES, num_ids=6, **text_parts())
    return small_model('TextSearchModel', **{**settings, **kwargs})


def losses_of(model, data):
    return model(**model.data_preprocessor(data, True), mode='loss')


def test_losses_are_those_of_the_formulas():
    model, data = build().eval(), batch(num_views=1)
    found = losses_of(model, data)
    with torch.no_grad():
        image = model.image_neck(model.pooled_feat(model.data_preprocessor(data, True)['inputs']))
        text = model.text_neck(model.text_encoder(*model.tokenize([sample.caption for sample in data['data_samples']])))
    pids = torch.tensor([0, 0, 1, 1])
    match = pids[:, None] == pids
    unit = [F.normalize(feats, dim=1) for feats in (image, text)]
    sims = unit[0] @ unit[1].T
    both = [(image, text, sims), (text, image, sims.T)]
    expected = dict(
        distribution=sum(distribution_matching(part, match, .02).mean() for *_, part in both),
        projection=sum(projection_matching(own, other, match).mean() for own, other, _ in both),
        identity=sum(F.cross_entropy(model.classifier(own), pids) for own, *_ in both) / 2,
        contrast=sum(-((part / .07).log_softmax(1) * match / 2).sum(1).mean() for *_, part in both) / 2,
        projection_identity=sum(
            F.cross_entropy((own * F.normalize(other, dim=1)).sum(1, keepdim=True) * F.normalize(other, dim=1)
                            @ F.normalize(model.projection_classifier.weight, dim=1).T, pids)
            for own, other, _ in both))
    for name, value in expected.items():
        torch.testing.assert_close(found[f'loss_{name}'], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('name', OBJECTIVES)
def test_one_objective_trains_all_that_is_built(name):
    model = build({name: 2.})
    loss, = losses_of(model, batch(num_views=1)).values()
    loss.backward()
    idle = [name for name, param in model.named_parameters() if param.grad is None]
    assert not idle


def train(rank: int, world_size: int) -> dict:
    model = build().eval()
    data = batch(num_views=1)
    share = slice(rank * 4 // world_size, (rank + 1) * 4 // world_size)
    losses = losses_of(model, dict(inputs=data['inputs'][share], data_samples=data['data_samples'][share]))
    sum(losses.values()).backward()
    grads = {}
    for name, param in model.named_parameters():
        if world_size > 1:
            torch.distributed.all_reduce(param.grad)
        grads[name] = param.grad / world_size
    return grads


def test_two_processes_are_one():
    alone = train(0, 1)
    for grads in run_on_processes(train, 2):
        for name, grad in alone.items():
            torch.testing.assert_close(grads[name], grad, rtol=1e-3, atol=1e-6, msg=name)


@pytest.mark.parametrize(('changes', 'message'), [
    (dict(objectives=dict(words=1.)), 'objectives must weigh some of distribution, contrast, projection, identity'),
    (dict(num_ids=None), "the objective 'identity' needs num_ids, got None; it is dataset.num_ids"),
    (dict(text_encoder=None), 'TextSearchModel needs a text encoder, got none')])
def test_bad_settings(changes, message):
    with pytest.raises(ValueError, match=message):
        build(**changes)


def test_people_must_be_known():
    data = batch(num_views=1)
    data['data_samples'][3].set_metainfo(dict(pid=-1))
    with pytest.raises(ValueError, match='every training sample must have an identity, got none for 3.jpg'):
        losses_of(build(), data)
    data['data_samples'][3].set_metainfo(dict(pid=99))
    with pytest.raises(ValueError, match=r'identities must lie in 0\.\.\.\d+, got 99; set model.num_ids'):
        losses_of(build(), data)
