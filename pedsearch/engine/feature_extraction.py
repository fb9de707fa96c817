"""Embeddings of a whole dataset: of its images, or of the boxes annotated in them.

Shape legend: N images or boxes of the dataset, B images of a batch, R rows (images or boxes) of a batch, D embedding
dimensions.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.dist import all_gather_object, get_dist_info
from mmengine.model import is_model_wrapper
from rich.progress import Progress
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset


@torch.no_grad()
def extract_features(model: nn.Module,
                     dataset: Dataset,
                     batch_size: int = 64,
                     num_workers: int = 0,
                     progress: Progress | None = None,
                     boxes: bool = False) -> Tensor:
    """Embed every image of a dataset, or every box.

    All processes of the group must call it; they share the batches and each gets the whole result. A batch holds the
    same images however many processes there are, so the result does not depend on their number. The modes (training or
    evaluation) of the model's modules and torch's global random state are afterwards what they were.

    Args:
        model (nn.Module): with ``data_preprocessor`` and ``extract_feat(inputs, data_samples) -> (B, D)``, for boxes
            ``extract_box_feats(inputs, data_samples) -> (R, D)``, a row for each of ``gt_instances``, image after
            image; may be wrapped for several processes.
        dataset (Dataset): gives ``dict(inputs, data_samples)``.
        batch_size (int): images per forward pass.
        num_workers (int): worker processes that load images.
        progress (Progress, optional): gets a task that counts the images of this process.
        boxes (bool): embed boxes in the place of images. Batches of images without boxes are passed over.

    Returns:
        Tensor: (N, D) float32 on the CPU, in the order of the dataset.

    Raises:
        ValueError: the dataset is empty, ``batch_size`` is less than 1, or the model gives another shape or numbers
            that are not finite.
    """
    if batch_size < 1 or not len(dataset):
        raise ValueError(f'expected batch_size >= 1 and a dataset with images, got batch_size {batch_size} and '
                         f'{len(dataset)} images')
    model = model.module if is_model_wrapper(model) else model
    batches = [part.tolist() for part in torch.arange(len(dataset)).split(batch_size)]
    rank, world_size = get_dist_info()
    own = [batches[place] for place in np.array_split(np.arange(len(batches)), world_size)[rank]]
    loader = DataLoader(dataset, batch_sampler=own, num_workers=num_workers, collate_fn=pseudo_collate,
                        generator=torch.Generator().manual_seed(0))  # else it would draw from the global state
    task = progress.add_task('features', total=sum(map(len, own))) if progress else None
    method, noun = ('extract_box_feats', 'boxes') if boxes else ('extract_feat', 'images')
    parts = []
    with _evaluating(model):
        for inds, batch in zip(own, loader):
            num_rows = sum(len(sample.gt_instances) for sample in batch['data_samples']) if boxes else len(inds)
            if num_rows:
                data = model.data_preprocessor(batch, False)
                feats = getattr(model, method)(data['inputs'], data['data_samples'])
                if feats.ndim != 2 or len(feats) != num_rows:
                    raise ValueError(f'{method} must give ({num_rows}, D) for {num_rows} {noun}, got '
                                     f'{tuple(feats.shape)}')
                parts.append(feats.float().cpu())
            if progress:
                progress.advance(task, len(inds))
    parts = [part for share in all_gather_object(parts) for part in share]
    if not parts:
        raise ValueError(f'expected a dataset with boxes, got none in {len(dataset)} images; annotate people, or check '
                         'their ignore flags')
    feats = torch.cat(parts)  # (N, D)
    broken = ~feats.isfinite().all(dim=1)
    if broken.any():
        raise ValueError(f'features must be finite, got NaN or infinity for {int(broken.sum())} of {len(feats)} '
                         f'{noun}, first: {int(broken.nonzero()[0])}; look for an overflow in the model')
    return feats


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Run a block in evaluation mode, then put every module's own mode back."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
