"""P identities with K images each: the batches of the supervised baselines."""

import numpy as np

from pedsearch.registry import DATA_SAMPLERS

from .global_batch_sampler import Identity, IdentityBatchSampler


@DATA_SAMPLERS.register_module()
class PKSampler(IdentityBatchSampler):
    """Chunks of K images of one identity, P identities a batch.

    Each pass shuffles the images of every identity and cuts them into chunks of K; what is left of fewer than K is not
    used in this pass, and an identity with fewer than K images gives one chunk drawn with replacement. As long as P
    identities have chunks left, a batch takes one chunk of P of them, drawn uniformly without replacement. Of fewer
    than P identities, all are taken again and again.

    Args: See :class:`~pedsearch.datasets.samplers.global_batch_sampler.IdentityBatchSampler`.

    Source: Luo et al., "Bag of Tricks and a Strong Baseline for Deep Person Re-identification", CVPR Workshops 2019,
        public code; fast-reid's naive identity sampler.
    Deviation: an epoch has ``num_iters`` batches as in fast-reid, not one pass of random length.
    """

    def _draw_pass(self, identities: list[Identity], rng: np.random.Generator) -> np.ndarray:
        chunks = [self._draw_chunks(identity.indices, rng) for identity in identities]
        left = np.array([len(rows) for rows in chunks])
        ids_per_batch = min(self.global_batch_size // self.num_instances, len(identities))
        blocks = []
        while np.count_nonzero(left) >= ids_per_batch:
            chosen = rng.choice(np.flatnonzero(left), ids_per_batch, replace=False)
            left[chosen] -= 1
            blocks += [chunks[i][left[i]] for i in chosen]
        return np.concatenate(blocks)

    def _draw_chunks(self, indices: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Chunks (any number, K) of one identity's images."""
        size = self.num_instances
        if len(indices) < size:
            return rng.choice(indices, (1, size))
        return rng.permutation(indices)[:len(indices) // size * size].reshape(-1, size)
