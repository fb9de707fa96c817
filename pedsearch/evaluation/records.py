"""What metrics gather from samples: one record an image, however often the sampler repeats it."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.evaluator import BaseMetric


class RecordMetric(BaseMetric):
    """Base of metrics that keep one record of each image and evaluate them in the order of the data set.

    An image that the sampler repeats to fill a batch counts once, so the result does not depend on the number of
    processes.
    """

    def record(self, sample: Mapping) -> dict[str, Any]:
        """What one sample contributes, without its index."""
        raise NotImplementedError(f'{type(self).__name__} must implement record()')

    def compute(self, records: list[dict]) -> dict[str, float]:
        """The metrics of the records of the whole data set."""
        raise NotImplementedError(f'{type(self).__name__} must implement compute()')

    def process(self, data_batch: Any, data_samples: Sequence[Mapping]) -> None:
        """Keep what the evaluation needs of each image."""
        for sample in data_samples:
            if sample.get('sample_idx') is None:
                raise ValueError(f'a data sample must have sample_idx, got {sorted(sample)}; pack it in the pipeline')
            self.results.append(dict(self.record(sample), sample_idx=int(sample['sample_idx'])))

    def evaluate(self, size: int) -> dict:
        """Gather and evaluate; repeated images are told by their index, so none is cut off by position."""
        return super().evaluate(size=sys.maxsize)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Evaluate the gathered records, each image once."""
        records = {record['sample_idx']: record for record in results}
        return self.compute([records[index] for index in sorted(records)])
