"""Search of people by sentences, on the mmengine Runner.

Shape legend: D embedding dimensions, T captions of an image.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.logging import print_log

from pedsearch.functional import rank_queries
from pedsearch.functional.arrays import as_array
from pedsearch.functional.settings import check_topk
from pedsearch.registry import METRICS

from .records import RecordMetric


@METRICS.register_module()
class TextRetrievalMetric(RecordMetric):
    """Every caption of the test set ranks all of its images; those of the person it was written of are right.

    Samples have ``feat`` (D,), ``text_feats`` (T, D) and ``pid``. Images of nobody known are left out, their captions
    too.

    Protocol: :func:`pedsearch.functional.rank_queries` without cameras. Keys: ``R@{k}``, ``mAP``, ``mINP``, in [0, 1].

    Args:
        topk (Sequence[int]): which R@k to report.
        match (str): 'pid': images of the person; 'image': the image that the caption was written of.
        collect_device, prefix, collect_dir: as in mmengine; the prefix is 'text'.
    """

    default_prefix = 'text'

    def __init__(self, topk: Sequence[int] = (1, 5, 10), match: str = 'pid', collect_device: str = 'cpu',
                 prefix: str | None = None, collect_dir: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        if match not in ('pid', 'image'):
            raise ValueError(f"match must be 'pid' or 'image', got {match!r}")
        self.topk = check_topk(topk)
        self.match = match

    def record(self, sample: Mapping) -> dict[str, Any]:
        """Embeddings and identity of one image."""
        if sample.get('feat') is None or sample.get('pid') is None:
            raise ValueError(f'a data sample must have feat and pid, got {sorted(sample)}; check the test pipeline')
        feat = as_array(sample['feat'], 'feat').astype(np.float32)
        texts = sample.get('text_feats')
        texts = np.zeros((0, len(feat)), np.float32) if texts is None else as_array(texts, 'text_feats')
        return dict(feat=feat, text_feats=texts.astype(np.float32), pid=int(sample['pid']))

    def compute(self, records: list[dict]) -> dict[str, float]:
        if self.match == 'pid':
            records = [record for record in records if record['pid'] >= 0]
        num_texts = [len(record['text_feats']) for record in records]
        if not sum(num_texts):
            raise ValueError(f'expected captions of images with identity, got none in {len(records)} images; test a '
                             'model with a text encoder on a data set with captions')
        owners = np.array([record['pid'] for record in records]) if self.match == 'pid' else np.arange(len(records))
        ranks = rank_queries(np.concatenate([record['text_feats'] for record in records]),
                             np.stack([record['feat'] for record in records]), np.repeat(owners, num_texts), owners)
        found = ranks.metrics(self.topk)
        metrics = {f'R@{k}': found[f'rank{k}'] for k in self.topk} | dict(mAP=found['mAP'], mINP=found['mINP'])
        print_log(f'{sum(num_texts)} sentences search {len(records)} images, in percent\n'
                  + ''.join(f'{key:>8}' for key in metrics) + '\n'
                  + ''.join(f'{100 * value:>8.2f}' for value in metrics.values()), logger='current')
        return metrics
