"""Networks of the view generator: a mesh gives the structure, a code the appearance."""

from .adain_decoder import AdaINDecoder
from .discriminator import MultiScaleDiscriminator
from .norms import SampleLayerNorm, adain, sample_layer_norm
from .structure_encoder import StructureEncoder
from .style_mapper import StyleMapper, flatten_codes
from .view_generator import ViewGenerator

__all__ = [
    'AdaINDecoder', 'MultiScaleDiscriminator', 'SampleLayerNorm', 'StructureEncoder', 'StyleMapper', 'ViewGenerator',
    'adain', 'flatten_codes', 'sample_layer_norm'
]
