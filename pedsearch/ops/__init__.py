"""Native operators, each with a pure torch reference of the same signature that does where nothing is compiled.

Build the CPU kernels with ``python -m pedsearch.ops.build``, the CUDA kernels with ``--cuda``.
"""

from .deform_roi_pool import deform_roi_pool
from .hard_negative_softmax import hard_negative_softmax, hardest_negatives
from .multi_level_roi_align import multi_level_roi_align
from .native import native_library, reference_kernels
from .nearest_of_candidates import nearest_of_candidates
from .pattern_sq_distances import pattern_sq_distances
from .person_crops import person_crops
from .positive_ranks import positive_ranks
from .rasterize import zbuffer
from .reciprocal_sets import reciprocal_sets
from .smallest_of_symmetric import smallest_of_symmetric
from .sparse_product import sparse_product
from .sparse_rows import SparseRows

__all__ = [
    'SparseRows', 'deform_roi_pool', 'hard_negative_softmax', 'hardest_negatives', 'multi_level_roi_align',
    'native_library', 'nearest_of_candidates', 'pattern_sq_distances', 'person_crops', 'positive_ranks',
    'reciprocal_sets', 'reference_kernels', 'smallest_of_symmetric', 'sparse_product', 'zbuffer'
]
