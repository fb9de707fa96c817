"""Batches of the clustering methods: for each identity an anchor, and companions that other cameras took."""

import numpy as np
from torch.utils.data import Dataset

from pedsearch.registry import DATA_SAMPLERS

from .global_batch_sampler import Identity, IdentityBatchSampler


@DATA_SAMPLERS.register_module()
class MultipleGallerySampler(IdentityBatchSampler):
    """K images of every identity in random order: one anchor, then K - 1 images of other cameras than the anchor's.

    An identity that one camera alone has seen gives K - 1 of its other images. Companions are drawn without replacement
    from K candidates or more, with replacement from fewer (from K - 1, too). An identity with a single image gives a
    block of that one image.

    Args:
        dataset, global_batch_size, num_iters, seed: See
            :class:`~pedsearch.datasets.samplers.global_batch_sampler.GlobalBatchSampler`.
        num_instances (int): K.
        use_cameras (bool): False takes all images for those of one camera: the setting without camera labels.
        pad_singletons (bool): Repeat a single image K times, as fast-reid does, so that all blocks are of length K.

    Raises:
        TypeError, ValueError: See :class:`~pedsearch.datasets.samplers.global_batch_sampler.IdentityBatchSampler`.

    Source: Ge et al., "Self-paced Contrastive Learning with Hybrid Memory for Domain Adaptive Object Re-ID", NeurIPS
        2020, public code (RandomMultipleGallerySampler); Cluster Contrast uses the same.
    Deviation: where an epoch's labels fill less than a batch, batches run over the border of passes.
    """

    def __init__(self,
                 dataset: Dataset,
                 global_batch_size: int,
                 num_instances: int,
                 num_iters: int | None = None,
                 use_cameras: bool = True,
                 pad_singletons: bool = False,
                 seed: int | None = None) -> None:
        super().__init__(dataset, global_batch_size, num_instances, num_iters, seed)
        self.use_cameras = use_cameras
        self.pad_singletons = pad_singletons

    def _draw_pass(self, identities: list[Identity], rng: np.random.Generator) -> np.ndarray:
        return np.concatenate([self._draw_block(identities[i], rng) for i in rng.permutation(len(identities))])

    def _draw_block(self, identity: Identity, rng: np.random.Generator) -> np.ndarray:
        indices, camids = identity
        if len(indices) == 1:
            return np.repeat(indices, self.num_instances if self.pad_singletons else 1)
        anchor = rng.integers(len(indices))
        others = indices[camids != camids[anchor]] if self.use_cameras else indices[:0]
        if not len(others):
            others = np.delete(indices, anchor)
        companions = rng.choice(others, self.num_instances - 1, replace=len(others) < self.num_instances)
        return np.concatenate([indices[anchor:anchor + 1], companions])
