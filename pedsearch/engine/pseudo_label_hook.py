"""Labels the training set anew before every epoch: extract, cluster, relabel, reset.

Two worlds share the loop. In re-identification an image is labelled, in person search a box; there the dataset gives
every annotated box a slot. The loop rests on these contracts:

* ``model.extract_feat(inputs, data_samples) -> (B, D)`` L2-normalised embeddings of preprocessed images; for boxes
  ``model.extract_box_feats(inputs, data_samples) -> (R, D)``, a row for each of ``gt_instances``, image after image;
* ``clusterer(feats (N, D)) -> (N,) int64`` labels, 0...C-1, -1 for an outlier; for boxes ``clusterer(feats,
  scene_ids)``; where it has state, ``state_dict()`` and ``load_state_dict()`` of plain values;
* ``dataset.with_pipeline(pipeline)`` gives the same images for extraction, ``dataset.pids`` (N,) their identities, -1
  where unknown. For images ``dataset.set_pseudo_labels(labels (N,))``; for boxes ``dataset.num_slots`` N and
  ``dataset.scene_ids`` (N,), the image of each; their labels live in the memory.

The model's ``head`` or ``roi_head`` has ``reset_memory(feats, labels)``. One that keeps the features itself has
``memory_feats()``, which stands in for the extraction after ``init_memory(feats)`` was called once. With a source
domain (``dataset.source``, ``dataset.target``) only the target's images are clustered, and it is called as
``init_memory(feats, source_labels)``.

Shape legend: N images or boxes that are clustered, R boxes of a batch, C clusters, D embedding dimensions.
"""

import logging
import time
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from mmengine.dist import broadcast, is_main_process
from mmengine.hooks import EMAHook, Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor, nn
from torch.utils.data import Dataset

from pedsearch.clustering import clustering_quality, noise_to_singletons
from pedsearch.clustering.labels import number_by_first_member
from pedsearch.registry import HOOKS, TASK_UTILS

from .feature_extraction import extract_features
from .memory_update_hook import MemoryUpdateHook

OUTLIER = -1


