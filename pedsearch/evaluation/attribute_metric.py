"""Pedestrian attribute recognition on the mmengine Runner.

Shape legend: A attributes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.logging import print_log

from pedsearch.functional import attribute_accuracy
from pedsearch.functional.arrays import as_array
from pedsearch.functional.attributes import UNKNOWN
from pedsearch.registry import METRICS

from .records import RecordMetric


@METRICS.register_module()
class PedestrianAttributeMetric(RecordMetric):
    """Label-based mA, and accuracy, precision, recall and F1 by image.

    Samples have ``attribute_probs`` (A,) and ``attributes`` (A,) of 1, 0 and -1, unknown. Images of which no attribute
    is known do not count.

    Protocol: :func:`pedsearch.functional.attribute_accuracy`. Keys: ``mA``, ``accuracy``, ``precision``, ``recall``,
    ``F1``, in [0, 1].

    Args:
        eval_index (Sequence[int], optional): the attributes that count; None: those that the schema of the data set
            names, or all.
        unknown_as_negative (bool): count unknown labels as negative, as published figures of RAP do, or not at all.
        threshold (float): told are probabilities above it.
        collect_device, prefix, collect_dir: as in mmengine; the prefix is 'attribute'.
    """

    default_prefix = 'attribute'

    def __init__(self, eval_index: Sequence[int] | None = None, unknown_as_negative: bool = True,
                 threshold: float = 0.5, collect_device: str = 'cpu', prefix: str | None = None,
                 collect_dir: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        self.eval_index = None if eval_index is None else list(eval_index)
        self.unknown_as_negative = unknown_as_negative
        self.threshold = threshold

    def record(self, sample: Mapping) -> dict[str, Any]:
        """Probabilities and labels of one image."""
        for field in ('attribute_probs', 'attributes'):
            if sample.get(field) is None:
                raise ValueError(f'a data sample must have {field}, got {sorted(sample)}; set schema in the test '
                                 'dataset and test a model that tells attributes')
        probs, targets = (as_array(sample[field], field) for field in ('attribute_probs', 'attributes'))
        if probs.shape != targets.shape or probs.ndim != 1:
            raise ValueError(f'attribute_probs and attributes must have one shape (A,), got {probs.shape} and '
                             f'{targets.shape} for {sample.get("img_path")}; the model has another schema')
        return dict(probs=probs.astype(np.float32), targets=targets.astype(np.int8))

    def compute(self, records: list[dict]) -> dict[str, float]:
        probs, targets = (np.stack([record[key] for record in records]) for key in ('probs', 'targets'))
        described = (targets != UNKNOWN).any(axis=1)
        if not described.any():
            raise ValueError(f'a test set must have images with attributes, got none in {len(records)}; convert it '
                             'with attributes, or leave this metric out')
        probs, targets = probs[described], targets[described]
        if self.unknown_as_negative:
            targets = np.where(targets == UNKNOWN, 0, targets)
        index = (self.dataset_meta or {}).get('eval_index') if self.eval_index is None else self.eval_index
        if index is not None:
            probs, targets = probs[:, index], targets[:, index]
        metrics = attribute_accuracy(probs, targets, self.threshold).metrics()
        print_log(f'attributes of {len(probs)} images, in percent\n' + ''.join(f'{key:>10}' for key in metrics) + '\n'
                  + ''.join(f'{100 * value:>10.2f}' for value in metrics.values()), logger='current')
        return metrics
