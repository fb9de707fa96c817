"""Batches in which every identity is shown by as many cameras as possible."""

import numpy as np

from pedsearch.registry import DATA_SAMPLERS

from .global_batch_sampler import Identity, IdentityBatchSampler


@DATA_SAMPLERS.register_module()
class CameraSampler(IdentityBatchSampler):
    """K images of every identity in random order: one of each of its cameras, topped up from its other images.

    With more than K cameras, K of them are drawn uniformly. An identity with fewer than K images shows all of them and
    then again from the first. Images of unknown camera (-1) count as of one camera.

    Args: See :class:`~pedsearch.datasets.samplers.global_batch_sampler.IdentityBatchSampler`.

    Source: Chen et al., "ICE: Inter-instance Contrastive Encoding for Unsupervised Person Re-identification", ICCV
        2021, the idea of its sampler; order and repetition are our own.
    """

    def _draw_pass(self, identities: list[Identity], rng: np.random.Generator) -> np.ndarray:
        return np.concatenate([self._draw_block(identities[i], rng) for i in rng.permutation(len(identities))])

    def _draw_block(self, identity: Identity, rng: np.random.Generator) -> np.ndarray:
        order = rng.permutation(len(identity.indices))
        _, firsts = np.unique(identity.camids[order], return_index=True)  # a random image of each camera
        shown = np.concatenate([order[rng.permutation(firsts)], np.delete(order, firsts)])
        return np.resize(identity.indices[shown], self.num_instances)
