"""Oracles: the step written down in its published order, invariances, and one process against two."""

import copy
import io
import pickle

import pytest
import torch
import torch.nn.functional as F
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import OptimWrapper

from pedsearch.models.layers import part_codes
from pedsearch.models.reid import GCL
from pedsearch.registry import MODELS
from tests.processes import run_on_processes

from .gcl_batches import DIMS, NUM_IMAGES, batch, generated, optimizers, small_gcl


def states(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def plain_step(model, data, lr: float) -> dict[str, torch.Tensor]:
    """One joint step as it is published: every picture through its own pass, a discriminator loss for each set of
    fakes, plain gradient descent.
    """
    data = model.data_preprocessor(copy.deepcopy(data), True)
    x, samples = data['inputs'], data['data_samples']
    mesh, turned_mesh = (torch.stack([sample.get(name) for sample in samples]) / 255 * 2 - 1
                         for name in ('mesh', 'turned_mesh'))

    def encode(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        maps = model.backbone(images)[-1]
        return part_codes(maps), model.neck(model.pooling(maps))

    model.update_statistics = 'all'
    code, feats = encode(x)
    rebuilt, turned = model.generator(code, mesh), model.generator(code, turned_mesh)
    rebuilt_code, _ = encode(rebuilt)
    turned_code, turned_feats = encode(turned)
    back = model.generator(turned_code, mesh)
    back_code, _ = encode(back)

    disc = list(model.discriminator.parameters())
    loss_d = 0
    for fake in (rebuilt, turned, back):
        real = x.clone().requires_grad_()
        for fake_score, real_score in zip(model.discriminator(fake.detach()), model.discriminator(real)):
            grad, = torch.autograd.grad(real_score.sum(), real, create_graph=True)
            loss_d = loss_d + fake_score.square().mean() + (real_score - 1).square().mean()
            loss_d = loss_d + model.r1_weight * grad.square().sum(dim=(1, 2, 3)).mean()
    for param, grad in zip(disc, torch.autograd.grad(loss_d, disc)):
        param.data -= lr * grad

    target = code.detach()
    loss = sum(2 * (score - 1).square().mean() for fake in (rebuilt, turned, back)
               for score in model.discriminator(fake))
    loss = loss + 5 * (rebuilt - x).abs().mean() + 5 * (back - x).abs().mean()
    compared = turned_code if model.feat_target == 'turned' else rebuilt_code
    loss = loss + 5 * (compared - target).abs().mean() + 5 * (back_code - target).abs().mean()
    rows, seeds = (torch.tensor([sample.get(key) for sample in samples]) for key in ('sample_idx', 'seed'))
    loss = loss + sum(model.head.memory.loss(feats, rows, seeds, turned_feats).values())
    others = [param for part in (model.encoder(), model.generator) for param in part.parameters() if param.requires_grad]
    for param, grad in zip(others, torch.autograd.grad(loss, others)):
        param.data -= lr * grad
    model.head.memory.update(feats, rows)
    return dict(discriminator=loss_d, total=loss)


@pytest.mark.parametrize('feat_target', ['turned', 'rebuilt'])
@pytest.mark.parametrize('norms', ['batch', 'running'])
def test_a_joint_step_is_the_published_one(feat_target, norms):
    """With batch norm one step's losses: over a few pictures that are nearly alike it makes noise of rounding."""
    ours, plain = (small_gcl(update_statistics='all', feat_target=feat_target) for _ in range(2))
    for model in (ours, plain):
        model.encoder().train(norms == 'batch')
    for seed in range(1 if norms == 'batch' else 2):
        log = ours.train_step(batch(seed=seed), optimizers(ours))
        ours.head.update_memory()
        expected = plain_step(plain, batch(seed=seed), lr=0.01)
        judged = sum(value for name, value in log.items() if name.startswith('discriminator_'))
        torch.testing.assert_close(judged, expected['discriminator'], rtol=1e-4, atol=0)
        torch.testing.assert_close(log['loss'], expected['total'], rtol=1e-4, atol=0)
    wanted = plain.state_dict()
    for name, value in ours.state_dict().items():
        if norms == 'running' or 'running_' in name:
            torch.testing.assert_close(value, wanted[name], rtol=1e-3, atol=1e-4, msg=name)


def test_every_loss_has_its_weight():
    weights = {name: .1 * place for place, name in enumerate(GCL.default_weights(), start=1)}
    plain, weighted = small_gcl(loss_weights=dict.fromkeys(weights, 1.)), small_gcl(loss_weights=weights)
    plain.encoder().eval(), weighted.encoder().eval()
    expected, found = (model.train_step(batch(), optimizers(model, lr=0.)) for model in (plain, weighted))
    names = [name for name in expected if name.startswith('loss_')]
    assert sorted(names) == sorted(f'loss_{name}' for name in GCL.default_weights())
    for name in names:
        torch.testing.assert_close(found[name], weights[name.removeprefix('loss_')] * expected[name])


def test_warm_up_trains_generator_and_discriminator_alone():
    model = small_gcl(stage='warmup')
    before = {name: states(part) for name, part in (('encoder', model.encoder()), ('head', model.head),
                                                    ('generator', model.generator),
                                                    ('discriminator', model.discriminator))}
    log = model.train_step(batch(), optimizers(model))
    assert not any('view' in name or 'turned' in name for name in log)
    assert not model.neck.training
    assert not model.backbone.training
    assert model.generator.training
    for name, moved in (('encoder', False), ('head', False), ('generator', True), ('discriminator', True)):
        part = model.encoder() if name == 'encoder' else getattr(model, name)
        same = [torch.equal(value, before[name][key]) for key, value in part.state_dict().items()]
        assert all(same) != moved, name
    assert all(param.grad is None for param in model.encoder().parameters())
    model.eval().train()
    assert not model.neck.training


def test_the_step_of_one_side_leaves_the_other_alone():  # T20
    model = small_gcl()
    wrappers = optimizers(model, lr=0.)
    wrappers['discriminator'].optimizer.param_groups[0]['lr'] = 0.1
    before, seen = states(model), {}
    for name, wrapper in wrappers.items():  # what each has when it steps
        step = wrapper.step
        wrapper.step = lambda name=name, step=step: (seen.update({name: {
            part: sum(float(param.grad.abs().sum()) for param in module.parameters() if param.grad is not None)
            for part, module in model.optimized_parts().items()}}), step())
    model.train_step(batch(), wrappers)
    assert seen['discriminator']['discriminator'] > 0
    assert seen['discriminator']['generator'] == seen['discriminator']['encoder'] == 0
    assert seen['generator']['discriminator'] == 0
    moved = {name.split('.')[0] for name, value in model.state_dict().items()
             if not torch.equal(value, before[name]) and 'running' not in name and 'tracked' not in name}
    assert moved == {'discriminator'}
    assert all(param.grad is None for param in model.parameters())
    assert all(param.requires_grad for param in model.discriminator.parameters())


def test_a_mesh_that_is_not_turned_gives_the_same_picture_twice():  # T4
    model = small_gcl()
    data = batch()
    for sample in data['data_samples']:
        sample.turned_mesh = sample.mesh
    data = model.data_preprocessor(data, True)
    views = model.generate(data['inputs'], *model.meshes(data['data_samples']), data['data_samples'])
    torch.testing.assert_close(views.turned, views.rebuilt)


def test_the_contrast_trains_the_generator_too():
    model = small_gcl()
    data = model.data_preprocessor(batch(), True)
    views = model.generate(data['inputs'], *model.meshes(data['data_samples']), data['data_samples'])
    losses = model.head.loss(None, views.feats, data['data_samples'], views.turned_feats)
    losses['loss_turned'].backward(retain_graph=True)
    assert all(param.grad is not None and param.grad.abs().sum() > 0
               for name, param in model.generator.named_parameters() if name.endswith('weight'))
    model.zero_grad()
    losses['loss_view'].backward()
    assert all(param.grad is None for param in model.generator.parameters())


@pytest.mark.parametrize('kind', ['GCL', 'GCLPlus'])
@pytest.mark.parametrize('encoder_losses', ['all', 'contrast'])
def test_painting_losses_end_at_the_generator_where_told(kind, encoder_losses):
    """Oracle: the gradient of the sum of those losses that each part shall learn from."""
    model = small_gcl(kind, encoder_losses=encoder_losses)
    model.encoder().eval()
    reference = copy.deepcopy(model)
    wrappers = optimizers(model, lr=0.)
    seen = {}
    for part, module in (('generator', model.generator), ('encoder', model.encoder())):
        wrappers[part].step = lambda part=part, module=module: seen.update(
            {part: [None if param.grad is None else param.grad.clone() for param in module.parameters()]})
    log = model.train_step(batch(), wrappers)

    views, samples = generated(reference, batch())
    painting, contrast = reference.painting_losses(views), reference.contrast_losses(views, samples)
    everything = sum(painting.values()) + sum(contrast.values())
    torch.testing.assert_close(log['loss'], everything.detach())
    assert set(log) >= {*painting, *contrast}
    learnt = dict(generator=everything, encoder=everything if encoder_losses == 'all' else sum(contrast.values()))
    for part, module in (('generator', reference.generator), ('encoder', reference.encoder())):
        params = [param for param in module.parameters() if param.requires_grad]
        expected = torch.autograd.grad(learnt[part], params, retain_graph=True, allow_unused=True)
        found = [grad for grad, param in zip(seen[part], module.parameters()) if param.requires_grad]
        for grad, wanted in zip(found, expected):
            assert (grad is None) == (wanted is None)
            if grad is not None:
                torch.testing.assert_close(grad, wanted, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(('update_statistics', 'passes'), [('photos', 1), ('all', 4)])
def test_running_statistics_follow_the_chosen_passes(update_statistics, passes):
    model = small_gcl(update_statistics=update_statistics)
    norm, momentum = model.neck.norm, model.neck.norm.momentum
    seen = []
    norm.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach()))
    data = model.data_preprocessor(batch(), True)
    model.generate(data['inputs'], *model.meshes(data['data_samples']), data['data_samples'])
    mean = torch.zeros(DIMS)
    for feats in seen[:passes]:
        mean = (1 - momentum) * mean + momentum * feats.mean(dim=0)
    torch.testing.assert_close(norm.running_mean, mean)
    assert int(norm.num_batches_tracked) == passes
    assert len(seen) == (4 if update_statistics == 'all' else 2)  # of photos and turned views


def test_a_copy_can_be_made_after_a_step():  # T16
    model = small_gcl()
    model.train_step(batch(), optimizers(model))
    average = ExponentialMovingAverage(model.generator, momentum=.5)
    before = states(average.module)
    model.train_step(batch(seed=1), optimizers(model))
    average.update_parameters(model.generator)
    average.update_parameters(model.generator)
    assert any(not torch.equal(value, before[name]) for name, value in average.module.state_dict().items())
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model.generator))):
        wanted = model if hasattr(other, 'generator') else model.generator
        assert all(torch.equal(a, b) for a, b in zip(other.state_dict().values(), wanted.state_dict().values()))
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)


