"""Search for a person in images, with a trained model.

Shape legend: n detections of one image, q boxes of one image, D embedding dimensions.
"""

import copy
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import print_log
from mmengine.registry import DefaultScope
from mmengine.runner import CheckpointLoader
from torch import nn

from pedsearch.datasets.transforms import LoadImage
from pedsearch.functional import check_bboxes
from pedsearch.functional.arrays import as_array
from pedsearch.registry import INFERENCERS, MODELS, TRANSFORMS
from pedsearch.structures import UNLABELED, SearchDataSample

from .gallery_index import GalleryIndex, SearchHit

SceneImage = str | os.PathLike | np.ndarray
"""A path, or an (H, W, 3) uint8 array in BGR order as ``mmcv.imread`` gives it."""


@dataclass(frozen=True)
class Detections:
    """People of one image by falling score: bboxes (n, 4) xyxy, scores (n,), unit embeds (n, D), all float32."""

    bboxes: np.ndarray
    scores: np.ndarray
    embeds: np.ndarray


@INFERENCERS.register_module()
class PersonSearchInferencer:
    """Detect people, index a gallery, search it.

    The images of a batch are padded to one size, which changes numbers slightly where sizes differ.

    Args:
        config_or_model: a config (path or :class:`mmengine.config.Config`), or a model that carries its config as
            ``cfg``.
        checkpoint: weights, as a path or URL; only tensors and plain values are read from it. None keeps the weights of
            a model, and leaves those of a config random.
        device: where to run. Default: the first accelerator there is, or the CPU.

    Raises:
        TypeError, ValueError, FileNotFoundError: in one line that says what to do.

    Example:
        >>> inferencer = PersonSearchInferencer('config.py', 'epoch_20.pth')  # doctest: +SKIP
        >>> index = inferencer.index(['a.jpg', 'b.jpg'])  # doctest: +SKIP
        >>> inferencer.search('query.jpg', (100, 80, 160, 260), index, topk=5)  # doctest: +SKIP
    """

    def __init__(self, config_or_model: str | os.PathLike | Config | nn.Module,
                 checkpoint: str | os.PathLike | None = None, device: str | torch.device | None = None) -> None:
        self.cfg = read_config(config_or_model)
        self.device = torch.device(device or get_device())
        if isinstance(config_or_model, nn.Module):
            self.model = config_or_model
        else:
            self.model = build_model(self.cfg)
            if checkpoint is None:
                print_log('no checkpoint given: the weights are random', logger='current', level=logging.WARNING)
        if checkpoint is not None:
            load_weights(self.model, os.fspath(checkpoint))
        self.model.to(self.device).eval()
        self.score_weighted = bool(_first(self.cfg.get('test_evaluator') or {}).get('score_weighted', False))
        self._load, self._transform = build_pipeline(self.cfg)

    def detect(self, image: SceneImage) -> Detections:
        """Find the people in an image."""
        return _detections(self._run([self._prepare(image, ())])[0])

    def embed(self, image: SceneImage, bboxes: Any) -> np.ndarray:
        """Embeddings (q, D) of boxes (q, 4) xyxy in an image; what sticks out of the image is cut off."""
        bboxes = check_bboxes(as_array(bboxes, 'bboxes'), 'bboxes', allow_empty_area=False)
        if not len(bboxes):
            raise ValueError('bboxes must hold at least one (x1, y1, x2, y2) row, got none')
        return _numpy(self._run([self._prepare(image, bboxes)])[0].query_instances.embeds)

    def index(self, images: Iterable[SceneImage], batch_size: int = 1) -> GalleryIndex:
        """Detect and embed all people of many images.

        Args:
            images (Iterable): paths or arrays; an array is named by its position.
            batch_size (int): images per forward pass.
        """
        if isinstance(images, (str, os.PathLike, np.ndarray)) and getattr(images, 'ndim', 3) == 3:
            raise TypeError(f'images must be a list of paths or arrays, got one {type(images).__name__}; put it into '
                            'a list')
        if batch_size < 1:
            raise ValueError(f'batch_size must be >= 1, got {batch_size}')
        names, found = [], []
        images = iter(images)
        while batch := list(islice(images, batch_size)):
            names += [_name(image, len(names) + place) for place, image in enumerate(batch)]
            found += [_detections(sample) for sample in self._run([self._prepare(image, ()) for image in batch])]
        if not names:
            raise ValueError('images must hold at least one image, got none')
        twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
        if twice is not None:
            raise ValueError(f'every image must be listed once, got {twice} repeated')
        return GalleryIndex(
            images=names,
            image_inds=np.repeat(np.arange(len(names)), [len(one.scores) for one in found]),
            bboxes=np.concatenate([one.bboxes for one in found]),
            scores=np.concatenate([one.scores for one in found]),
            embeds=np.concatenate([one.embeds for one in found]))

    def search(self, query_image: SceneImage, query_bbox: Any, index: GalleryIndex, topk: int = 10,
               leave_out_query_image: bool = True) -> list[SearchHit]:
        """Find the person of a box in a gallery.

        Args:
            query_image: path or array.
            query_bbox (array-like): (4,) xyxy in its pixels.
            index (GalleryIndex): made by the same model.
            topk (int): number of answers.
            leave_out_query_image (bool): do not search the image of the query itself, told by its path.

        Returns:
            list[SearchHit]: by falling similarity, weighted by the detector's confidence where the config's
            ``test_evaluator`` says so.
        """
        bbox = as_array(query_bbox, 'query_bbox')
        if bbox.shape != (4, ):
            raise ValueError(f'query_bbox must have shape (4,), got {bbox.shape}; give one (x1, y1, x2, y2)')
        leave_out = ()
        if leave_out_query_image and not isinstance(query_image, np.ndarray):
            own = os.path.realpath(query_image)
            leave_out = [name for name in index.images if os.path.realpath(name) == own]
        return index.search(self.embed(query_image, bbox[None])[0], topk, self.score_weighted, leave_out)

    def _prepare(self, image: SceneImage, bboxes: Sequence) -> dict:
        """Run the test pipeline on an image with query boxes."""
        if isinstance(image, np.ndarray):
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
                raise ValueError('an image must be a (H, W, 3) uint8 array in BGR order, got '
                                 f'{image.shape} {image.dtype}')
            size = image.shape[:2]
            info = dict(img=image, img_path='', img_shape=size, ori_shape=size, height=size[0], width=size[1])
        elif isinstance(image, (str, os.PathLike)):
            info = self._load(dict(img_path=os.fspath(image)))
        else:
            raise TypeError(f'an image must be a path or a NumPy array, got {type(image).__name__}')
        queries = [dict(query_id=place, bbox=_clip(bbox, info['height'], info['width']), pid=UNLABELED)
                   for place, bbox in enumerate(bboxes)]
        return self._transform(dict(info, img_id=0, camid=-1, instances=[], queries=queries))

    @torch.no_grad()
    def _run(self, batch: Sequence[Mapping]) -> list[SearchDataSample]:
        return self.model.test_step({key: [one[key] for one in batch] for key in ('inputs', 'data_samples')})


