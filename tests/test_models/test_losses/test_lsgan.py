import pytest
import torch
from torch.func import functional_call

from pedsearch.models.gan import MultiScaleDiscriminator, ViewGenerator
from pedsearch.models.losses import discriminator_loss, lsgan_generator_loss, r1_penalty
from tests.processes import run_on_processes


def tiny_discriminator() -> MultiScaleDiscriminator:
    torch.manual_seed(0)
    discriminator = MultiScaleDiscriminator(num_scales=2, base_channels=2, num_blocks=1).double()
    for parameter in discriminator.parameters():
        parameter.data = .5 * torch.randn_like(parameter)
    return discriminator


def photos(batch: int = 2, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, 3, 11, 9, dtype=torch.double, generator=torch.Generator().manual_seed(seed))


def linear(x):
    return [x[:, :1] / 2 - x[:, 1:]]


def test_t17():
    real, fake = torch.tensor([[1., 0.], [2., 1.]]), torch.tensor([[0., 1.], [1., 1.]])
    losses = discriminator_loss(linear, real, [fake])
    assert sum(losses.values()).item() == pytest.approx(1.2625)
    assert losses['loss_r1'].item() == pytest.approx(.0125)
    assert lsgan_generator_loss(linear(fake)).item() == pytest.approx(6.25)


def separate_loss(discriminator, real, fake, r1_weight=.01):
    """One set of fakes, one scale after another, as the formula has it."""
    real = real.clone().requires_grad_()
    total = 0
    for scale in range(len(discriminator(real))):
        fake_score, score = discriminator(fake.detach())[scale], discriminator(real)[scale]
        grad, = torch.autograd.grad(score.sum(), real, create_graph=True)
        total = total + (fake_score ** 2).mean() + ((score - 1) ** 2).mean()
        total = total + r1_weight * (grad ** 2).sum() / len(real)
    return total


@pytest.mark.parametrize('num_sets', [1, 3])
@pytest.mark.parametrize('r1_weight', [.01, 10, 0])
def test_t18_merged_losses_are_the_separate_ones(num_sets, r1_weight):
    discriminator, real, fakes = tiny_discriminator(), photos(), [photos(seed=2 + i) for i in range(num_sets)]
    merged = sum(discriminator_loss(discriminator, real, fakes, r1_weight).values())
    separate = sum(separate_loss(discriminator, real, fake, r1_weight) for fake in fakes)
    torch.testing.assert_close(merged, separate)
    for parameter in discriminator.parameters():
        torch.testing.assert_close(*(torch.autograd.grad(loss, parameter, retain_graph=True, materialize_grads=True)[0]
                                     for loss in (merged, separate)))


def test_generator_loss_of_scales_of_other_sizes():
    scores = [torch.randn(2, 1, 4, 3), torch.randn(2, 1, 2, 2)]
    expected = 2 * sum(((score - 1) ** 2).mean() for score in scores)
    torch.testing.assert_close(lsgan_generator_loss(scores), expected)


