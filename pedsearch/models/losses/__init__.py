"""Losses: pure functions and their registered shells."""

from .branch_consistency import branch_consistency_loss, branch_similarity_loss
from .center_loss import CenterLoss, center_loss
from .circle import circle_logits
from .context_quadruplet import ContextQuadrupletLoss, context_quadruplet_loss
from .image_text_contrast import (
    distribution_matching,
    matching_cross_entropy,
    project_on_partner,
    projection_matching,
    share_key,
)
from .info_nce import info_nce, nt_xent
from .lsgan import discriminator_loss, lsgan_generator_loss, r1_penalty
from .multi_label import MultiLabelBCELoss, attribute_weights
from .process_rows import apply_to_dealt_rows, gather_rows
from .reduction import mean_across_processes
from .smoothed_cross_entropy import SmoothedCrossEntropyLoss, smoothed_cross_entropy
from .triplet import (
    BatchHardTripletLoss,
    WeightedTripletLoss,
    batch_hard_triplet_loss,
    euclidean_dist,
    weighted_triplet_loss,
)

__all__ = [
    'BatchHardTripletLoss', 'CenterLoss', 'ContextQuadrupletLoss', 'MultiLabelBCELoss', 'SmoothedCrossEntropyLoss',
    'WeightedTripletLoss', 'apply_to_dealt_rows', 'attribute_weights', 'batch_hard_triplet_loss',
    'branch_consistency_loss', 'branch_similarity_loss', 'center_loss', 'circle_logits', 'context_quadruplet_loss',
    'discriminator_loss', 'distribution_matching', 'euclidean_dist', 'gather_rows', 'info_nce', 'lsgan_generator_loss',
    'matching_cross_entropy', 'mean_across_processes', 'nt_xent', 'project_on_partner', 'projection_matching',
    'r1_penalty', 'share_key', 'smoothed_cross_entropy', 'weighted_triplet_loss'
]
