"""Occlusion-invariant contrast hides small patches of people from one of two branches.

Shape legend: B images, H × W their size, n boxes of one image, P patches of one image.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Occlusion:
    """How people are hidden.

    Attributes:
        prob (float): probability, in [0, 1], that a box is touched.
        num_patches (int): rectangles on a touched box; they may coincide.
        grid (tuple[int, int]): rows and columns of cells on a box; a rectangle fills one of them.
        stop_at_small (bool): a box under 4 pixels wide or high ends the hiding in its image, as in the released code;
            False passes over it alone.

    Source: DICL (Wang et al., Pattern Recognition 2024), OIC, numbers of the released code.
    Deviation: a sample's own seed decides the draws.
    """

    prob: float = 0.5
    num_patches: int = 2
    grid: tuple[int, int] = (14, 6)
    stop_at_small: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.prob <= 1 or self.num_patches < 1 or min(self.grid) < 1:
            raise ValueError(f'occlusion needs prob in [0, 1], num_patches >= 1 and a grid of cells, got {self}')

    def patches(self, bboxes: Tensor, seed: int | None = None) -> Tensor:
        """Draw the rectangles of one image.

        Args:
            bboxes (Tensor): (n, 4) pixels, xyxy.
            seed (int, optional): of the draws; None: torch's random state.

        Returns:
            Tensor: (n * num_patches, 4) int64, x1, y1, x2, y2 with x2 and y2 excluded; empty where nothing is hidden.
        """
        generator = None if seed is None else torch.Generator().manual_seed(int(seed))
        num, (rows, cols) = len(bboxes), self.grid
        touched = torch.rand(num, generator=generator) < self.prob
        row = torch.randint(rows, (num, self.num_patches), generator=generator)
        col = torch.randint(cols, (num, self.num_patches), generator=generator)
        touched, row, col = (drawn.to(bboxes.device, non_blocking=True) for drawn in (touched, row, col))

        x1, y1, x2, y2 = (bboxes + 1).long().unbind(dim=1)  # (n,) each
        small = torch.minimum(x2 - x1, y2 - y1) < 4
        touched = touched & ~(small.cumsum(dim=0) > 0 if self.stop_at_small else small)
        width = ((x2 - x1) // cols * touched)[:, None].expand(row.shape)
        height = ((y2 - y1) // rows * touched)[:, None].expand(row.shape)
        left, top = x1[:, None] + col * width, y1[:, None] + row * height  # (n, num_patches)
        return torch.stack([left, top, left + width, top + height], dim=2).flatten(0, 1)


def paint_patches(images: Tensor, patches: list[Tensor]) -> Tensor:
    """Paint rectangles in the mean colour of their image.

    Args:
        images (Tensor): (B, 3, H, W); not changed.
        patches (list[Tensor]): of each image (P, 4) int64, x1, y1, x2, y2 with x2 and y2 excluded.

    Returns:
        Tensor: (B, 3, H, W).
    """
    hidden = torch.stack([covered_pixels(rows, images.shape[2:]) for rows in patches])  # (B, H, W)
    return torch.where(hidden[:, None], images.mean(dim=(2, 3), keepdim=True), images)


def covered_pixels(patches: Tensor, size: tuple[int, int]) -> Tensor:
    """Mask (H, W) of the pixels that lie in one of the rectangles (P, 4), for ``size`` (H, W)."""
    height, width = size
    x1, y1, x2, y2 = patches[..., None].unbind(dim=1)  # (P, 1) each
    x, y = torch.arange(width, device=patches.device), torch.arange(height, device=patches.device)
    inside_x, inside_y = (x >= x1) & (x < x2), (y >= y1) & (y < y2)  # (P, W), (P, H)
    return inside_y.float().T @ inside_x.float() > 0
