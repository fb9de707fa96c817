"""The re-identification protocol: CMC, mAP and mINP without the order of the gallery.

Shape legend: Q queries, G gallery items, C columns (gallery items whose identity is known), b queries of one block,
P true matches of one block, D embedding dimensions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pedsearch.ops import positive_ranks

from .distance_blocks import FeatDistances, GivenDistances
from .match_lists import MatchLists, RowLists
from .settings import check_count, check_topk

AVERAGE_PRECISIONS = ('step', 'trapezoid')
_BLOCK_BYTES = 2**26


@dataclass(frozen=True)
class QueryRanks:
    """How each query ranks the gallery.

    Attributes:
        valid (numpy.ndarray): (Q,) bool; a query without a true match is left out of every average.
        ap (numpy.ndarray): (Q,) float64 average precision; NaN where not valid.
        inp (numpy.ndarray): (Q,) float64 inverse negative penalty, matches / rank of the last one; NaN where not valid.
        first_rank (numpy.ndarray): (Q,) int64 rank of the first true match from 1; 0 where not valid.
        best (numpy.ndarray): (Q, num_best) int64 the best gallery items, junk left out; -1 where there are no more.
        best_dist (numpy.ndarray): (Q, num_best) their distances; NaN where there are no more.
    """

    valid: np.ndarray
    ap: np.ndarray
    inp: np.ndarray
    first_rank: np.ndarray
    best: np.ndarray
    best_dist: np.ndarray

    def metrics(self, topk: Sequence[int] = (1, 5, 10)) -> dict[str, float]:
        """Averages over the valid queries: ``mAP``, ``mINP`` and ``rank{k}`` in [0, 1]."""
        first_rank = self.first_rank[self.valid]
        return dict(mAP=float(self.ap[self.valid].mean()), mINP=float(self.inp[self.valid].mean()),
                    **{f'rank{k}': float((first_rank <= k).mean()) for k in check_topk(topk)})


def check_average_precision(value: Any) -> str:
    """``value`` itself; ValueError unless it is one of :data:`AVERAGE_PRECISIONS`."""
    if value not in AVERAGE_PRECISIONS:
        raise ValueError(f'ap must be one of {AVERAGE_PRECISIONS}, got {value!r}')
    return value


def rank_metrics(query_feats: Any,
                 gallery_feats: Any,
                 query_pids: Any,
                 gallery_pids: Any,
                 query_camids: Any = None,
                 gallery_camids: Any = None,
                 *,
                 topk: Sequence[int] = (1, 5, 10),
                 dist: Any = None,
                 ap: str = 'step') -> dict[str, float]:
    """CMC, mAP and mINP of a re-identification model.

    See :func:`rank_queries` for the protocol and the arguments.

    Args:
        topk (Sequence[int]): which CMC accuracies to report.

    Returns:
        dict: ``mAP``, ``mINP`` and ``rank{k}`` (share of queries with a true match among the k best), all in [0, 1].

    Example:
        >>> metrics = rank_metrics([[1., 0.]], [[1., .1], [1., .2], [0., 1.]], [7], [3, 7, 7], topk=(1, 2))
        >>> {key: round(value, 4) for key, value in metrics.items()}
        {'mAP': 0.5833, 'mINP': 0.6667, 'rank1': 0.0, 'rank2': 1.0}
    """
    topk = check_topk(topk)
    return rank_queries(query_feats, gallery_feats, query_pids, gallery_pids, query_camids, gallery_camids, dist=dist,
                        ap=ap).metrics(topk)


def rank_queries(query_feats: Any,
                 gallery_feats: Any,
                 query_pids: Any,
                 gallery_pids: Any,
                 query_camids: Any = None,
                 gallery_camids: Any = None,
                 *,
                 dist: Any = None,
                 ap: str = 'step',
                 num_best: int = 0) -> QueryRanks:
    """Rank the gallery for every query and score the ranking.

    Gallery items of the query's identity and camera do not count (junk), those of identity -1 leave the gallery. The
    rest is ordered by Euclidean distance of the L2-normalised features, equal distances by gallery index. With the
    true matches at ranks ``r_1 < ... < r_n``: ``AP = 1/n sum_k k / r_k`` and ``INP = n / r_n``.

    A block of queries is ranked at a time, so memory does not grow with Q.

    Args:
        query_feats (array-like | Tensor): (Q, D), any dtype; a tensor's device does the work. Not read if ``dist`` is
            given.
        gallery_feats (array-like | Tensor): (G, D). Both float64 or integers: ranked in double precision, else in
            single, which tells distances above about 1e-3 apart.
        query_pids (array-like): (Q,) int >= 0, -1 for no identity.
        gallery_pids (array-like): (G,) int.
        query_camids (array-like, optional): (Q,) int. Without cameras nothing is junk.
        gallery_camids (array-like, optional): (G,) int.
        dist (array-like | Tensor, optional): (Q, G) distances to rank by instead of the features', for example
            re-ranked ones; may be infinite.
        ap (str): 'step', the formula above; 'trapezoid', the mean of the precisions at and before each match, as in
            the evaluation that came with Market-1501.
        num_best (int): how many of the best gallery items to list for each query.

    Returns:
        QueryRanks: arrays of length Q.

    Raises:
        TypeError, ValueError: on input of another kind or shape, NaN, or if no query has a true match.

    Source: Market-1501 (Zheng et al., ICCV 2015); mINP: Ye et al., TPAMI 2021.
    Deviation: equal distances are ordered by gallery index instead of as the sort leaves them.
    """
    ap = check_average_precision(ap)
    num_best = check_count(num_best, 'num_best', at_least=0)
    lists = MatchLists.of(query_pids, gallery_pids, query_camids, gallery_camids)
    if dist is None:
        distances = FeatDistances.of(query_feats, gallery_feats, lists.shape, lists.columns)
    else:
        distances = GivenDistances.of(dist, lists.shape, lists.columns)
    scores, best = [], []
    step = max(1, _BLOCK_BYTES // (distances.dtype.itemsize * len(lists.columns)))
    for start in range(0, len(lists.bounds), step):
        rows = slice(start, start + step)
        block = distances.block(rows)  # (b, C)
        matches, junk = lists.matches(rows), lists.junk(rows)
        ranks = positive_ranks(block, *_tensors(matches, block.device), *_tensors(junk, block.device))
        scores.append(_score(ranks.cpu().numpy(), matches[0], ap))
        best.append(_find_best(block, junk, num_best))
    aps, inps, first_ranks = (np.concatenate(parts) for parts in zip(*scores))
    best, best_dist = (np.concatenate(parts) for parts in zip(*best))
    best = np.where(best < 0, -1, lists.columns[best])
    return QueryRanks(first_ranks > 0, aps, inps, first_ranks, best, distances.euclidean(best_dist))


def _score(ranks: np.ndarray, indptr: np.ndarray, ap: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """AP, INP and first rank (b,) from the ranks (P,) of each row's matches, in any order within the row."""
    counts = np.diff(indptr)
    rows = _row_of_entries(indptr)
    ranks = ranks[np.lexsort((ranks, rows))]
    hits = np.arange(1, len(ranks) + 1) - indptr[rows]
    precisions = hits / ranks
    if ap == 'trapezoid':
        before = np.where(ranks > 1, (hits - 1) / np.maximum(ranks - 1, 1), 1)
        precisions = (before + precisions) / 2
    valid = counts > 0
    aps, inps, first_ranks = np.full(len(counts), np.nan), np.full(len(counts), np.nan), np.zeros(len(counts), np.int64)
    aps[valid] = np.bincount(rows, weights=precisions, minlength=len(counts))[valid] / counts[valid]
    inps[valid] = counts[valid] / ranks[indptr[1:][valid] - 1]
    first_ranks[valid] = ranks[indptr[:-1][valid]]
    return aps, inps, first_ranks


