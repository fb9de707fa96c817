"""VAL-PAT: one image encoder that learns from views of itself, from sentences and from attributes.

Shape legend: B photos, H x W network input, C channels of the image encoder, D embedding dimensions, A attributes, K
rows of a queue.
"""

import copy
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from pedsearch.registry import MODELS
from pedsearch.structures import ReIDDataSample

from ..losses import (
    apply_to_dealt_rows,
    gather_rows,
    info_nce,
    matching_cross_entropy,
    mean_across_processes,
    share_key,
)
from ..memories import FeatureQueue, PendingUpdate
from .image_text import ImageTextModel, attributes_of, captions_of, column, pool_maps
from .views_preprocessor import as_views

OBJECTIVES = 'views', 'texts', 'attributes'
TEMPERATURE_BOUNDS = 0.001, 0.5


class ViewObjective(BaseModule):
    """Two views of a photo find each other among the photos of the last iterations.

    Args:
        in_dims: C.
        embed_dims: D.
        queue_length: K.
        temperature: > 0.

    Source: He et al., CVPR 2020, and Chen et al., "Improved Baselines with Momentum Contrastive Learning", 2020 (MoCo
    v2); the settings are those of Fu et al., "Unsupervised Pre-training for Person Re-identification", CVPR 2021
    (LUPerson).
    """

    def __init__(self, in_dims: int, embed_dims: int = 128, queue_length: int = 65536,
                 temperature: float = 0.1) -> None:
        super().__init__()
        self.neck = nn.Sequential(nn.Linear(in_dims, in_dims), nn.ReLU(inplace=True), nn.Linear(in_dims, embed_dims))
        self.queue = FeatureQueue(embed_dims, queue_length)
        self.temperature = temperature

    def loss(self, query: Tensor, key: Tensor) -> Tensor:
        """() of unit rows (B, D); the queue is read as it is."""
        sims = query @ self.queue.feats.T  # (B, D) @ (D, K)
        keep = self.queue.used().expand_as(sims)
        return mean_across_processes(info_nce((query * key).sum(dim=1), sims, self.temperature, keep).sum(), len(query))


class TextObjective(BaseModule):
    """Photos and sentences find each other, in the batch of all processes and among those of the last iterations.

    Args:
        embed_dims: D.
        queue_length: K of each of two queues; 0: the batch alone.
        temperature: at the start; learnt, and kept within 0.001 ... 0.5.
        distillation: share of the momentum encoders' similarities in the targets, grown linearly from 0.
        ramp_iters: iterations that it grows for.
        identities: photos and sentences of one person match, too.

    State:
        iterations () int64 seen, for the ramp.

    Source: Li et al., NeurIPS 2021 (ALBEF). Deviation: equal captions match; embeddings of the other processes carry
    their gradient.
    """

    def __init__(self, embed_dims: int, queue_length: int = 0, temperature: float = 0.07, distillation: float = 0.,
                 ramp_iters: int = 1000, identities: bool = False) -> None:
        super().__init__()
        if not 0 <= distillation <= 1 or ramp_iters < 1:
            raise ValueError(f'distillation must lie in [0, 1] and ramp_iters be >= 1, got {distillation} and '
                             f'{ramp_iters}')
        self.temperature = nn.Parameter(torch.tensor(float(temperature)))
        self.distillation = distillation
        self.ramp_iters = ramp_iters
        self.identities = identities
        self.images = FeatureQueue(embed_dims, queue_length, num_keys=3) if queue_length else None
        self.texts = FeatureQueue(embed_dims, queue_length, num_keys=3) if queue_length else None
        self.register_buffer('iterations', torch.zeros((), dtype=torch.long))

    @property
    def needs_momentum(self) -> bool:
        """Whether momentum encoders take part."""
        return self.images is not None or self.distillation > 0

    def keys(self, data_samples: list[ReIDDataSample], device: torch.device) -> Tensor:
        """What each photo shares with others (B, 3): image, group of equal captions, and person where those match."""
        names = ('image_id', 'text_group', 'pid') if self.identities else ('image_id', 'text_group')
        columns = [column(data_samples, name, device) for name in names]
        columns += [torch.full_like(columns[0], -1)] * (3 - len(columns))
        return torch.stack(columns, dim=1)

    def loss(self, image: Tensor, text: Tensor, keys: Tensor, image_key: Tensor | None = None,
             text_key: Tensor | None = None) -> Tensor:
        """() of unit rows (B, D) with keys (B, 3); ``..._key`` are those of the momentum encoders."""
        with torch.no_grad():  # within the graph a bound, once reached, would stop the gradient for good
            self.temperature.clamp_(*TEMPERATURE_BOUNDS)
        alpha = self.distillation * (self.iterations / self.ramp_iters).clamp(max=1)
        all_images, all_texts, all_keys = gather_rows(image, text, keys)
        image_teacher = text_teacher = None
        if self.distillation:
            image_teacher, text_teacher = gather_rows(image_key, text_key)
        terms = [
            self._one_way(own, others, keys, all_keys, queue, own_key, teacher, self.temperature, alpha)
            for own, others, queue, own_key, teacher in (
                (image, all_texts, self.texts, image_key, text_teacher),
                (text, all_images, self.images, text_key, image_teacher))]
        return mean_across_processes(sum(term.sum() for term in terms) / 2, len(image))

    @staticmethod
    def _one_way(own: Tensor, others: Tensor, keys: Tensor, other_keys: Tensor, queue: FeatureQueue | None,
                 own_key: Tensor | None, teacher: Tensor | None, temperature: Tensor, alpha: Tensor) -> Tensor:
        """(B,) of one direction."""
        if queue is not None:
            old = queue.feats.clone()  # backward needs it as it is now
            others, other_keys = torch.cat([others, old]), torch.cat([other_keys, queue.keys])
            teacher = None if teacher is None else torch.cat([teacher, old])
        sims = own @ others.T
        positives = share_key(keys, other_keys)
        taught = None if teacher is None else own_key @ teacher.T
        if queue is not None:
            empty = torch.cat([queue.used().new_zeros(len(sims[0]) - len(queue)), ~queue.used()])
            sims = sims.masked_fill(empty, -1e4)
            taught = None if taught is None else taught.masked_fill(empty, -1e4)
        return matching_cross_entropy(sims, positives, temperature, taught, alpha)