@HOOKS.register_module()
class PseudoLabelHook(Hook):
    """Extract, cluster, relabel, reset.

    A clustering that finds fewer than two clusters cannot be trained on: the labels before it stay, with a warning, and
    at the first clustering of a run it is an error. In person search an outlier is a cluster of its own.

    When: before each training epoch, whose number is a multiple of ``interval``. A run resumed within an epoch goes on
    with the labels of the checkpoint.
    Touches: the labels of the training images, the head's memory, ``pseudo_labels`` in checkpoints.
    Logs: number of clusters of two and more, share of all other images or boxes, durations; where identities are known,
    ARI, NMI and purity, also as scalars ``pseudo_labels/...`` per epoch.

    Args:
        clusterer: built from TASK_UTILS, for example :class:`~pedsearch.clustering.DBSCANCluster`; None: the labels are
            the identities, the upper bound of the method, and everyone without is a cluster of their own.
        pipeline: transforms of the extraction; None: those of the test data loader.
        batch_size: images per forward pass of the extraction.
        num_workers: worker processes of the extraction.
        interval: epochs between two clusterings.
        refresh: extract anew at every clustering, also for a head that keeps the features itself. Its rows are up to
            an epoch old; where the network changes much within one, they no longer fit together.
    """

    priority = 'ABOVE_NORMAL'

    def __init__(self, clusterer: dict | None, pipeline: Sequence[dict] | None = None, batch_size: int = 64,
                 num_workers: int = 0, interval: int = 1, refresh: bool = False) -> None:
        if interval < 1:
            raise ValueError(f'interval must be >= 1, got {interval}; it counts epochs')
        self.clusterer = clusterer if clusterer is None else TASK_UTILS.build(clusterer)
        self.pipeline = pipeline
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.interval = interval
        self.refresh = refresh
        self.labels: Tensor | None = None
        self.epoch = -1
        self._stored: dict | None = None

    def before_train(self, runner: Runner) -> None:
        """Put the labels of a checkpoint back where the run goes on; weights alone start a run of their own."""
        self._check(runner)
        if self._stored is None or runner.iter == 0:
            return
        self.labels, self.epoch = self._stored['labels'].cpu(), self._stored['epoch']
        if self._stored['clusterer'] and hasattr(self.clusterer, 'load_state_dict'):
            self.clusterer.load_state_dict(self._stored['clusterer'])
        self._relabel(runner)

    def before_train_epoch(self, runner: Runner) -> None:
        if runner.epoch == self.epoch or (self.labels is not None and runner.epoch % self.interval):
            return
        name, head = self._head(runner)
        with self._progress(runner) as progress:
            started = time.perf_counter()
            feats = self._feats(runner, head, progress)
            extracted = time.perf_counter()
            labels = self._cluster(runner, feats, progress)
            clustered = time.perf_counter()
        if int(labels.max()) < 1:
            labels = self._keep_labels(runner, labels)
        else:
            self._log(runner, labels, extracted - started, clustered - extracted)
        self.labels, self.epoch = labels, runner.epoch
        self._relabel(runner)
        device = next(head.buffers()).device
        head.reset_memory(feats.to(device), labels.to(device))
        for hook in runner.hooks:  # an averaged model copies buffers in place, which needs equal sizes
            if isinstance(hook, EMAHook):
                params = dict(head.named_parameters())
                buffers = {key: value for key, value in head.state_dict().items() if key not in params}
                getattr(hook.ema_model.module, name).load_state_dict(buffers, strict=False)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Store labels, their epoch and the clusterer's state."""
        if self.labels is not None:
            state = self.clusterer.state_dict() if hasattr(self.clusterer, 'state_dict') else {}
            checkpoint['pseudo_labels'] = dict(labels=self.labels, epoch=self.epoch, clusterer=state)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep what the checkpoint says about labels."""
        self._stored = checkpoint.get('pseudo_labels')

    # -- the four steps -----------------------------------------------------------------------------------------------

    def _feats(self, runner: Runner, head: nn.Module, progress: Progress | None) -> Tensor:
        """(N, D) on the CPU: from the head's memory where it keeps them, else from the images."""
        keeps_feats = hasattr(head, 'memory_feats')
        if keeps_feats and self.labels is not None and not self.refresh:
            return head.memory_feats().cpu()
        dataset = runner.train_dataloader.dataset
        pipeline = self.pipeline
        if pipeline is None:
            if runner.cfg.get('test_dataloader') is None:
                raise ValueError('PseudoLabelHook needs its pipeline where the config has no test_dataloader, got '
                                 'none; give it the transforms of testing')
            pipeline = runner.cfg.test_dataloader.dataset.pipeline
        boxes = _labels_boxes(dataset)
        if boxes:
            _check_boxes_stay(pipeline)
        feats = extract_features(runner.model, dataset.with_pipeline(pipeline), self.batch_size, self.num_workers,
                                 progress, boxes)
        if boxes and len(feats) != dataset.num_slots:
            raise ValueError(f'the extraction must give the {dataset.num_slots} boxes of the training set, got '
                             f'{len(feats)}; take a pipeline that removes no boxes')
        if not keeps_feats:
            return feats
        source = getattr(dataset, 'source', None)
        device = next(head.buffers()).device
        known = [] if source is None else [torch.from_numpy(np.array(source.labels, dtype=np.int64)).to(device)]
        head.init_memory(feats.to(device), *known)
        return head.memory_feats().cpu()

    def _cluster(self, runner: Runner, feats: Tensor, progress: Progress | None) -> Tensor:
        """(N,) int64 labels, those of the first process everywhere."""
        dataset = self._target(runner)
        labels = torch.empty(len(feats), dtype=torch.long)
        if is_main_process():
            task = progress.add_task('clustering', total=1) if progress else None
            if self.clusterer is None:
                found = number_by_first_member(noise_to_singletons(dataset.pids))
            elif _labels_boxes(dataset):
                found = noise_to_singletons(self.clusterer(feats, dataset.scene_ids))
            else:
                found = self.clusterer(feats)
            labels = torch.from_numpy(np.asarray(found, dtype=np.int64))
            if progress:
                progress.advance(task)
        broadcast(labels)
        return labels

    def _keep_labels(self, runner: Runner, labels: Tensor) -> Tensor:
        """The labels before, where clustering found nothing to tell apart."""
        noun = 'boxes' if _labels_boxes(self._target(runner)) else 'images'
        found = (f'expected two clusters or more of {len(labels)} {noun}, got {int(labels.max()) + 1} and '
                 f'{int((labels == OUTLIER).sum())} outliers')
        remedy = 'change eps or min_samples of the clusterer, or start from other weights'
        if self.labels is None:
            raise ValueError(f'{found}; {remedy}')
        runner.logger.warning(f'{found} at epoch {runner.epoch + 1}; the labels before stay, '
                              f'{remedy}')
        return self.labels

    # -- around them --------------------------------------------------------------------------------------------------

    def _head(self, runner: Runner) -> tuple[str, nn.Module]:
        """The part of the model that holds the memory, and its name."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        for name in ('head', 'roi_head'):
            if hasattr(getattr(model, name, None), 'reset_memory'):
                return name, getattr(model, name)
        raise TypeError(f'PseudoLabelHook needs a model whose head or roi_head has reset_memory(), got '
                        f'{type(model).__name__}; take ClusterContrastHead, SpCLHead or a weakly supervised RoI head, '
                        'or drop the hook')

    def _check(self, runner: Runner) -> None:
        """Stop a run whose parts do not fit together before it costs time."""
        dataset, (name, head) = runner.train_dataloader.dataset, self._head(runner)
        if not hasattr(dataset, 'with_pipeline'):
            raise TypeError(f'PseudoLabelHook needs a data set with with_pipeline() and pids, got '
                            f'{type(dataset).__name__}; a wrapper hides them, write one annotation file instead')
        if hasattr(head, 'update_memory') and not any(isinstance(hook, MemoryUpdateHook) for hook in runner.hooks):
            raise ValueError(f'the memory of {name} would never be updated; add dict(type=\'MemoryUpdateHook\') to '
                             'custom_hooks')
        if any(isinstance(hook, EMAHook) and hook.ema_model.update_buffers for hook in runner.hooks):
            raise ValueError('an average of labels means nothing, and a memory may change its size, got EMAHook with '
                             'update_buffers=True; leave it out')

    def _relabel(self, runner: Runner) -> None:
        """Hand the labels to the training set; those of boxes stand in the memory."""
        dataset = self._target(runner)
        if not _labels_boxes(dataset):
            dataset.set_pseudo_labels(self.labels.numpy())
        elif len(self.labels) != dataset.num_slots:
            raise ValueError(f'the checkpoint has pseudo labels of {len(self.labels)} boxes but the training set has '
                             f'{dataset.num_slots} slots; resume with the data set and the filter_cfg it was trained '
                             'with')

    def _target(self, runner: Runner):  # noqa: ANN202 - any dataset with the contract above
        dataset = runner.train_dataloader.dataset
        return getattr(dataset, 'target', dataset)

    def _progress(self, runner: Runner) -> Progress:
        quiet = not is_main_process() or not runner.logger.isEnabledFor(logging.INFO)
        return Progress(TextColumn('{task.description:>10}'), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                        disable=quiet)

    def _log(self, runner: Runner, labels: Tensor, seconds_extracting: float, seconds_clustering: float) -> None:
        labels, pids = labels.numpy(), self._target(runner).pids
        sizes = np.bincount(labels[labels != OUTLIER])
        alone = (labels == OUTLIER) | (sizes[labels] == 1)  # some clusterers make outliers clusters of their own
        quality = clustering_quality(np.where(alone, OUTLIER, labels), pids)
        values = {'num_clusters': int((sizes > 1).sum()), 'outlier_share': float(alone.mean())}
        text = f'{values["num_clusters"]} clusters, {100 * values["outlier_share"]:.1f} % outliers'
        if (pids >= 0).any():
            values.update({name: quality[name] for name in ('ari', 'nmi', 'purity')})
            text += ''.join(f', {name.upper() if len(name) == 3 else name} {100 * quality[name]:.1f}'
                            for name in ('ari', 'nmi', 'purity'))
        runner.logger.info(f'pseudo labels of epoch {runner.epoch + 1}: {text}; features {seconds_extracting:.1f} s, '
                           f'clustering {seconds_clustering:.1f} s')
        runner.visualizer.add_scalars({f'pseudo_labels/{name}': value for name, value in values.items()},
                                      step=runner.epoch)


def _check_boxes_stay(pipeline: Sequence[dict]) -> None:
    """Boxes must come in the pixels of the original image."""
    types = [str(step.get('type')).split('.')[-1] if isinstance(step, Mapping) else type(step).__name__
             for step in pipeline]
    moving = [place for place, name in enumerate(types) if 'Resize' in name or 'Flip' in name]
    if 'LoadSearchAnnotations' in types and moving and types.index('LoadSearchAnnotations') < max(moving):
        raise ValueError(f'the extraction must leave boxes where they are annotated, got {types}; put '
                         'LoadSearchAnnotations behind the transforms that move them, as in testing')


def _labels_boxes(dataset: Dataset) -> bool:
    """Whether boxes of a scene are labelled, or images."""
    return hasattr(dataset, 'num_slots')
