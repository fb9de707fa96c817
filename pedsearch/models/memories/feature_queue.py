"""The last embeddings that passed, as candidates of a contrast.

Shape legend: K rows of the queue, B embeddings, D their dimensions, L keys of a row.
"""

import torch
from torch import Tensor, nn

from pedsearch.registry import MODELS

from .process_gather import gather_in_rank_order

NO_KEY = -1


@MODELS.register_module()
class FeatureQueue(nn.Module):
    """A ring of embeddings, the oldest of which the next ones replace; a batch may go over its end.

    Args:
        embed_dims: D.
        length: K.
        num_keys: L, numbers that say what a row belongs to.

    State:
        feats (K, D) float32. Changed by :meth:`enqueue`.
        keys (K, L) int64, -1: none. Likewise.
        place () int64, where the next row goes. Likewise.
        filled () int64, how many rows there are. Likewise.

    Source: He et al., "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR 2020 (MoCo).
    Deviation: the queue starts empty, not with noise, and batches need not divide its length.

    Example:
        >>> queue = FeatureQueue(embed_dims=1, length=4)
        >>> for batch in ([0., 1, 2], [3., 4, 5]):
        ...     queue.enqueue(torch.tensor(batch)[:, None])
        >>> queue.feats.flatten().tolist(), int(queue.place)
        ([4.0, 5.0, 2.0, 3.0], 2)
    """

    def __init__(self, embed_dims: int, length: int, num_keys: int = 0) -> None:
        super().__init__()
        if length < 1:
            raise ValueError(f'length must be >= 1, got {length}; leave the queue out where none is wanted')
        self.register_buffer('feats', torch.zeros(length, embed_dims))
        self.register_buffer('keys', torch.full((length, num_keys), NO_KEY))
        self.register_buffer('place', torch.zeros((), dtype=torch.long))
        self.register_buffer('filled', torch.zeros((), dtype=torch.long))

    def __len__(self) -> int:
        return len(self.feats)

    def used(self) -> Tensor:
        """(K,) bool, which rows hold something."""
        return torch.arange(len(self), device=self.feats.device) < self.filled

    @torch.no_grad()
    def enqueue(self, feats: Tensor, keys: Tensor | None = None) -> None:
        """Write embeddings of all processes, those of rank 0 first.

        Args:
            feats (Tensor): (B, D).
            keys (Tensor, optional): (B, L) integers.

        Raises:
            ValueError: shapes do not fit.
        """
        if keys is None:
            keys = feats.new_full((len(feats), self.keys.size(1)), NO_KEY, dtype=torch.long)
        if feats.ndim != 2 or feats.size(1) != self.feats.size(1) or keys.shape != (len(feats), self.keys.size(1)):
            raise ValueError(f'feats and keys must have shapes (B, {self.feats.size(1)}) and (B, {self.keys.size(1)}), '
                             f'got {tuple(feats.shape)} and {tuple(keys.shape)}')
        feats, keys = gather_in_rank_order(feats.detach().to(self.feats), keys)
        dropped = max(len(feats) - len(self), 0)  # of more than the queue holds the last ones stay
        rows = (self.place + torch.arange(dropped, len(feats), device=self.place.device)) % len(self)
        self.feats[rows], self.keys[rows] = feats[dropped:], keys[dropped:]
        self.place.copy_((self.place + len(feats)) % len(self))
        self.filled.copy_((self.filled + len(feats)).clamp(max=len(self)))
