"""Least-squares adversarial losses of a discriminator at several scales, with a gradient penalty on real images.

Shape legend: B images of this process, H x W their size, S scales, h x w a scale's score map, F sets of fakes.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .reduction import mean_across_processes


def squared_errors(scores: Sequence[Tensor], target: float) -> Tensor:
    """Mean of ``(score - target)^2`` over a map, summed over scales; S x (B, ...) -> (B,) in float32 at least."""
    wide = (score.to(torch.promote_types(score.dtype, torch.float32)) for score in scores)
    return sum((score - target).square().flatten(1).mean(dim=1) for score in wide)


def lsgan_generator_loss(fake_scores: Sequence[Tensor]) -> Tensor:
    """How far fakes are from being taken for real, ``2 * sum over scales of mean (score - 1)^2``.

    Args:
        fake_scores (Sequence[Tensor]): S x (B, 1, h, w), with the generator's graph.

    Returns:
        Tensor: (), see :func:`~pedsearch.models.losses.mean_across_processes` for several processes.

    Source: Mao et al., "Least Squares Generative Adversarial Networks", ICCV 2017, eq. 9 with c = 1.
    Deviation: factor 2 in the place of 1/2, the weight it has in GCL.

    Example:
        >>> lsgan_generator_loss([torch.tensor([[-1.], [-0.5]])])
        tensor(6.2500)
    """
    with torch.autocast(fake_scores[0].device.type, enabled=False):
        errors = squared_errors(fake_scores, 1)
        return 2 * mean_across_processes(errors.sum(), len(errors))


def r1_penalty(scores: Sequence[Tensor], images: Tensor) -> Tensor:
    """Squared gradient of each scale's summed scores, ``sum over scales of |d sum(scores) / d image|^2``.

    Args:
        scores (Sequence[Tensor]): S x (B, 1, h, w), computed from ``images`` without autocast. A sample's scores depend
            on its own image only.
        images (Tensor): (B, 3, H, W) that require a gradient.

    Returns:
        Tensor: (B,), with a graph of its own for the discriminator.

    Source: Mescheder et al., "Which Training Methods for GANs do actually Converge?", ICML 2018, eq. 9.
    Deviation: no factor 1/2; scales are squared one by one.
    """
    # The scales share nothing but the down-scaling of the image, so no part of a backward pass runs twice.
    grads = (torch.autograd.grad(score.sum(), images, create_graph=True)[0] for score in scores)
    return sum(grad.square().flatten(1).sum(dim=1) for grad in grads)


def discriminator_loss(discriminator: Callable[[Tensor], Sequence[Tensor]], real: Tensor, fakes: Sequence[Tensor],
                       r1_weight: float = 0.01) -> dict[str, Tensor]:
    """What the discriminator loses against F sets of fakes, with one pass of the real images for all of them.

    For each set the loss is ``sum over scales of mean fake score^2 + mean (real score - 1)^2``, plus ``r1_weight``
    times the mean of :func:`r1_penalty`. Real term and penalty are the same for every set: computed once, counted F
    times. The gradient goes to the discriminator only. All of it is computed in float32 at least, also under autocast:
    a penalty in half precision underflows.

    Args:
        discriminator (Callable): images -> S score maps (B, 1, h, w); samples do not influence each other.
        real (Tensor): (B, 3, H, W).
        fakes (Sequence[Tensor]): F x (B, 3, H, W), detached here.
        r1_weight (float): >= 0; 0 computes no penalty.

    Returns:
        dict[str, Tensor]: ``loss_real``, ``loss_fake`` and ``loss_r1``, each (), see
        :func:`~pedsearch.models.losses.mean_across_processes` for several processes. Their sum is the loss.

    Raises:
        ValueError: there is no set of fakes, or its shape is not that of the real images.

    Source: Chen et al., "Joint Generative and Contrastive Learning for Unsupervised Person Re-identification", CVPR
    2021 (GCL). Deviation: none; the released code computes real term and penalty for every set anew.
    """
    shapes = [tuple(fake.shape) for fake in fakes]
    if not shapes or set(shapes) != {tuple(real.shape)}:
        raise ValueError(f'fakes must be tensors of the shape of the real images, {tuple(real.shape)}, got '
                         f'{", ".join(map(str, shapes)) or "none"}; generate one image per photo, of its size')
    dtype = torch.promote_types(real.dtype, torch.float32)
    with torch.autocast(real.device.type, enabled=False):
        real = real.detach().to(dtype).requires_grad_(r1_weight > 0)
        real_scores = discriminator(real)
        terms = dict(
            loss_real=squared_errors(real_scores, 1),
            loss_fake=sum(squared_errors(discriminator(fake.detach().to(dtype)), 0) for fake in fakes) / len(fakes),
            loss_r1=r1_weight * r1_penalty(real_scores, real) if r1_weight else real.new_zeros(len(real)))
        return {name: len(fakes) * mean_across_processes(term.sum(), len(term)) for name, term in terms.items()}