# -- from a config to a model -----------------------------------------------------------------------------------------


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


def build_model(cfg: Config) -> nn.Module:
    """The model of a config without its training memory."""
    model = copy.deepcopy(cfg.model)
    model.roi_head.pop('memory', None)
    with DefaultScope.overwrite_default_scope('pedsearch'):
        return MODELS.build(model)


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


def load_weights(model: nn.Module, checkpoint: str) -> None:
    """Fill a model from a checkpoint of training; the training memory in it is passed over.

    Raises:
        FileNotFoundError, ValueError: the file is missing, unreadable, or of another model.
    """
    try:
        with _weights_only():
            content = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu', logger='silent')
    except FileNotFoundError:
        raise FileNotFoundError(f'checkpoint {checkpoint} does not exist') from None
    except Exception as error:  # foreign bytes break the reader anywhere
        told = re.search(r'WeightsUnpickler error:\s*([^\n]+)', str(error))
        reason = told[1].split('. ')[0] if told else f'{type(error).__name__}: {error}'.splitlines()[0]
        raise ValueError(f'checkpoint {checkpoint} cannot be read as weights ({reason}); it must be a file that '
                         'training saved') from None
    weights = content.get('state_dict', content) if isinstance(content, Mapping) else {}
    weights = {re.sub(r'^module\.', '', name): weight for name, weight in weights.items()}
    weights = {name: weight for name, weight in weights.items() if not name.startswith('roi_head.memory.')}
    own = {name: weight for name, weight in model.state_dict().items() if not name.startswith('roi_head.memory.')}
    wrong = dict(
        missing=[name for name in own if name not in weights],
        unexpected=[name for name in weights if name not in own],
        misshaped=[name for name in own if name in weights and own[name].shape != weights[name].shape])
    if any(wrong.values()):
        counts = ', '.join(f'{len(names)} {problem} (first: {names[0]})' for problem, names in wrong.items() if names)
        raise ValueError(f'checkpoint {checkpoint} does not fit the model: {counts}; use the config of its '
                         'training')
    model.load_state_dict(weights, strict=False)


@contextmanager
def _weights_only() -> Iterator[None]:
    """Keep torch.load from unpickling anything but tensors and plain values."""
    name = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD'
    before = os.environ.get(name)
    os.environ[name] = '1'
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


# -- small conversions ------------------------------------------------------------------------------------------------


def _first(value: Any) -> Mapping:
    return value[0] if isinstance(value, Sequence) else value


def _name(image: SceneImage, position: int) -> str:
    return str(position) if isinstance(image, np.ndarray) else os.fspath(image)


def _clip(bbox: np.ndarray, height: int, width: int) -> list[float]:
    clipped = np.clip(bbox, 0, (width, height, width, height))
    if (clipped[2:] <= clipped[:2]).any():
        raise ValueError(f'bbox {bbox.tolist()} lies outside the image of {width} x {height} pixels; give '
                         '(x1, y1, x2, y2) in its pixels')
    return clipped.tolist()


def _detections(sample: SearchDataSample) -> Detections:
    found = sample.pred_instances
    return Detections(_numpy(found.bboxes), _numpy(found.scores), _numpy(found.embeds))


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    return tensor.float().cpu().numpy()
