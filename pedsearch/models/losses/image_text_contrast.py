"""Contrast of images with texts, where an image may have several texts and a text several images.

Shape legend: B rows of this process, N candidates of the other kind, K keys of a row, D embedding dimensions.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def share_key(rows: Tensor, candidates: Tensor) -> Tensor:
    """Whether a row and a candidate have a key in common: the image, the group of equal captions, or the identity.

    Args:
        rows (Tensor): (B, K) integers, one column for each kind of key, negative where a row has none.
        candidates (Tensor): (N, K).

    Returns:
        Tensor: (B, N) bool.

    Example:
        >>> share_key(torch.tensor([[0, 5], [1, -1]]), torch.tensor([[0, 6], [2, 5], [3, -1]]))
        tensor([[ True,  True, False],
                [False, False, False]])
    """
    if rows.ndim != 2 or candidates.ndim != 2 or rows.size(1) != candidates.size(1):
        raise ValueError(f'keys must have shapes (B, K) and (N, K), got {tuple(rows.shape)} and '
                         f'{tuple(candidates.shape)}')
    return ((rows[:, None] == candidates) & (rows[:, None] >= 0)).any(dim=2)


def matching_cross_entropy(sims: Tensor, positives: Tensor, temperature: float | Tensor,
                           teacher_sims: Tensor | None = None, alpha: float | Tensor = 0.) -> Tensor:
    """Cross entropy of each row's similarities with the distribution that its positives share evenly.

    With a teacher the target is ``alpha softmax(teacher_sims / temperature) + (1 - alpha) positives / their number``.

    Args:
        sims (Tensor): (B, N).
        positives (Tensor): (B, N) bool, at least one in each row.
        temperature (float | Tensor): > 0; of a tensor the gradient is taken too, but not through the teacher.
        teacher_sims (Tensor, optional): (B, N) similarities of the momentum encoders.
        alpha (float | Tensor): share of the teacher, in [0, 1].

    Returns:
        Tensor: (B,) in at least float32.

    Source: Li et al., "Align before Fuse: Vision and Language Representation Learning with Momentum Distillation",
    NeurIPS 2021 (ALBEF). Deviation: several positives.

    Example:
        >>> sims = torch.tensor([[1., .6], [0., .8]])
        >>> matching_cross_entropy(sims, torch.eye(2, dtype=torch.bool), 0.5)
        tensor([0.3711, 0.1839])
    """
    sims, targets = _even_targets(sims, positives)
    if teacher_sims is not None:
        fixed = temperature.detach() if isinstance(temperature, Tensor) else temperature
        teacher = (teacher_sims.detach().to(sims.dtype) / fixed).softmax(dim=1)
        targets = alpha * teacher + (1 - alpha) * targets
    return -(targets * (sims / temperature).log_softmax(dim=1)).sum(dim=1)


def distribution_matching(sims: Tensor, positives: Tensor, temperature: float | Tensor = 0.02,
                          eps: float = 1e-8) -> Tensor:
    """SDM: Kullback-Leibler divergence of each row's softmax from the distribution that its positives share evenly.

    Args:
        sims (Tensor): (B, N) cosines.
        positives (Tensor): (B, N) bool, at least one in each row.
        temperature (float | Tensor): > 0.
        eps (float): added to the targets within the logarithm.

    Returns:
        Tensor: (B,) in at least float32.

    Source: Jiang and Ye, "Cross-Modal Implicit Relation Reasoning and Aligning for Text-to-Image Person Retrieval",
    CVPR 2023 (IRRA). Deviation: none.
    """
    sims, targets = _even_targets(sims, positives)
    return _divergence(sims / temperature, targets, eps)


def projection_matching(source: Tensor, target: Tensor, positives: Tensor, eps: float = 1e-8) -> Tensor:
    """CMPM: as :func:`distribution_matching`, of the source's projections on the unit targets.

    Projections are not normalised, and the indicator of the positives is divided by its Euclidean norm.

    Args:
        source (Tensor): (B, D) embeddings, not normalised.
        target (Tensor): (N, D), normalised here.
        positives (Tensor): (B, N) bool, at least one in each row.
        eps (float): added to the targets within the logarithm.

    Returns:
        Tensor: (B,) in at least float32.

    Source: Zhang and Lu, "Deep Cross-Modal Projection Learning for Image-Text Matching", ECCV 2018. Deviation: none.
    """
    if source.ndim != 2 or target.ndim != 2 or positives.shape != (len(source), len(target)):
        raise ValueError(f'source, target and positives must have shapes (B, D), (N, D) and (B, N), got '
                         f'{tuple(source.shape)}, {tuple(target.shape)} and {tuple(positives.shape)}')
    dtype = torch.promote_types(source.dtype, torch.float32)
    projections = source.to(dtype) @ F.normalize(target.to(dtype), dim=1).T  # (B, D) @ (D, N)
    targets = F.normalize(positives.to(dtype), dim=1)
    return _divergence(projections, targets, eps)


def project_on_partner(feats: Tensor, partner: Tensor) -> Tensor:
    """Component of each row (B, D) along its partner (B, D), which the classifier of CMPC takes."""
    unit = F.normalize(partner, dim=1)
    return (feats * unit).sum(dim=1, keepdim=True) * unit


def _even_targets(sims: Tensor, positives: Tensor) -> tuple[Tensor, Tensor]:
    """Similarities in at least float32, and what each positive of a row shall get of its probability."""
    if sims.ndim != 2 or positives.shape != sims.shape:
        raise ValueError(f'sims and positives must have one shape (B, N), got {tuple(sims.shape)} and '
                         f'{tuple(positives.shape)}')
    sims = sims.to(torch.promote_types(sims.dtype, torch.float32))
    targets = positives.to(sims.dtype)
    return sims, targets / targets.sum(dim=1, keepdim=True)


def _divergence(logits: Tensor, targets: Tensor, eps: float) -> Tensor:
    log_probs = logits.log_softmax(dim=1)
    return (log_probs.exp() * (log_probs - (targets + eps).log())).sum(dim=1)
