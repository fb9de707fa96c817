"""A network that turns a person's picture into an embedding.

Shape legend: B images, H x W network input, C channels of the backbone's last map, D embedding dimensions.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.dist import get_world_size
from mmengine.model import BaseModel
from torch import Tensor

from pedsearch.registry import MODELS
from pedsearch.structures import ReIDDataSample

from ..layers import cross_process_batch_norms, domain_batch_norms, split_batch_norms


def labels_of(data_samples: Sequence[ReIDDataSample], device: torch.device) -> Tensor:
    """What each sample is trained on: its identity or its pseudo label.

    Raises:
        ValueError: a sample has no label.
    """
    for sample in data_samples:
        if sample.get('label', -1) < 0:
            raise ValueError(f'every training sample must have a label >= 0, got {sample.get("label")} for '
                             f'{sample.get("img_path")}; draw samples with the sampler of the recipe (PKSampler, '
                             'MultipleGallerySampler, LabelledSampler), which leaves outliers out')
    return torch.tensor([sample.label for sample in data_samples], device=device)


@MODELS.register_module()
class ReIDModel(BaseModel):
    """Backbone, pooling, batch norm neck, and a head that holds the losses.

    ``embed = normalise(neck(pooling(backbone(image))))``, in training, clustering and testing alike.

    Args:
        backbone: any backbone; of its maps the last one (B, C, h, w) is used.
        head: has ``loss(feats, neck_feats, data_samples)``, and where it has state ``update_memory()``.
        embed_dims: D, width of the neck's output; it is passed to the head.
        pooling: (B, C, h, w) -> (B, C).
        neck: (B, C) -> (B, D); None: a batch norm neck, C = D.
        bn_splits: number of contiguous groups of the global batch that batch norm normalises apart from each other, in
            every layer. A recipe for four GPUs without synchronised batch norm has 4. With 1 the statistics are those
            of the global batch, on however many processes (with ``domain_norm`` on one).
        bn_running_stats: whose statistics the running averages follow, see
            :class:`~pedsearch.models.layers.SplitBatchNorm2d`.
        domain_norm: batch norm of its own for the source domain; the batch is [source half; target half].
        flip_test: in :meth:`predict` average the features of the image and its mirror image, then normalise.
        data_preprocessor, init_cfg: as in mmengine.

    Source: Luo et al., "Bag of Tricks and a Strong Baseline for Deep Person Re-Identification", CVPRW 2019; split batch
    norm reproduces what data parallel training on several GPUs does.
    """

    def __init__(self, backbone: dict, head: dict, embed_dims: int, pooling: dict | None = None,
                 neck: dict | None = None, bn_splits: int = 1, bn_running_stats: str = 'first',
                 domain_norm: bool = False, flip_test: bool = False, data_preprocessor: dict | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.backbone = MODELS.build(backbone)
        self.pooling = MODELS.build(pooling or dict(type='GeMPooling'))
        self.neck = MODELS.build(dict(neck or dict(type='BNNeck', in_channels=embed_dims)))
        self.head = MODELS.build(dict(head, embed_dims=embed_dims))
        self.flip_test = flip_test
        if domain_norm:
            domain_batch_norms(self, num_splits=bn_splits, running_stats=bn_running_stats)
        elif bn_splits > 1:
            split_batch_norms(self, num_splits=bn_splits, running_stats=bn_running_stats)
        elif get_world_size() > 1:
            cross_process_batch_norms(self)

    def forward(self, inputs: Tensor, data_samples: list[ReIDDataSample] | None = None,
                mode: str = 'tensor') -> Tensor | dict[str, Tensor] | list[ReIDDataSample]:
        """Embeddings ('tensor'), losses ('loss') or samples with ``feat`` ('predict') of preprocessed images.

        Args:
            inputs (Tensor): (B, 3, H, W).
            data_samples (list[ReIDDataSample], optional): B.
            mode (str): see above.
        """
        if mode == 'tensor':
            return self.extract_feat(inputs)
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        raise ValueError(f"mode must be 'tensor', 'loss' or 'predict', got {mode!r}")

    def pooled_feat(self, inputs: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C), before the neck."""
        maps = self.backbone(inputs)
        return self.pooling(maps[-1] if isinstance(maps, (tuple, list)) else maps)

    def extract_feat(self, inputs: Tensor, data_samples: list[ReIDDataSample] | None = None) -> Tensor:
        """(B, 3, H, W) -> (B, D), L2-normalised. The contract of pseudo labels: ``data_samples`` is not needed here."""
        return F.normalize(self.neck(self.pooled_feat(inputs)).float(), dim=1)

    def loss(self, inputs: Tensor, data_samples: list[ReIDDataSample]) -> dict[str, Tensor]:
        """Losses of the head."""
        feats = self.pooled_feat(inputs)
        return self.head.loss(feats, self.neck(feats), data_samples)

    def predict(self, inputs: Tensor, data_samples: list[ReIDDataSample] | None = None) -> list[ReIDDataSample]:
        """The samples, each with ``feat`` (D,)."""
        data_samples = data_samples or [ReIDDataSample() for _ in inputs]
        feats = self.neck(self.pooled_feat(inputs))
        if self.flip_test:
            feats = feats + self.neck(self.pooled_feat(inputs.flip(3)))
        for sample, feat in zip(data_samples, F.normalize(feats.float(), dim=1)):
            sample.feat = feat
        return data_samples
