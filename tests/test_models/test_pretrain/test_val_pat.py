"""Oracles: the objectives computed plainly, one process for two, runs that go on."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.losses import matching_cross_entropy
from pedsearch.models.pretrain import TextObjective
from tests.processes import run_on_processes
from tests.test_models.host_traffic import host_traffic

from .described_batches import DIMS, TEXTS, batch, pretraining, text_parts


def losses_of(model, data) -> dict[str, torch.Tensor]:
    return model(**model.data_preprocessor(data, True), mode='loss')


def step(model, data, lr: float = 0.05) -> dict[str, float]:
    """One step of plain descent and the update after it."""
    losses = losses_of(model, data)
    sum(losses.values()).backward()
    with torch.no_grad():
        for param in model.parameters():
            if param.grad is not None:
                param -= lr * param.grad
                param.grad = None
    model.update_memory()
    return {name: loss.item() for name, loss in losses.items()}


def test_losses_are_those_of_the_formulas():
    model = pretraining(texts=dict(temperature=0.1))
    data = batch()
    step(model, batch(seed=1), lr=0.)  # fills the queue of views
    found = losses_of(model, data)
    weak, query, key = model.data_preprocessor(data, True)['inputs']
    with torch.no_grad():
        pooled = model.pooling(model.image_encoder(weak)[-1])
        q = F.normalize(model.views.neck(model.pooling(model.image_encoder(query)[-1])), dim=1)
        parts = model.momentum_encoders
        k = F.normalize(parts['view_neck'](parts['pooling'](parts['image_encoder'](key)[-1])), dim=1)
        logits = torch.cat([(q * k).sum(1, keepdim=True), q @ model.views.queue.feats[:4].T], dim=1) / 0.1
        expected = F.cross_entropy(logits, torch.zeros(4, dtype=torch.long))
        torch.testing.assert_close(found['loss_views'], expected)
        image = F.normalize(model.image_neck(pooled), dim=1)
        text = F.normalize(model.text_neck(model.text_encoder(
            *model.tokenizer.encode([sample.caption for sample in data['data_samples']], 12))), dim=1)
        target = torch.arange(4)
        sims = image @ text.T / 0.1
        expected = (F.cross_entropy(sims, target) + F.cross_entropy(sims.T, target)) / 2
        torch.testing.assert_close(found['loss_texts'], expected)
        wanted = torch.stack([sample.attributes for sample in data['data_samples']])
        terms = F.binary_cross_entropy_with_logits(model.attribute_head(pooled), wanted.clamp(min=0).float(),
                                                   reduction='none')
        torch.testing.assert_close(found['loss_attributes'], terms[wanted >= 0].mean())


def test_keys_share_no_statistics_with_their_queries():
    """Groups of two rows: a query is normalised with its neighbour, its key with a row of the other group."""
    model = pretraining(dict(views=1.), bn_splits=2)
    _, query, key = model.data_preprocessor(batch(), True)['inputs']
    losses_of(model, batch())
    (keys, ), = model._new_views.take()
    with torch.no_grad():
        parts = model.momentum_encoders
        for pair in ([0, 2], [1, 3]):
            pooled = model.momentum_encoders['image_encoder'](torch.cat([key[pair]] * 2))[-1].mean(dim=(2, 3))[:2]
            torch.testing.assert_close(keys[pair], F.normalize(parts['view_neck'](pooled), dim=1))


def test_losses_follow_their_weights():  # O29
    weights = dict(views=.5, texts=2., attributes=3.)
    plain, weighted = losses_of(pretraining(), batch()), losses_of(pretraining(weights), batch())
    for name, weight in weights.items():
        torch.testing.assert_close(weighted[f'loss_{name}'], weight * plain[f'loss_{name}'])


@pytest.mark.parametrize('names', [('views', ), ('texts', ), ('attributes', ), ('views', 'attributes'),
                                   ('texts', 'attributes'), ('views', 'texts')])
def test_objectives_left_out_cost_nothing(names):  # O29
    everything = dict.fromkeys(('views', 'texts', 'attributes'), 0.)
    model = pretraining({**everything, **dict.fromkeys(names, 1.)})
    losses = losses_of(model, batch(num_views=3 if 'views' in names else 1))
    assert sorted(losses) == sorted(f'loss_{name}' for name in names)
    sum(losses.values()).backward()
    idle = [name for name, param in model.named_parameters() if param.requires_grad and param.grad is None]
    assert not idle
    assert ('text_encoder' in dict(model.named_children())) == ('texts' in names)


def test_two_views_share_the_weak_one():
    model = pretraining(dict(views=1., attributes=1.))
    assert sorted(losses_of(model, batch(num_views=2))) == ['loss_attributes', 'loss_views']
    with pytest.raises(ValueError, match='a batch must have 2 or 3 views for these objectives, got 1'):
        losses_of(model, batch(num_views=1))
    with pytest.raises(ValueError, match='a batch must have 1 views for these objectives, got 3'):
        losses_of(pretraining(dict(texts=1.)), batch())


def test_momentum_encoders_follow():  # O12
    model = pretraining()
    old, new = model.momentum_encoders['image_encoder'].conv1.weight, model.image_encoder.conv1.weight
    assert torch.equal(old, new)
    with torch.no_grad():
        old.fill_(1.)
        new.fill_(2.)
    for _ in range(5):
        model.update_memory()
    assert old.mean().item() == pytest.approx(2 - .9**5, rel=1e-6)
    sum(losses_of(model, batch()).values()).backward()
    assert all(param.grad is None for param in model.momentum_encoders.parameters())


def test_momentum_encoders_begin_as_copies_of_loaded_weights():
    trained, fresh = pretraining(seed=1).state_dict(), pretraining()
    parts = {name: value for name, value in trained.items() if not name.startswith('momentum_encoders.')}
    fresh.load_state_dict({name: value for name, value in parts.items() if 'neck' not in name}, strict=False)
    encoder, momentum = fresh.image_encoder.state_dict(), fresh.momentum_encoders['image_encoder'].state_dict()
    assert all(torch.equal(value, momentum[name]) for name, value in encoder.items())
    assert torch.equal(encoder['conv1.weight'], trained['image_encoder.conv1.weight'])
    fresh.load_state_dict(parts)  # nothing is missing
    for own, other in zip(fresh.views.neck.parameters(), fresh.momentum_encoders['view_neck'].parameters()):
        assert torch.equal(own, other)
    trained['momentum_encoders.image_encoder.conv1.weight'] += 1  # a resumed run keeps its own
    fresh.load_state_dict(trained)
    assert not torch.equal(fresh.image_encoder.conv1.weight, fresh.momentum_encoders['image_encoder'].conv1.weight)


def test_a_step_reads_the_queues_before_it_writes_them():  # O10
    model = pretraining()
    first, again = losses_of(model, batch()), losses_of(model, batch())
    assert {name: loss.item() for name, loss in first.items()} == {name: loss.item() for name, loss in again.items()}
    assert not model.views.queue.filled
    model._new_views.take(), model._new_texts.take()
    step(model, batch())
    assert model.views.queue.filled == model.texts.images.filled == 4
    with torch.no_grad():
        model.eval()
        losses_of(model, batch(seed=2))
    model.update_memory()
    assert model.views.queue.filled == 4  # validation leaves nothing


def test_temperature_stays_within_its_bounds():  # O26
    objective, (image, text) = TextObjective(4), F.normalize(torch.randn(2, 6, 4), dim=2)
    keys = torch.arange(6)[:, None].repeat(1, 3)
    for value, used in ((1e-5, .001), (.9, .5), (.07, .07)):
        objective.temperature.data.fill_(value)
        objective.temperature.grad = None
        loss = objective.loss(image, text, keys)
        sims, positives = image @ text.T, torch.eye(6, dtype=torch.bool)
        expected = sum(matching_cross_entropy(part, positives, used).mean() for part in (sims, sims.T)) / 2
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
        loss.backward()
        assert objective.temperature.item() == pytest.approx(used)
        assert objective.temperature.grad != 0  # a bound can be left again


def test_distillation_grows():
    model = pretraining(dict(texts=1.), texts=dict(distillation=.4, ramp_iters=2))
    data = batch(num_views=1)
    plain = pretraining(dict(texts=1.), texts=dict())
    plain.load_state_dict({name: value for name, value in model.state_dict().items()
                           if not name.startswith('momentum')})
    assert losses_of(model, data)['loss_texts'].item() == pytest.approx(losses_of(plain, data)['loss_texts'].item())
    model._new_texts.take()
    for seen, share in ((1, .2), (2, .4), (3, .4)):
        model.texts.iterations.fill_(seen)
        found = losses_of(model, data)['loss_texts']
        with torch.no_grad():
            processed = model.data_preprocessor(data, True)['inputs']
            image = model.embed(model.pooled_feat(processed))
            text = model.extract_text_feat([sample.caption for sample in data['data_samples']])
            sims = image @ text.T  # the momentum encoders are still copies
            terms = [matching_cross_entropy(part, torch.eye(4, dtype=torch.bool), model.texts.temperature, part, share)
                     for part in (sims, sims.T)]
        assert found.item() == pytest.approx(sum(term.mean() for term in terms).item() / 2, rel=1e-5)


def test_both_sides_get_the_gradient_of_the_formula():
    keys = torch.arange(6)[:, None].repeat(1, 3)
    pairs = F.normalize(torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0)), dim=2)
    ours, plain = (pairs.clone().requires_grad_() for _ in range(2))
    TextObjective(4).loss(*ours, keys).backward()
    sims, target = plain[0] @ plain[1].T / .07, torch.arange(6)
    ((F.cross_entropy(sims, target) + F.cross_entropy(sims.T, target)) / 2).backward()
    torch.testing.assert_close(ours.grad, plain.grad)


def test_a_queue_that_is_empty_changes_nothing_and_a_filled_one_repels():
    plain, queued = TextObjective(4), TextObjective(4, queue_length=8)
    image, text = F.normalize(torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0)), dim=2)
    keys = torch.arange(6)[:, None].repeat(1, 3)
    torch.testing.assert_close(queued.loss(image, text, keys, image, text), plain.loss(image, text, keys))
    queued.images.enqueue(image[:3], keys[:3] + 10)
    queued.texts.enqueue(text[:3], keys[:3] + 10)
    temperature = plain.temperature
    terms = [matching_cross_entropy(own @ torch.cat([other, other[:3]]).T, torch.eye(6, 9, dtype=torch.bool), temperature)
             for own, other in ((image, text), (text, image))]
    torch.testing.assert_close(queued.loss(image, text, keys, image, text), sum(terms).mean() / 2)


def test_people_match_where_identities_do():
    samples = batch()['data_samples']
    by_photo, by_person = (TextObjective(4, identities=flag).keys(samples, torch.device('cpu')) for flag in (False, True))
    assert by_photo[:, 2].tolist() == [-1] * 4
    assert by_person[:, 2].tolist() == [0, 0, 1, 1]


def train(rank: int, world_size: int, bn_splits: int) -> tuple[dict, list[dict]]:
    model = pretraining(bn_splits=bn_splits)
    for module in model.modules():  # batch statistics of few noisy rows would make noise of rounding
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.train(False)
            module.train = lambda mode=True, module=module: module
    logs = []
    for number in range(3):
        data = batch(seed=number)
        share = slice(rank * 4 // world_size, (rank + 1) * 4 // world_size)
        data = dict(inputs=[view[share] for view in data['inputs']], data_samples=data['data_samples'][share])
        losses = losses_of(model, data)
        sum(losses.values()).backward()
        for param in model.parameters():
            if param.grad is not None:
                if world_size > 1:
                    torch.distributed.all_reduce(param.grad)
                param.data -= 0.05 * param.grad / world_size
                param.grad = None
        model.update_memory()
        logs.append({name: loss.item() for name, loss in losses.items()})
    return model.state_dict(), logs


@pytest.mark.parametrize('bn_splits', [1, 2])
def test_two_processes_are_one(bn_splits):  # O11
    alone, losses = train(0, 1, bn_splits)
    both = run_on_processes(train, 2, bn_splits)
    for number, wanted in enumerate(losses):
        mean = {name: sum(logs[number][name] for _, logs in both) / 2 for name in wanted}
        assert mean == pytest.approx(wanted, rel=1e-4)
    for state, _ in both:
        for name, value in alone.items():
            torch.testing.assert_close(state[name], value, rtol=1e-3, atol=1e-5, msg=name)


def test_a_stored_run_goes_on_the_same():  # O36
    model = pretraining()
    for number in range(3):
        step(model, batch(seed=number))
    other = pretraining(seed=5)
    other.load_state_dict(copy.deepcopy(model.state_dict()))
    for number in (3, 4):
        assert step(other, batch(seed=number)) == step(model, batch(seed=number))
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in model.state_dict().items())


def test_predictions():
    model = pretraining().eval()
    data = batch(num_views=1)
    with torch.no_grad():
        samples = model.test_step(data)
        expected = model.extract_text_feat([TEXTS[0]])
    assert [tuple(sample.feat.shape) for sample in samples] == [(8, )] * 4
    torch.testing.assert_close(samples[0].text_feats, expected)
    assert ((samples[0].attribute_probs > 0) & (samples[0].attribute_probs < 1)).all()
    images_only = pretraining(dict(views=1.)).eval()
    with torch.no_grad():
        assert images_only.test_step(batch(num_views=1))[0].feat.shape == (DIMS, )


def test_a_model_is_loaded_with_its_own_words():
    model = pretraining()
    pretraining().load_state_dict(model.state_dict())
    parts = text_parts()
    parts['tokenizer'] = type(parts['tokenizer']).from_json(parts['tokenizer'].to_json().replace('trousers', 'jeans'))
    with pytest.raises(ValueError, match='the checkpoint must have the vocabulary of the model, got'):
        pretraining(**parts).load_state_dict(model.state_dict())


def test_copies_are_independent():
    model = pretraining()
    twin = copy.deepcopy(model)
    before = {name: value.clone() for name, value in twin.state_dict().items()}
    step(model, batch())
    assert all(torch.equal(value, before[name]) for name, value in twin.state_dict().items())
    assert step(twin, batch()) == step(pretraining(), batch())


def test_losses_are_float32_under_autocast():
    model = pretraining()
    step(model, batch(seed=1))
    with torch.autocast('cpu', torch.bfloat16):
        losses = losses_of(model, batch())
    assert all(loss.dtype == torch.float32 and math.isfinite(loss.item()) for loss in losses.values())
    plain = pretraining()
    step(plain, batch(seed=1))
    for name, loss in losses_of(plain, batch()).items():
        assert losses[name].item() == pytest.approx(loss.item(), rel=.05)


@pytest.mark.parametrize(('changes', 'message'), [
    (dict(objectives=dict(masks=1.)), 'objectives must weigh some of views, texts, attributes, got masks'),
    (dict(objectives=dict(views=0.)), 'objectives must weigh some of views, texts, attributes, got none above 0'),
    (dict(text_encoder=None), "the objective 'texts' needs a text encoder, got none"),
    (dict(tokenizer=None), 'a text encoder needs a tokenizer, got none; set tokenizer'),
    (dict(attributes=dict()), "the objective 'attributes' needs num_attributes, got none"),
    (dict(momentum=2.), r'momentum must lie in \[0, 1\], got 2.0'),
    (dict(texts=dict(distillation=2.)), r'distillation must lie in \[0, 1\] and ramp_iters be >= 1, got 2.0')])
def test_bad_settings(changes, message):
    with pytest.raises(ValueError, match=message):
        pretraining(**changes)


def test_samples_without_what_they_need():
    model, data = pretraining(), batch()
    data['data_samples'][1].set_metainfo(dict(caption=''))
    with pytest.raises(ValueError, match='every training sample must have a caption, got none for 1.jpg; put PickCaption'):
        losses_of(model, data)
    data = batch()
    del data['data_samples'][2].attributes
    with pytest.raises(ValueError, match='every training sample must have attributes, got none for 2.jpg; set schema'):
        losses_of(model, data)


def test_no_loss_waits_for_the_device():
    """Meta tensors stand for the device's; what a batch brings along is copied there, nothing is asked back."""
    model = pretraining(texts=dict(queue_length=6, distillation=0.4, ramp_iters=2, identities=True)).to('meta')
    samples = batch()['data_samples']
    views = [torch.zeros(4, 3, 64, 32, device='meta') for _ in range(3)]
    with host_traffic() as counts:
        losses = model.loss(views, samples)
        sum(losses.values()).backward()
        model.update_memory()
    assert set(counts) <= {'to device'}
    assert len(losses) == 3