def test_penalty_of_finite_differences_scale_by_scale():
    discriminator, image, step = tiny_discriminator(), photos(1), 1e-5
    shifts = step * torch.eye(image.numel(), dtype=torch.double).view(-1, *image.shape[1:])
    with torch.no_grad():
        ahead, behind = discriminator(image + shifts), discriminator(image - shifts)
    slopes = [(a - b).flatten(1).sum(dim=1) / (2 * step) for a, b in zip(ahead, behind)]
    expected = sum((slope ** 2).sum() for slope in slopes)
    assert not torch.isclose(expected, (sum(slopes) ** 2).sum())  # the penalty is not that of the summed scales
    image.requires_grad_()
    torch.testing.assert_close(r1_penalty(discriminator(image), image), expected[None], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize('loss', ['loss_real', 'loss_fake', 'loss_r1'])
def test_gradient_of_each_loss_by_finite_differences(loss):
    discriminator, real, fakes = tiny_discriminator(), photos(), [photos(seed=2), photos(seed=3)]
    names, values = zip(*((name, value) for name, value in discriminator.named_parameters() if name.endswith('weight')))

    def of_weights(*weights):
        def scores(images):
            return functional_call(discriminator, dict(zip(names, weights)), images)
        return discriminator_loss(scores, real, fakes, r1_weight=1)[loss]

    assert torch.autograd.gradcheck(of_weights, values, fast_mode=True)


def test_t20_the_generator_is_left_alone():
    generator = ViewGenerator(
        dict(type='StructureEncoder', base_channels=2),
        dict(type='StyleMapper', code_dims=64, hidden_dims=8, channels=16), dict(type='AdaINDecoder', in_channels=16))
    discriminator = MultiScaleDiscriminator(num_scales=2, base_channels=2)
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    real, fake = torch.randn(2, 3, 40, 40), generator(torch.rand(2, 16, 4), torch.rand(2, 1, 40, 40))
    optimizer = torch.optim.Adam([*discriminator.parameters(), *generator.parameters()])
    sum(discriminator_loss(discriminator, real, [fake]).values()).backward()
    optimizer.step()
    assert all(parameter.grad is not None for parameter in discriminator.parameters())
    assert all(parameter.grad is None for parameter in generator.parameters())
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    lsgan_generator_loss(discriminator(fake)).backward()  # the same graph still serves the generator
    assert all(parameter.grad.isfinite().all() for parameter in generator.parameters())


def test_photos_stay_as_they_are():
    real = photos().requires_grad_()
    sum(discriminator_loss(tiny_discriminator(), real, [photos()]).values()).backward()
    assert real.grad is None
    still = photos()
    discriminator_loss(tiny_discriminator(), still, [photos()])
    assert not still.requires_grad


def test_autocast_changes_nothing_but_the_type_of_fakes():
    discriminator, real, fakes = tiny_discriminator().float(), photos().float(), [photos(seed=2).bfloat16()]
    expected = discriminator_loss(discriminator, real, [fakes[0].float()])
    scores = [score.bfloat16() for score in discriminator(fakes[0].float())]
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = discriminator_loss(discriminator, real, fakes)
        loss = lsgan_generator_loss(scores)
    assert {value.dtype for value in (*losses.values(), loss)} == {torch.float32}
    for name, value in losses.items():
        torch.testing.assert_close(value, expected[name], atol=0, rtol=0)
    torch.testing.assert_close(loss, lsgan_generator_loss([score.float() for score in scores]), atol=0, rtol=0)


def share(rank: int, world_size: int) -> tuple[list, list]:
    discriminator, sizes = tiny_discriminator(), [3] if world_size == 1 else [2, 1]
    real, *fakes = (photos(3, seed).split(sizes)[rank] for seed in (1, 2, 3))
    losses = [*discriminator_loss(discriminator, real, fakes).values(), lsgan_generator_loss(discriminator(fakes[0]))]
    grads = torch.autograd.grad(sum(losses), list(discriminator.parameters()))
    return [loss.detach() for loss in losses], list(grads)


def test_two_processes_with_uneven_batches_are_one():
    (losses, grads), two = share(0, 1), run_on_processes(share, 2)
    for i, loss in enumerate(losses):
        torch.testing.assert_close(torch.stack([result[0][i] for result in two]).mean(), loss)
    for i, grad in enumerate(grads):
        torch.testing.assert_close(torch.stack([result[1][i] for result in two]).mean(dim=0), grad)


def test_fakes_that_do_not_fit():
    with pytest.raises(ValueError, match=r'shape of the real images, \(2, 3, 11, 9\), got none; generate one'):
        discriminator_loss(tiny_discriminator(), photos(), [])
    with pytest.raises(ValueError, match=r'\(2, 3, 11, 9\), got \(2, 3, 11, 9\), \(1, 3, 11, 9\); generate one image per'):
        discriminator_loss(tiny_discriminator(), photos(), [photos(), photos(1)])
