"""Online instance matching: a look-up table of identities and a circular queue of unlabelled people.

Shape legend: B embeddings, N identities, K queue slots, D embedding dimensions.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pedsearch.registry import MODELS
from pedsearch.structures import UNLABELED

from ..losses import mean_across_processes
from .checks import check_rows
from .momentum_update import momentum_update
from .process_gather import gather_in_sample_order


@MODELS.register_module()
class OIMMemory(nn.Module):
    """Look-up table and circular queue, and the softmax loss over both.

    loss = mean over labelled rows of ``-log softmax(scale * [lut; queue] x)[pid]``. Empty rows are zero vectors and
    compete at cosine 0.

    Args:
        num_ids: N, identities of the training set. Their pids are 0...N-1.
        queue_size: K, slots for unlabelled people; 0 for none.
        embed_dims: D.
        momentum: weight of the old row in the update of the table, in [0, 1].
        scale: inverse temperature.

    State:
        lut (N, D) float32, unit rows once visited, changed by :meth:`update`.
        queue (K, D) float32, changed by :meth:`update`.
        head () int64, the next queue slot to be overwritten, changed by :meth:`update`.

    Source: Xiao et al., "Joint Detection and Identification Feature Learning for Person Search", CVPR 2017, eq. 1-4.
    Deviation: a batch without labelled person has loss 0, not NaN. The update is a method, not part of backward.

    Example:
        >>> memory = OIMMemory(num_ids=2, queue_size=1, embed_dims=2)
        >>> memory.update(torch.tensor([[0., 1.]]), torch.tensor([1]))
        >>> memory.lut.tolist()
        [[0.0, 0.0], [0.0, 1.0]]
    """

    def __init__(self, num_ids: int, queue_size: int, embed_dims: int, momentum: float = 0.5,
                 scale: float = 30.0) -> None:
        super().__init__()
        if num_ids < 1 or queue_size < 0 or embed_dims < 1:
            raise ValueError(f'OIMMemory needs num_ids >= 1, queue_size >= 0, embed_dims >= 1, got {num_ids}, '
                             f'{queue_size}, {embed_dims}; take num_ids from the training set (`dataset.num_ids`)')
        if scale <= 0:
            raise ValueError(f'scale must be positive, got {scale}; it is the inverse temperature')
        if not 0 <= momentum <= 1:
            raise ValueError(f'momentum must lie in [0, 1], got {momentum}; it is the weight of the old row')
        self.momentum = momentum
        self.scale = scale
        self.register_buffer('lut', torch.zeros(num_ids, embed_dims))
        self.register_buffer('queue', torch.zeros(queue_size, embed_dims))
        self.register_buffer('head', torch.zeros((), dtype=torch.long))

    @property
    def num_ids(self) -> int:
        return len(self.lut)

    def _check(self, embed: Tensor, pids: Tensor) -> None:
        check_rows(embed, pids, self.lut, 'pids', at_least=UNLABELED,
                   remedy="set num_ids to the training set's (`dataset.num_ids`)")

    def loss(self, embed: Tensor, pids: Tensor) -> Tensor:
        """Softmax loss against the memory as it is now; the gradient goes to ``embed`` only.

        Args:
            embed (Tensor): (B, D), L2-normalised by the caller (not again here).
            pids (Tensor): (B,) int64; unlabelled people (-1) have no term of their own.

        Returns:
            Tensor: (), see :func:`~pedsearch.models.losses.mean_across_processes` for several processes.
        """
        self._check(embed, pids)
        with torch.autocast(embed.device.type, enabled=False):
            bank = torch.cat([self.lut, self.queue]).float()
            logits = self.scale * embed.float() @ bank.T  # (B, D) @ (D, N + K) -> (B, N + K)
            total = F.cross_entropy(logits, pids.long(), ignore_index=UNLABELED, reduction='sum')
        return mean_across_processes(total, (pids != UNLABELED).sum())

    @torch.no_grad()
    def update(self, embed: Tensor, pids: Tensor, sample_inds: Tensor | None = None) -> None:
        """Write a batch into the memory, one row after another.

        Labelled: ``lut[y] = normalise(momentum * lut[y] + (1 - momentum) * x)``. Unlabelled: ``queue[head] = x``, and
        the head moves on. With several processes every process applies the rows of all of them in the same order.

        Args:
            embed (Tensor): (B, D), L2-normalised.
            pids (Tensor): (B,) int64, -1 for unlabelled.
            sample_inds (Tensor): (B,) int64, not decreasing: each row's sample in this process' batch. It sets the
                order over processes; None takes every row for a sample of its own.
        """
        self._check(embed, pids)
        if sample_inds is None:
            sample_inds = torch.arange(len(pids), device=pids.device)
        embed, pids = gather_in_sample_order(sample_inds, embed.detach().to(self.lut), pids.long())
        finite = embed.isfinite().all(dim=1)
        embed, pids = embed[finite], pids[finite]
        labeled = pids != UNLABELED
        momentum_update(self.lut, embed[labeled], pids[labeled], self.momentum)
        self._update_queue(embed[~labeled])

    def _update_queue(self, embed: Tensor) -> None:
        size = len(self.queue)
        if size == 0:
            return
        slots = (self.head + torch.arange(len(embed), device=embed.device)) % size
        self.queue[slots[-size:]] = embed[-size:]  # of more rows than slots the last ones stay
        self.head.copy_((self.head + len(embed)) % size)
