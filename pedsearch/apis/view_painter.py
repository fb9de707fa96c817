"""Paint people turned, or mixed with others, with a trained generator.

Shape legend: N photos, A angles, K shares, C x P appearance codes, H x W network input.
"""

import os
from collections.abc import Sequence

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from torch import Tensor

from pedsearch.datasets import LoadMeshViews
from pedsearch.registry import DATASETS

from .reid_network import build_reid_network


class ViewPainter:
    """The generator of a GCL model beside the training photos of its config and their bodies.

    Args:
        config: a config whose training pipeline has ``LoadMeshViews``.
        checkpoint: weights of its model, path or URL.
        device: where to run. Default: CPU.

    Raises:
        FileNotFoundError, ValueError: in one line that says what to do.

    Example:
        >>> painter = ViewPainter(config, 'iter_5000.pth')  # doctest: +SKIP
        >>> photos, views = painter.turned([0, 1], (45, 90))  # doctest: +SKIP
        >>> photos.shape, views.shape  # doctest: +SKIP
        (torch.Size([2, 3, 256, 128]), torch.Size([2, 2, 3, 256, 128]))
    """

    def __init__(self, config: str | os.PathLike | Config, checkpoint: str | os.PathLike,
                 device: str | torch.device = 'cpu') -> None:
        cfg = config if isinstance(config, Config) else Config.fromfile(config)
        if not {'generator', 'discriminator'} <= set(cfg.model):
            raise ValueError(f'the config must be one with a generator, got {cfg.model.type}; take one of configs/gcl')
        self.model = build_reid_network(cfg, checkpoint, device)
        self.device = torch.device(device)
        with DefaultScope.overwrite_default_scope('pedsearch'):
            self.dataset = DATASETS.build(cfg.train_dataloader.dataset)
        steps = [step for step in self.dataset.pipeline.transforms if isinstance(step, LoadMeshViews)]
        if not steps:
            raise ValueError('the training pipeline must have LoadMeshViews, got none; take the config of the training')
        self.views = steps[0].views

    @property
    def names(self) -> list[str]:
        """Photos, below the root of the data."""
        return [self.dataset.get_data_info(index)['name'] for index in range(len(self.dataset))]

    @torch.no_grad()
    def turned(self, indices: Sequence[int], angles_deg: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Paint photos turned.

        Args:
            indices (Sequence[int]): N places in the training set.
            angles_deg (Sequence[int]): A degrees.

        Returns:
            tuple[Tensor, Tensor]: the photos (N, 3, H, W) and the views (N, A, 3, H, W), uint8 RGB on the CPU.
        """
        photos, views = [], []
        for index in indices:
            photo, codes = self._read(index)
            meshes = self.meshes(index, angles_deg)
            painted = self.model.generator(codes.expand(len(meshes), -1, -1), meshes)
            photos.append(self.to_pixels(photo))
            views.append(self.to_pixels(painted))
        return torch.cat(photos), torch.stack(views)

    @torch.no_grad()
    def mixed(self, first: int, second: int, shares: Sequence[float]) -> Tensor:
        """Paint a photo's body in the mixed appearance of two people.

        Args:
            first, second (int): places in the training set; the body is that of the first.
            shares (Sequence[float]): K shares of the first, in [0, 1].

        Returns:
            Tensor: (K, 3, H, W) uint8 RGB on the CPU.
        """
        (_, own), (_, other) = self._read(first), self._read(second)
        weights = torch.tensor(shares, device=self.device)[:, None, None]
        meshes = self.meshes(first, (0, )).expand(len(shares), -1, -1, -1)
        return self.to_pixels(self.model.generator(weights * own + (1 - weights) * other, meshes))

    @torch.no_grad()
    def photo(self, index: int) -> Tensor:
        """A training photo (1, 3, H, W) uint8 RGB at the network's size."""
        return self.to_pixels(self._read(index)[0])

    def meshes(self, index: int, angles_deg: Sequence[int]) -> Tensor:
        """Bodies (A, 1, H, W) in [-1, 1] as the generator takes them."""
        pictures = torch.from_numpy(self.views(self.dataset.get_data_info(index)['name'], angles_deg))
        return pictures[:, None].to(self.device).float() / 127.5 - 1

    def to_pixels(self, images: Tensor) -> Tensor:
        """Normalised images (..., 3, H, W) as uint8 RGB on the CPU."""
        norm = self.model.data_preprocessor
        pixels = (images * norm.std + norm.mean).round().clamp(0, 255)
        return pixels.to(torch.uint8).cpu()

    def _read(self, index: int) -> tuple[Tensor, Tensor]:
        """A photo (1, 3, H, W) normalised, and its appearance (1, C, P)."""
        data = self.model.data_preprocessor(pseudo_collate([self.dataset[index]]), False)
        codes, _ = self.model.encode(data['inputs'])
        return data['inputs'], codes
