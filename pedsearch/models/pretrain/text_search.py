"""Search of people by sentences, trained with identities.

Shape legend: B photos with a sentence each, H x W network input, D embedding dimensions, K identities.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pedsearch.registry import MODELS
from pedsearch.structures import ReIDDataSample

from ..losses import (
    distribution_matching,
    gather_rows,
    mean_across_processes,
    project_on_partner,
    projection_matching,
    share_key,
)
from .image_text import ImageTextModel, captions_of, column
from .val_pat import TextObjective
from .views_preprocessor import as_views

OBJECTIVES = 'distribution', 'contrast', 'projection', 'identity', 'projection_identity'


@MODELS.register_module()
class TextSearchModel(ImageTextModel):
    """Image and text encoder that learn which photos and sentences are of one person.

    Objectives: 'distribution' (SDM), 'contrast' (ITC), 'projection' (CMPM), 'identity' (one linear classifier of both
    kinds of embeddings) and 'projection_identity' (CMPC: a classifier with unit weights of each embedding projected on
    its partner).

    Args:
        objectives: weight of each objective; what is absent or 0 is neither built nor computed.
        num_ids: K, for the two that classify.
        temperature: of 'distribution'.
        contrast: arguments of :class:`~pedsearch.models.pretrain.TextObjective`, without queue and distillation.
        **kwargs: of :class:`~pedsearch.models.pretrain.ImageTextModel`.

    Raises:
        ValueError: objectives unknown, all 0, or without ``num_ids``.

    Source: Jiang and Ye, CVPR 2023 (IRRA: SDM and identity); Zhang and Lu, ECCV 2018 (CMPM and CMPC). Deviation:
    without IRRA's masked words.
    """

    def __init__(self, image_encoder: dict, image_dims: int, objectives: Mapping[str, float],
                 num_ids: int | None = None, temperature: float = 0.02, contrast: dict | None = None,
                 embed_dims: int = 256, **kwargs) -> None:
        super().__init__(image_encoder, image_dims, embed_dims, **kwargs)
        weights = {name: float(weight) for name, weight in objectives.items() if weight}
        unknown = sorted(set(objectives) - set(OBJECTIVES))
        if unknown or not weights:
            raise ValueError(f'objectives must weigh some of {", ".join(OBJECTIVES)}, got '
                             f'{", ".join(unknown) or "none above 0"}')
        if self.text_encoder is None:
            raise ValueError('TextSearchModel needs a text encoder, got none; set text_encoder and tokenizer')
        classified = [name for name in ('identity', 'projection_identity') if name in weights]
        if classified and not num_ids:
            raise ValueError(f"the objective '{classified[0]}' needs num_ids, got {num_ids}; it is dataset.num_ids")
        self.objectives = weights
        self.num_classes = num_ids if classified else None
        self.temperature = temperature
        self.contrast = self.classifier = self.projection_classifier = None
        if 'contrast' in weights:
            self.contrast = TextObjective(embed_dims, **dict(contrast or {}, identities=True))
        if 'identity' in weights:
            self.classifier = nn.Linear(embed_dims, num_ids)
            nn.init.normal_(self.classifier.weight, std=0.001)
            nn.init.zeros_(self.classifier.bias)
        if 'projection_identity' in weights:
            self.projection_classifier = nn.Linear(embed_dims, num_ids, bias=False)

    def loss(self, inputs: Tensor | list[Tensor], data_samples: list[ReIDDataSample]) -> dict[str, Tensor]:
        """Weighted losses of the objectives, ``loss_{name}``."""
        images = as_views(inputs)[0]
        pids = column(data_samples, 'pid', images.device)
        nobody = [sample.get('img_path') for sample in data_samples if sample.get('pid', -1) < 0]
        if nobody:
            raise ValueError(f'every training sample must have an identity, got none for {nobody[0]}; train on a data '
                             'set with pids, or pre-train with ValPat')
        last = max(sample.get('pid') for sample in data_samples)
        if self.num_classes is not None and last >= self.num_classes:
            raise ValueError(f'identities must lie in 0...{self.num_classes - 1}, got {last}; set model.num_ids to the '
                             'training set\'s (`dataset.num_ids`)')
        ids, used = self.tokenize(captions_of(data_samples))
        image = self.image_neck(self.pooled_feat(images)).float()
        text = self.text_neck(self.text_encoder(ids, used)).float()
        with torch.autocast(images.device.type, enabled=False):
            losses = {name: getattr(self, f'_{name}_loss')(image, text, pids, data_samples)
                      for name in self.objectives}
        return {f'loss_{name}': self.objectives[name] * loss for name, loss in losses.items()}

    def _distribution_loss(self, image: Tensor, text: Tensor, pids: Tensor, _: list[ReIDDataSample]) -> Tensor:
        image, text = F.normalize(image, dim=1), F.normalize(text, dim=1)
        all_images, all_texts, all_pids = gather_rows(image, text, pids)
        positives = share_key(pids[:, None], all_pids[:, None])
        terms = [distribution_matching(own @ others.T, positives, self.temperature)
                 for own, others in ((image, all_texts), (text, all_images))]
        return mean_across_processes(sum(term.sum() for term in terms), len(pids))

    def _contrast_loss(self, image: Tensor, text: Tensor, _: Tensor, data_samples: list[ReIDDataSample]) -> Tensor:
        keys = self.contrast.keys(data_samples, image.device)
        return self.contrast.loss(F.normalize(image, dim=1), F.normalize(text, dim=1), keys)

    def _projection_loss(self, image: Tensor, text: Tensor, pids: Tensor, _: list[ReIDDataSample]) -> Tensor:
        all_images, all_texts, all_pids = gather_rows(image, text, pids)
        positives = share_key(pids[:, None], all_pids[:, None])
        terms = [projection_matching(own, others, positives)
                 for own, others in ((image, all_texts), (text, all_images))]
        return mean_across_processes(sum(term.sum() for term in terms), len(pids))

    def _identity_loss(self, image: Tensor, text: Tensor, pids: Tensor, _: list[ReIDDataSample]) -> Tensor:
        terms = [F.cross_entropy(self.classifier(feats), pids, reduction='sum') for feats in (image, text)]
        return mean_across_processes(sum(terms) / 2, len(pids))

    def _projection_identity_loss(self, image: Tensor, text: Tensor, pids: Tensor, _: list[ReIDDataSample]) -> Tensor:
        unit = F.normalize(self.projection_classifier.weight, dim=1)  # (K, D)
        terms = [F.cross_entropy(project_on_partner(own, partner) @ unit.T, pids, reduction='sum')
                 for own, partner in ((image, text), (text, image))]
        return mean_across_processes(sum(terms), len(pids))