@MODELS.register_module()
class ValPat(ImageTextModel):
    """Pre-training on pedestrians with up to three objectives.

    Photos come as a list of views: the weak one, of which sentences and attributes hold, and with the objective
    'views' the query and the key view, or the key view alone, where the weak one is the query.

    Momentum encoders follow the encoders after each step. In a step of any number of processes they and the queues are
    those of one process with the whole batch, rows of a batch in the order of the processes; make queues as long as
    whole batches, so that the same rows leave them.

    Args:
        objectives: weight of each objective, of 'views', 'texts' and 'attributes'; what is absent or 0 is neither built
            nor computed.
        views: arguments of :class:`ViewObjective`.
        texts: arguments of :class:`TextObjective`.
        attributes: ``num_attributes`` and arguments of :class:`~pedsearch.models.losses.MultiLabelBCELoss`.
        momentum: weight of the old momentum encoders.
        bn_splits: as in :class:`~pedsearch.models.reid.ReIDModel`. With the objective 'views' and batch norm
            take more than 1: key views are dealt out to all groups, lest statistics tell which key is a query's.
        **kwargs: of :class:`~pedsearch.models.pretrain.ImageTextModel`.

    Raises:
        ValueError: objectives unknown, all 0, or without what they need.

    Source: Bao et al., "Learning Transferable Pedestrian Representation from Multimodal Information Supervision", 2023
    (VAL-PAT). Deviation: of the paper's recipe little is public; losses and settings are those of the sources that the
    objectives name, see docs/deviations.md.
    """

    def __init__(self, image_encoder: dict, image_dims: int, objectives: Mapping[str, float],
                 views: dict | None = None, texts: dict | None = None, attributes: dict | None = None,
                 momentum: float = 0.999, embed_dims: int = 256, text_encoder: dict | None = None,
                 bn_splits: int = 1, **kwargs) -> None:
        unknown = sorted(set(objectives) - set(OBJECTIVES))
        weights = {name: float(weight) for name, weight in objectives.items() if weight}
        if unknown or not weights:
            raise ValueError(f'objectives must weigh some of {", ".join(OBJECTIVES)}, got '
                             f'{", ".join(unknown) or "none above 0"}')
        if 'texts' in weights and text_encoder is None:
            raise ValueError("the objective 'texts' needs a text encoder, got none; set text_encoder and tokenizer")
        if not 0 <= momentum <= 1:
            raise ValueError(f'momentum must lie in [0, 1], got {momentum}; it is the weight of the old encoder')
        super().__init__(image_encoder, image_dims, embed_dims, text_encoder if 'texts' in weights else None,
                         bn_splits=bn_splits, **kwargs)
        self.objectives = weights
        self.momentum = momentum
        self.bn_splits = bn_splits
        self.views = self.texts = self.attributes = None
        if 'views' in weights:
            self.views = ViewObjective(image_dims, **(views or {}))
        if 'texts' in weights:
            self.texts = TextObjective(embed_dims, **(texts or {}))
        if 'attributes' in weights:
            settings = dict(attributes or {})
            if 'num_attributes' not in settings:
                raise ValueError("the objective 'attributes' needs num_attributes, got none; it is the number of names "
                                 'of the schema')
            self.attribute_head = nn.Linear(image_dims, settings.pop('num_attributes'))
            self.attributes = MODELS.build(dict(settings, type='MultiLabelBCELoss'))
        self.momentum_encoders = self._build_momentum()
        self._new_views, self._new_texts = PendingUpdate(), PendingUpdate()

    def init_weights(self) -> None:
        """As in mmengine; the momentum encoders begin as copies."""
        super().init_weights()
        for name, part in self.momentum_encoders.items():
            part.load_state_dict(self._part(name).state_dict())

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args) -> None:
        """As in torch; from weights without momentum encoders these begin as copies, too."""
        if not any(name.startswith(f'{prefix}momentum_encoders.') for name in state_dict):
            for name in self.momentum_encoders:
                own = f'{prefix}views.neck.' if name == 'view_neck' else f'{prefix}{name}.'
                state_dict.update({f'{prefix}momentum_encoders.{name}.{key.removeprefix(own)}': value
                                   for key, value in list(state_dict.items()) if key.startswith(own)})
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _part(self, name: str) -> nn.Module:
        return self.views.neck if name == 'view_neck' else getattr(self, name)

    def _build_momentum(self) -> nn.ModuleDict:
        """Copies of what the queues and teachers need."""
        names = []
        if self.views is not None:
            names += ['image_encoder', 'pooling', 'view_neck']
        if self.texts is not None and self.texts.needs_momentum:
            names += ['image_encoder', 'pooling', 'image_neck', 'text_encoder', 'text_neck']
        parts = nn.ModuleDict({name: copy.deepcopy(self._part(name)) for name in dict.fromkeys(names)})
        return parts.requires_grad_(False)

    # -- one step -----------------------------------------------------------------------------------------------------

    def loss(self, inputs: Tensor | list[Tensor], data_samples: list[ReIDDataSample]) -> dict[str, Tensor]:
        """Weighted losses of the objectives: ``loss_views``, ``loss_texts``, ``loss_attributes``."""
        images = as_views(inputs)
        wanted = (2, 3) if self.views is not None else (1, )
        if len(images) not in wanted:
            raise ValueError(f'a batch must have {" or ".join(map(str, wanted))} views for these objectives, got '
                             f'{len(images)}; give PhotoViews as many pipelines')
        weak = images[0]
        shared = len(images) < 3  # the weak view is the query as well
        pooled = self.pooled_feat(weak) if shared or set(self.objectives) != {'views'} else None
        losses = {}
        if self.views is not None:
            losses['views'] = self._view_loss(pooled if shared else self.pooled_feat(images[1]), images[-1])
        if self.texts is not None:
            losses['texts'] = self._text_loss(weak, pooled, data_samples)
        if self.attributes is not None:
            logits = self.attribute_head(pooled)
            losses['attributes'] = self.attributes(logits, attributes_of(data_samples, logits.device))
        return {f'loss_{name}': self.objectives[name] * loss for name, loss in losses.items()}

    def _view_loss(self, pooled: Tensor, key_images: Tensor) -> Tensor:
        query = F.normalize(self.views.neck(pooled).float(), dim=1)
        pooled = apply_to_dealt_rows(self._momentum_pooled, key_images, self.bn_splits)
        with torch.no_grad():
            key = F.normalize(self.momentum_encoders['view_neck'](pooled).float(), dim=1)
        self._new_views.add(key)
        with torch.autocast(query.device.type, enabled=False):
            return self.views.loss(query, key)

    def _text_loss(self, weak: Tensor, pooled: Tensor, data_samples: list[ReIDDataSample]) -> Tensor:
        ids, used = self.tokenize(captions_of(data_samples))
        keys = self.texts.keys(data_samples, weak.device)
        image = self.embed(pooled)
        text = F.normalize(self.text_neck(self.text_encoder(ids, used)).float(), dim=1)
        image_key = text_key = None
        if self.texts.needs_momentum:
            parts = self.momentum_encoders
            with torch.no_grad():
                image_key = F.normalize(parts['image_neck'](self._momentum_pooled(weak)).float(), dim=1)
                text_key = F.normalize(parts['text_neck'](parts['text_encoder'](ids, used)).float(), dim=1)
            self._new_texts.add(image_key, text_key, keys)
        with torch.autocast(image.device.type, enabled=False):
            return self.texts.loss(image, text, keys, image_key, text_key)

    def _momentum_pooled(self, images: Tensor) -> Tensor:
        return pool_maps(self.momentum_encoders['image_encoder'](images), self.momentum_encoders['pooling'])

    @torch.no_grad()
    def update_memory(self) -> None:
        """Let the momentum encoders follow and the queues take what passed; called after the optimizer's step."""
        for name, part in self.momentum_encoders.items():
            for old, new in zip(part.parameters(), self._part(name).parameters()):
                old.lerp_(new, 1 - self.momentum)
        for (key, ) in self._new_views.take():
            self.views.queue.enqueue(key)
        for image, text, keys in self._new_texts.take():
            if self.texts.images is not None:
                self.texts.images.enqueue(image, keys)
                self.texts.texts.enqueue(text, keys)
            self.texts.iterations += 1
