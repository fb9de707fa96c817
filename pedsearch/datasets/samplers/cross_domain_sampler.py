"""Batches half of the source and half of the target domain.

Shape legend: I batches of an epoch, G samples of a global batch, W processes.
"""

from typing import Any

import numpy as np
from torch.utils.data import Dataset

from pedsearch.registry import DATA_SAMPLERS

from .global_batch_sampler import GlobalBatchSampler


@DATA_SAMPLERS.register_module()
class CrossDomainSampler(GlobalBatchSampler):
    """Join the batches of one sampler for each domain.

    A global batch is [G/2 source; G/2 target], a process' batch [its chunk of the source half; its chunk of the target
    half], so the halves of every local batch can be normalised apart.

    Args:
        dataset (Dataset): Has ``source`` and ``target``, datasets with ``labels`` and ``camids``, and ``source_size``,
            the index of its first target sample.
        source (dict): Config of the sampler of the source, a
            :class:`~pedsearch.datasets.samplers.global_batch_sampler.GlobalBatchSampler`, without the arguments below.
        target (dict): Config of that of the target.
        global_batch_size (int): G, a multiple of 2 W.
        num_iters (int | None): I; None: the whole batches that both domains' samples fill, at least one.
        seed (int | None): Run seed; None takes one that all processes share.

    Raises:
        TypeError, ValueError: See :class:`~pedsearch.datasets.samplers.global_batch_sampler.IdentityBatchSampler`; the
            dataset has no two domains.

    Source: Ge et al., "Self-paced Contrastive Learning with Hybrid Memory for Domain Adaptive Object Re-ID", NeurIPS
        2020, section 3.1.
    Deviation: none.
    """

    num_parts = 2

    def __init__(self,
                 dataset: Dataset,
                 source: dict[str, Any],
                 target: dict[str, Any],
                 global_batch_size: int,
                 num_iters: int | None = None,
                 seed: int | None = None) -> None:
        super().__init__(dataset, global_batch_size, num_iters, seed)
        if not (hasattr(dataset, 'source') and hasattr(dataset, 'target')):
            raise TypeError(f'CrossDomainSampler needs a dataset with source and target, got {type(dataset).__name__}; '
                            'use CrossDomainDataset')
        shared = dict(global_batch_size=global_batch_size // 2, num_iters=self.num_iters, seed=self.seed)
        self.source = DATA_SAMPLERS.build(dict(**source, **shared, dataset=dataset.source))
        self.target = DATA_SAMPLERS.build(dict(**target, **shared, dataset=dataset.target))

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        return np.concatenate([self.source.draw(rng), self.dataset.source_size + self.target.draw(rng)], axis=1)
