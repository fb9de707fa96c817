"""Batch norm between the pooled feature and the embedding.

Shape legend: B images, C channels of the pooled feature, D embedding dimensions.
"""

from torch import Tensor, nn

from pedsearch.registry import MODELS

from .cross_process_batch_norm import CrossProcessBatchNorm1d


@MODELS.register_module()
class BNNeck(nn.Module):
    """Optional linear embedding, then a batch norm, whose shift stays at 0 unless asked for.

    Metric losses take the neck's input, the classifier and the search its output. Without a shift the classes'
    hyperplanes pass near the origin, as cosine similarity wants it.

    A training batch of one row is normalised by the running statistics, which then stay as they are; over several
    processes the statistics are those of all of them.

    Args:
        in_channels: C.
        out_channels: D; None for no linear embedding, then D is C.
        shift: learn a shift too.

    Source: Luo et al., "Bag of Tricks and a Strong Baseline for Deep Person Re-Identification", CVPRW 2019, section
    3.6. Deviation: the batch of one row.
    """

    def __init__(self, in_channels: int, out_channels: int | None = None, shift: bool = False) -> None:
        super().__init__()
        self.embedding = nn.Identity() if out_channels is None else nn.Linear(in_channels, out_channels)
        if out_channels is not None:
            nn.init.kaiming_normal_(self.embedding.weight, mode='fan_out')
            nn.init.zeros_(self.embedding.bias)
        self.norm = CrossProcessBatchNorm1d(in_channels if out_channels is None else out_channels)
        self.norm.bias.requires_grad_(shift)

    def forward(self, feats: Tensor) -> Tensor:
        """(B, C) -> (B, D), float32 also where the feature is of half precision."""
        return self.norm(self.embedding(feats).to(self.norm.weight.dtype))
