"""NAE: the norm of an embedding tells person from background, its angle tells who.

Source: Chen et al., "Norm-Aware Embedding for Efficient Person Search", CVPR 2020. Deviation: none known; the unused
two-way class layer of the public code is left out.

Shape legend: R regions, C4 and C5 channels before and after the last stage, D embedding dimensions.
"""

import torch
import torch.nn.functional as F
from mmdet.structures.bbox import bbox2roi
from mmengine.structures import InstanceData
from torch import Tensor, nn

from pedsearch.registry import MODELS

from ..layers import CrossProcessBatchNorm1d
from ..losses import mean_across_processes
from .regions import Candidates, RoISamples, split_by_image
from .search_roi_head import SearchRoIHead


class LinearBN(nn.Sequential):
    """Linear layer and batch norm, both drawn from N(0, 0.01), biases zero."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(nn.Linear(in_channels, out_channels), CrossProcessBatchNorm1d(out_channels))
        nn.init.normal_(self[0].weight, std=0.01)
        nn.init.zeros_(self[0].bias)
        nn.init.normal_(self[1].weight, std=0.01)


class NormAwareEmbedding(nn.Module):
    """Embedding from the features before and after the last stage; its norm, rescaled, is the person logit.

    Args:
        in_channels: (C4, C5).
        embed_dims: D, shared equally by the two projections.
    """

    def __init__(self, in_channels: tuple[int, int], embed_dims: int = 256) -> None:
        super().__init__()
        self.projectors = nn.ModuleList([LinearBN(channels, embed_dims // 2) for channels in in_channels])
        self.rescaler = CrossProcessBatchNorm1d(1)

    def forward(self, features: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """(R, C4) and (R, C5) -> unit embeddings (R, D), person logits (R,)."""
        with torch.autocast(features[0].device.type, enabled=False):
            embed = torch.cat([project(feature.float()) for project, feature in zip(self.projectors, features)], dim=1)
            norm = embed.norm(dim=1, keepdim=True)
            return embed / norm.clamp(min=1e-12), self.rescaler(norm).squeeze(1)


@MODELS.register_module()
class NAERoIHead(SearchRoIHead):
    """One head: box regression, and a norm-aware embedding that also classifies.

    Args: as :class:`~pedsearch.models.search.search_roi_head.SearchRoIHead`; ``in_channels`` is C4.
    """

    def __init__(self, *args, in_channels: int = 1024, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.embedding = NormAwareEmbedding((in_channels, self.shared_head.out_channels), self.embed_dims)
        self.regressor = LinearBN(self.shared_head.out_channels, 8)

    def roi_losses(self, x: tuple[Tensor, ...], proposals: list[Tensor], gts: list[InstanceData],
                   image_sizes: list[tuple[int, int]]) -> dict[str, Tensor]:
        samples = self.sample(proposals, gts)
        return self.norm_aware_losses(self.pool(x, samples.rois), samples)

    def norm_aware_losses(self, features: tuple[Tensor, Tensor], samples: RoISamples) -> dict[str, Tensor]:
        """Losses of sampled regions from their features (R, C4), (R, C5)."""
        embeds, logits = self.embedding(features)
        detection = F.binary_cross_entropy_with_logits(logits, samples.is_person.float(), reduction='sum')
        return dict(det=mean_across_processes(detection, len(logits)),
                    bbox=self.box_loss(self.deltas(features), samples),
                    reid=self.reid_loss(embeds, samples))

    def deltas(self, features: tuple[Tensor, Tensor]) -> Tensor:
        """Box deltas (R, 4) of the class person."""
        with torch.autocast(features[1].device.type, enabled=False):
            return self.regressor(features[1].float())[:, 4:]

    def candidates(self, x: tuple[Tensor, ...], proposals: list[Tensor], image_sizes: list[tuple[int, int]]
                   ) -> list[Candidates]:
        rois = bbox2roi(proposals)
        features = self.pool(x, rois)
        embeds, logits = self.embedding(features)
        scores = logits.sigmoid()
        bboxes = self.refine(rois, self.deltas(features), image_sizes)
        keep = self.confident(bboxes, scores)
        rows = split_by_image(rois[keep], len(image_sizes), bboxes[keep], scores[keep], embeds[keep])
        return [Candidates(*row) for row in rows]

    def embed(self, x: tuple[Tensor, ...], rois: Tensor) -> Tensor:
        return self.embedding(self.pool(x, rois))[0]
