"""A person as a mesh stands, in the clothes of a photo.

Shape legend: B samples, H x W size of meshes and images, C x P part code, D channels of the structure.
"""

from mmengine.model import BaseModule
from torch import Tensor

from pedsearch.registry import MODELS


@MODELS.register_module()
class ViewGenerator(BaseModule):
    """Encoder of meshes, mapper of codes, and the decoder that joins both.

    Args:
        structure_encoder, mapper, decoder: configs; None: the defaults of
            :class:`~pedsearch.models.gan.StructureEncoder`, :class:`~pedsearch.models.gan.StyleMapper` and
            :class:`~pedsearch.models.gan.AdaINDecoder`. Narrower: ``base_channels=8`` and then ``channels=64`` and
            ``in_channels=64``.
        init_cfg: as in mmengine.

    Raises:
        ValueError: widths or depths that do not fit each other.

    Source: Chen et al., "Joint Generative and Contrastive Learning for Unsupervised Person Re-identification", CVPR
    2021 (GCL). Deviation: none.

    Example:
        >>> import torch
        >>> generator = ViewGenerator(dict(type='StructureEncoder', base_channels=2),
        ...                           dict(type='StyleMapper', code_dims=64, hidden_dims=8, channels=16),
        ...                           dict(type='AdaINDecoder', in_channels=16))
        >>> generator(torch.zeros(2, 16, 4), torch.ones(2, 1, 64, 40)).shape
        torch.Size([2, 3, 64, 40])
    """

    def __init__(self, structure_encoder: dict | None = None, mapper: dict | None = None, decoder: dict | None = None,
                 init_cfg: dict | list | None = None) -> None:
        super().__init__(init_cfg)
        self.structure_encoder = MODELS.build(structure_encoder or dict(type='StructureEncoder'))
        self.mapper = MODELS.build(mapper or dict(type='StyleMapper'))
        self.decoder = MODELS.build(decoder or dict(type='AdaINDecoder'))
        widths = self.structure_encoder.out_channels, self.mapper.channels, self.decoder.in_channels
        if len(set(widths)) > 1:
            raise ValueError('encoder (8 * base_channels), mapper (channels) and decoder (in_channels) must have one '
                             f'width, got {", ".join(map(str, widths))}; set them alike')
        if self.mapper.num_blocks != self.decoder.num_blocks:
            raise ValueError(f'mapper and decoder must have the same num_blocks, got {self.mapper.num_blocks} and '
                             f'{self.decoder.num_blocks}; set them alike')

    def encode(self, meshes: Tensor) -> Tensor:
        """Structure (B, D, H / 4, W / 4) of rendered meshes (B, 1, H, W) in [-1, 1], background 1."""
        return self.structure_encoder(meshes)

    def decode(self, codes: Tensor, structure: Tensor) -> Tensor:
        """Images (B, 3, H, W), normalised as the photos are, of codes (B, C, P) and structures (B, D, H / 4, W / 4)."""
        return self.decoder(structure, *self.mapper(codes))

    def forward(self, codes: Tensor, meshes: Tensor) -> Tensor:
        """Images (B, 3, H, W) of codes (B, C, P) and rendered meshes (B, 1, H, W)."""
        return self.decode(codes, self.encode(meshes))