def test_mixed_precision_is_close_to_single():
    logs = []
    for amp_dtype in (None, 'bfloat16'):
        model = small_gcl(amp_dtype=amp_dtype)
        model.encoder().eval()
        log = model.train_step(batch(), optimizers(model))
        assert all(param.dtype == torch.float32 for param in model.parameters())
        logs.append({name: float(value) for name, value in log.items()})
    for name, value in logs[0].items():
        assert logs[1][name] == pytest.approx(value, rel=.05, abs=.02), name
    assert logs[0] != logs[1]


def train(rank: int, world_size: int, norms: str) -> tuple[dict[str, torch.Tensor], list[dict]]:
    """State and losses of three steps."""
    model = small_gcl()
    model.encoder().train(norms == 'batch')
    wrappers, losses = optimizers(model, lr=1e-3), []
    for seed in range(1 if norms == 'batch' else 3):
        share = slice(4 // world_size * rank, 4 // world_size * (rank + 1))
        log = model.train_step({name: values[share] for name, values in batch(4, seed).items()}, wrappers)
        losses.append({name: float(value.detach()) for name, value in log.items()})
        model.head.update_memory()
    return model.state_dict(), losses


@pytest.mark.parametrize('norms', ['batch', 'running'])
def test_two_processes_are_one(norms):
    start, (alone, losses) = small_gcl().state_dict(), train(0, 1, norms)
    both = run_on_processes(train, 2, norms)
    for step, wanted in enumerate(losses):
        mean = {name: sum(logs[step][name] for _, logs in both) / 2 for name in wanted}
        assert mean == pytest.approx(wanted, rel=1e-3, abs=1e-5)
    for state, _ in both:
        for name, value in alone.items():
            if norms == 'running' or 'running_' in name or 'memory' in name:
                moved = (value - start[name]).abs().max()
                assert (state[name] - value).abs().max() <= 5e-3 * moved + 1e-5, name


def test_the_head_alone_is_gcl_without_generator():
    model = small_gcl()
    alone = MODELS.build(dict(
        type='ReIDModel', embed_dims=DIMS, backbone=dict(type='ReIDResNet', depth=18, stem_channels=4, base_channels=4),
        neck=dict(type='BNNeck', in_channels=32, out_channels=DIMS),
        head=dict(type='GCLHead', memory=dict(type='ViewMemory', temperature=0.5, num_negatives=6))))
    missing = alone.load_state_dict(model.state_dict(), strict=False).missing_keys
    assert not missing
    data = model.data_preprocessor(batch(), True)
    losses = alone.train()(data['inputs'], data['data_samples'], mode='loss')
    with torch.no_grad():
        feats = F.normalize(model.encode(data['inputs'])[1], dim=1)
    assert list(losses) == ['loss_view']
    rows = torch.tensor([sample.sample_idx for sample in data['data_samples']])
    alone.head.update_memory()
    moved = F.normalize(.2 * model.head.memory.embeds[rows] + .8 * feats, dim=1)
    torch.testing.assert_close(alone.head.memory.embeds[rows], moved)
    assert len(alone.head.memory_feats()) == NUM_IMAGES


@pytest.mark.parametrize(('kwargs', 'text'), [
    (dict(stage='both'), "stage must be one of 'warmup', 'joint', got 'both'"),
    (dict(feat_target='new'), "feat_target must be one of 'turned', 'rebuilt', got 'new'"),
    (dict(update_statistics='none'), "update_statistics must be one of 'photos', 'all'"),
    (dict(encoder_losses='none'), "encoder_losses must be one of 'all', 'contrast'"),
    (dict(amp_dtype='float16'), 'amp_dtype must be one of None'),
    (dict(loss_weights=dict(imge=3.)), 'loss_weights must be of adversarial, image, .*, got imge'),
])
def test_settings_out_of_range_are_errors(kwargs, text):
    with pytest.raises(ValueError, match=text):
        small_gcl(**kwargs)


def test_a_painted_picture_that_overflows_leaves_the_statistics_alone():
    model = small_gcl()
    with model.encoding_generated():
        model.encode(torch.full((2, 3, 64, 48), torch.inf))
    assert all(buffer.isfinite().all() for buffer in model.encoder().buffers())


def test_what_does_not_fit_together_is_one_line():
    model = small_gcl()
    plain = OptimWrapper(torch.optim.SGD(model.parameters(), lr=.1))
    with pytest.raises(TypeError, match="GCL has an optimizer for each of discriminator, generator, encoder, got one"):
        model.train_step(batch(), plain)
    data = model.data_preprocessor(batch(), True)
    with pytest.raises(TypeError, match="GCL takes its steps itself, got mode='loss'"):
        model(**data, mode='loss')
    data = batch()
    for sample in data['data_samples']:
        del sample.turned_mesh
    with pytest.raises(ValueError, match=r'must have mesh and turned_mesh, got none for 0\.jpg; put LoadMeshViews'):
        model.train_step(data, optimizers(model))


def test_samples_without_seed_or_label_are_errors():
    model = small_gcl()
    data = batch()
    data['data_samples'][1].set_metainfo(dict(seed=None))
    with pytest.raises(ValueError, match=r'every training sample must have seed, got none for 1\.jpg'):
        model.train_step(data, optimizers(model))
    data = batch()
    data['data_samples'][0].set_metainfo(dict(label=-1))
    with pytest.raises(ValueError, match='must have a label >= 0'):
        model.train_step(data, optimizers(model))