def _find_best(block: Tensor, junk: RowLists, num_best: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns (b, num_best), -1 where there are no more, and their values (NaN) by the order (distance, column)."""
    best, values = np.full((len(block), num_best), -1), np.full((len(block), num_best), np.nan)
    if num_best == 0:
        return best, values
    indptr, junk_columns = junk
    wanted = min(num_best + int(np.diff(indptr).max()), block.shape[1])
    limits = block.topk(wanted, dim=1, largest=False).values[:, -1:]
    near = block <= limits  # at least `wanted` in each row, more if some are equal
    near[_row_of_entries(indptr), junk_columns] = False
    rows, columns = near.nonzero(as_tuple=True)
    rows, columns, found = (part.cpu().numpy() for part in (rows, columns, block[rows, columns]))
    order = np.lexsort((columns, found, rows))
    rows, columns, found = rows[order], columns[order], found[order]
    places = np.arange(len(rows)) - np.searchsorted(rows, rows)
    listed = places < num_best
    best[rows[listed], places[listed]] = columns[listed]
    values[rows[listed], places[listed]] = found[listed]
    return best, values


def _row_of_entries(indptr: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))


def _tensors(lists: RowLists, device: torch.device) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(lists[0]).to(device), torch.from_numpy(lists[1]).to(device)
