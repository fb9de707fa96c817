"""What inferencers share: config, weights, device, and the way of images into the network."""

import copy
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import DefaultScope
from torch import nn

from pedsearch.datasets.transforms import LoadImage
from pedsearch.registry import TRANSFORMS

from .checkpoints import load_weights
from .gallery_index import GalleryIndex

Image = str | os.PathLike | np.ndarray
"""A path, or an (H, W, 3) uint8 array in BGR order as ``mmcv.imread`` gives it."""


class BaseInferencer:
    """A model in evaluation mode behind the test pipeline of its config.

    A subclass says in :meth:`build_model` how to make its model, and in ``passed_over`` how the names of those weights
    begin that only training needs.

    Args:
        config_or_model: a config (path or :class:`mmengine.config.Config`), or a model that carries its config as
            ``cfg``.
        checkpoint: weights, as a path or URL; only tensors and plain values are read from it. None keeps the weights of
            a model.
        device: where to run. Default: the first accelerator there is, or the CPU.

    Raises:
        TypeError, ValueError, FileNotFoundError: in one line that says what to do.
    """

    passed_over: tuple[str, ...] = ()

    def __init__(self, config_or_model: str | os.PathLike | Config | nn.Module,
                 checkpoint: str | os.PathLike | None = None, device: str | torch.device | None = None) -> None:
        self.cfg = read_config(config_or_model)
        self.device = torch.device(device or get_device())
        self._load, self._transform = build_pipeline(self.cfg)
        if not isinstance(config_or_model, nn.Module):
            self.model = self.build_model(checkpoint)
        else:
            self.model = config_or_model
            if checkpoint is not None:
                load_weights(self.model, checkpoint, self.passed_over)
        self.model.to(self.device).eval()

    def build_model(self, checkpoint: str | os.PathLike | None) -> nn.Module:
        """The model of the config with the weights of a checkpoint, or those that it has without one."""
        raise NotImplementedError(f'{type(self).__name__} must implement build_model()')

    def _read(self, image: Image) -> dict:
        """What the first step of the pipeline knows of an image: picture and size."""
        check_image(image)
        if not isinstance(image, np.ndarray):
            return self._load(dict(img_path=os.fspath(image)))
        size = image.shape[:2]
        image = image.astype(np.float32) if self._load.to_float32 else image
        return dict(img=image, img_path='', img_shape=size, ori_shape=size, height=size[0], width=size[1])

    @torch.no_grad()
    def _run(self, batch: Sequence[Mapping]) -> list:
        """The samples of the model for what the pipeline gave."""
        return self.model.test_step({key: [one[key] for one in batch] for key in ('inputs', 'data_samples')})


# -- from a config to a pipeline --------------------------------------------------------------------------------------


def read_config(config_or_model: Any) -> Config:
    """A copy of the config that may be changed."""
    if isinstance(config_or_model, nn.Module):
        cfg = getattr(config_or_model, 'cfg', None)
        if not isinstance(cfg, Config):
            raise ValueError(f'a model must carry its mmengine Config as `cfg`, got {type(cfg).__name__}; set '
                             'model.cfg or pass the config file and a checkpoint')
        return cfg
    if isinstance(config_or_model, Config):
        return copy.deepcopy(config_or_model)
    if not isinstance(config_or_model, (str, os.PathLike)):
        raise TypeError('config_or_model must be the path of a config, a Config or a model, got '
                        f'{type(config_or_model).__name__}')
    if not os.path.isfile(config_or_model):
        raise FileNotFoundError(f'config {config_or_model} does not exist')
    return Config.fromfile(config_or_model)


def build_pipeline(cfg: Config) -> tuple[LoadImage, Compose]:
    """The image reader and the rest of the test pipeline of a config."""
    pipeline = ((cfg.get('test_dataloader') or {}).get('dataset') or {}).get('pipeline')
    if not pipeline:
        raise ValueError('the config must have test_dataloader.dataset.pipeline; it says how images are read')
    with DefaultScope.overwrite_default_scope('pedsearch'):
        load, *rest = (TRANSFORMS.build(transform) for transform in pipeline)
    if not isinstance(load, LoadImage):
        raise ValueError(f'the test pipeline must start with LoadImage, got {type(load).__name__}')
    return load, Compose(rest)


# -- lists of images --------------------------------------------------------------------------------------------------


def check_image(image: Any) -> None:
    """Stop unless ``image`` is a path or an (H, W, 3) uint8 array."""
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ValueError(f'an image must be a (H, W, 3) uint8 array in BGR order, got {image.shape} {image.dtype}')
    elif not isinstance(image, (str, os.PathLike)):
        raise TypeError(f'an image must be a path or a NumPy array, got {type(image).__name__}')


def batches(images: Iterable[Image], batch_size: int) -> Iterator[list[Image]]:
    """The images, at least one, in lists of ``batch_size`` and a shorter last one."""
    if isinstance(images, (str, os.PathLike, np.ndarray)) and getattr(images, 'ndim', 3) == 3:
        raise TypeError(f'images must be a list of paths or arrays, got one {type(images).__name__}; put it into a '
                        'list')
    if batch_size < 1:
        raise ValueError(f'batch_size must be >= 1, got {batch_size}')
    images = iter(images)
    batch = list(islice(images, batch_size))
    if not batch:
        raise ValueError('images must hold at least one image, got none')
    while batch:
        yield batch
        batch = list(islice(images, batch_size))


def named_batches(images: Iterable[Image], batch_size: int) -> Iterator[tuple[list[str], list[Image]]]:
    """As :func:`batches`, with names: an array is named by its position. No name may come twice."""
    seen = set()
    for batch in batches(images, batch_size):
        names = []
        for image in batch:
            check_image(image)
            name = str(len(seen)) if isinstance(image, np.ndarray) else os.fspath(image)
            if name in seen:
                raise ValueError(f'every image must be listed once, got {name} repeated')
            seen.add(name)
            names.append(name)
        yield names, batch


def own_names(image: Image, index: GalleryIndex) -> list[str]:
    """The names under which the file of an image is in an index."""
    if isinstance(image, np.ndarray):
        return []
    own = os.path.realpath(image)
    return [name for name in index.images if os.path.realpath(name) == own]
