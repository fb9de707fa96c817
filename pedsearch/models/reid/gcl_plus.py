"""GCL+: GCL that also learns from pictures of two people mixed into one.

Shape legend: B photos, K clusters, D embedding dimensions.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from mmengine.dist import broadcast
from scipy.special import betaincinv
from torch import Tensor

from pedsearch.registry import MODELS
from pedsearch.structures import ReIDDataSample

from ..losses import mean_across_processes
from ..memories import cluster_means, random_keys
from .base_reid import labels_of
from .gcl import GCL, GCLHead, Views, column_of

_STREAM_WEIGHTS, _STREAM_PARTNERS = 11, 12


@dataclass(frozen=True)
class DMixup:
    """How two people are mixed: codes of appearance in some proportion, on the first one's mesh.

    Attributes:
        alpha (float): proportions are drawn from Beta(alpha, alpha).
        one_sided (bool): the first person has the larger share.
        per_sample (bool): every photo draws its own proportion, or a batch has one.
        partner (str): 'neighbour': two photos that follow each other in the shuffled batch mix with each other, the
            same on any number of processes whose share is contiguous and even; 'permutation': of this process' batch.
            The last of an odd number mixes with itself.

    Source: Chen et al., TPAMI 2023, and the released code (one proportion a batch, permutation).
    """

    alpha: float = 0.6
    one_sided: bool = True
    per_sample: bool = True
    partner: str = 'neighbour'

    def __post_init__(self) -> None:
        if self.alpha <= 0 or self.partner not in ('neighbour', 'permutation'):
            raise ValueError(f"mixup needs alpha > 0 and partner 'neighbour' or 'permutation', got {self}")

    def weights(self, seeds: Tensor) -> Tensor:
        """Share of the first person (B,) float32, drawn from the seeds (B,), on the CPU."""
        drawn = seeds if self.per_sample else seeds[:1].clone()
        if not self.per_sample:
            broadcast(drawn)
        uniform = (random_keys(drawn, 1, _STREAM_WEIGHTS)[:, 0].double() + 0.5) / 2**32
        weights = torch.from_numpy(betaincinv(self.alpha, self.alpha, uniform.numpy())).float()
        return (torch.maximum(weights, 1 - weights) if self.one_sided else weights).expand(len(seeds))

    def partners(self, seeds: Tensor) -> Tensor:
        """Place of the other person (B,) int64."""
        if self.partner == 'permutation':
            return random_keys(seeds[:1], len(seeds), _STREAM_PARTNERS)[0].argsort()
        places = torch.arange(len(seeds), device=seeds.device)
        return (places ^ 1).clamp(max=len(seeds) - 1)  # the last of an odd number mixes with itself


@MODELS.register_module()
class GCLPlusHead(GCLHead):
    """GCL's contrast, and two losses with the clusters' prototypes.

    Args:
        embed_dims: D.
        memory: a :class:`~pedsearch.models.memories.ViewMemory`.
        prototypes: a :class:`~pedsearch.models.memories.Prototypes`.
        init_cfg: as in mmengine.
    """

    def __init__(self, embed_dims: int, memory: dict | None = None, prototypes: dict | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(embed_dims, memory, init_cfg)
        self.prototypes = MODELS.build(dict(prototypes or dict(type='Prototypes'), embed_dims=embed_dims))

    def reset_memory(self, feats: Tensor, labels: Tensor) -> None:
        """As in :class:`GCLHead`; the prototypes are the clusters' means."""
        super().reset_memory(feats, labels)
        self.prototypes.reset(cluster_means(feats, labels))

    def prototype_losses(self, feats: Tensor, mixed_feats: Tensor, labels: Tensor, partners: Tensor,
                         weights: Tensor) -> dict[str, Tensor]:
        """Classification of photos, and of mixed pictures as both people in their proportion.

        Args:
            feats, mixed_feats (Tensor): (B, D), the neck's output.
            labels (Tensor): (B,) int64 clusters.
            partners (Tensor): (B,) int64 places of the second people.
            weights (Tensor): (B,) shares of the first.
        """
        prototype = F.cross_entropy(self.prototypes(feats), labels, reduction='none')
        logits = self.prototypes(mixed_feats)
        first, second = (F.cross_entropy(logits, of, reduction='none') for of in (labels, labels[partners]))
        mixed = weights * first + (1 - weights) * second
        return {name: mean_across_processes(terms.sum(), len(terms))
                for name, terms in (('loss_prototype', prototype), ('loss_mixup', mixed))}


@MODELS.register_module()
class GCLPlus(GCL):
    """GCL with D-Mixup: ``mixed = G(w code(first) + (1 - w) code(second), mesh of the first)``.

    The discriminator judges mixed pictures too; in the joint stage prototypes are learnt from photos and from mixed
    pictures.

    Args:
        mixup: arguments of :class:`DMixup`.
        **kwargs: of :class:`~pedsearch.models.reid.GCL`; its ``head`` is a :class:`GCLPlusHead`, ``loss_weights`` has
            ``prototype`` besides, default 1.

    Source: Chen et al., "Learning Invariance from Generated Variance for Unsupervised Person Re-identification", TPAMI
    2023, and what its released code means; it cannot run as published. Deviation: see docs/deviations.md.
    """

    def __init__(self, *, mixup: dict | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.mixup = DMixup(**(mixup or {}))

    @staticmethod
    def default_weights() -> dict[str, float]:
        return dict(GCL.default_weights(), prototype=1.)

    def generate(self, photos: Tensor, meshes: Tensor, turned_meshes: Tensor,
                 data_samples: list[ReIDDataSample]) -> Views:
        """As in :class:`GCL`; ``others`` holds the mixed pictures."""
        views = super().generate(photos, meshes, turned_meshes, data_samples)
        partners, weights = self._mixing(data_samples, photos.device)
        views.others.append(self.mix(views.codes, views.structure, partners, weights))
        return views

    def mix(self, codes: Tensor, structure: Tensor, partners: Tensor, weights: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) of codes (B, C, P) mixed with those of their partners."""
        weights = weights[:, None, None]
        return self.generator.decode(weights * codes + (1 - weights) * codes[partners], structure)

    def contrast_losses(self, views: Views, data_samples: list[ReIDDataSample]) -> dict[str, Tensor]:
        """As in :class:`GCL`, and the losses with the prototypes."""
        losses = super().contrast_losses(views, data_samples)
        with self.encoding_generated():
            _, mixed_feats = self.encode(views.others[0])
        labels = labels_of(data_samples, views.photos.device)
        terms = self.head.prototype_losses(views.feats, mixed_feats, labels, *self._mixing(data_samples, labels.device))
        return losses | {name: self.loss_weights['prototype'] * loss for name, loss in terms.items()}

    def _mixing(self, data_samples: list[ReIDDataSample], device: torch.device) -> tuple[Tensor, Tensor]:
        """Partners and weights (B,) each, the same at every call for a batch."""
        seeds = column_of(data_samples, 'seed', torch.device('cpu'))
        return self.mixup.partners(seeds).to(device), self.mixup.weights(seeds).to(device)
