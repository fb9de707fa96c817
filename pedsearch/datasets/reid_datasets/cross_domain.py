"""Two datasets for training that carries what is known of one domain to another.

Shape legend: N_s images of the source, N_t of the target.
"""

import copy
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from mmengine.dataset import ConcatDataset, force_full_init
from torch import Tensor

from pedsearch.registry import DATASETS

from ..split_dataset import run_pipeline
from .reid_dataset import ReIDDataset

SOURCE, TARGET = 0, 1
"""``domain`` of a sample."""


@DATASETS.register_module()
class CrossDomainDataset(ConcatDataset):
    """A labelled source and a target that is trained on pseudo labels; source samples come first.

    Samples are those of the two datasets with ``domain`` (0 source, 1 target) and a ``sample_idx`` that counts over
    both. Labels are not offset: source labels are identities 0 ... ``num_source_ids - 1``, target labels have a
    numbering of their own. So have cameras.

    Args:
        source (dict | ReIDDataset): The labelled dataset, train split.
        target (dict | ReIDDataset): The other one, train split. Its labels, too, start as its identities where it has
            any; pseudo labels replace them.
        lazy_init (bool): As in mmengine. Default: False.

    Raises:
        ValueError: The source has images without identity, or a dataset is not a train split.
    """

    def __init__(self, source: dict | ReIDDataset, target: dict | ReIDDataset, lazy_init: bool = False) -> None:
        datasets = [DATASETS.build(part) if isinstance(part, Mapping) else part for part in (source, target)]
        for name, part in zip(('source', 'target'), datasets):
            if getattr(part, 'split', None) != 'train':
                raise ValueError(f"{name} must be a re-identification dataset with split='train', got "
                                 f'{type(part).__name__} with split={getattr(part, "split", None)!r}')
        super().__init__(datasets, lazy_init)

    @property
    def source(self) -> ReIDDataset:
        return self.datasets[SOURCE]

    @property
    def target(self) -> ReIDDataset:
        return self.datasets[TARGET]

    @property
    def source_size(self) -> int:
        """N_s; samples from this index on are the target's."""
        return len(self.source)

    @property
    def num_source_ids(self) -> int:
        """Identities of the source, C_s."""
        return self.source.num_ids

    @property
    def pids(self) -> np.ndarray:
        """(N_s + N_t,) int64 identities, each domain with its own numbering, -1 unknown."""
        return np.concatenate([part.pids for part in self.datasets])

    @property
    def camids(self) -> np.ndarray:
        """(N_s + N_t,) int64 cameras, each domain with its own numbering, -1 unknown."""
        return np.concatenate([part.camids for part in self.datasets])

    @property
    def labels(self) -> np.ndarray:
        """(N_s + N_t,) int64: identities of the source, present pseudo labels of the target; a copy."""
        return np.concatenate([part.labels for part in self.datasets])

    def set_pseudo_labels(self, labels: np.ndarray | Tensor | Sequence[int]) -> None:
        """Train on other labels (N_t,) of the target; see :meth:`ReIDDataset.set_pseudo_labels`."""
        self.target.set_pseudo_labels(labels)

    def full_init(self) -> None:
        """Load both and check that the source is labelled."""
        super().full_init()
        unlabelled = int((self.source.pids < 0).sum())
        if unlabelled:
            raise ValueError(f'every source image must have an identity, got {unlabelled} of {len(self.source)} '
                             'without; give a labelled dataset or swap source and target')

    def get_data_info(self, idx: int) -> dict:
        """One sample with its domain."""
        domain, _ = self._get_ori_dataset_idx(idx)
        return dict(super().get_data_info(idx), sample_idx=int(idx) % len(self), domain=domain)

    def __getitem__(self, idx: int) -> dict:
        """Run the pipeline of the sample's dataset, seeded as everywhere."""
        info = self.get_data_info(int(idx))
        return run_pipeline(self.datasets[info['domain']].pipeline, info, getattr(idx, 'seed', None))

    @force_full_init
    def with_pipeline(self, pipeline: Sequence[dict | Callable]) -> 'CrossDomainDataset':
        """The same samples and labels, shared and not copied, behind another pipeline; see :class:`ReIDDataset`."""
        view = copy.copy(self)
        view.datasets = [part.with_pipeline(pipeline) for part in self.datasets]
        return view
