"""Fitted bodies drawn over their photos, to look at.

Shape legend: B photos, h x w pixels of a cell.
"""

import os
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from .person_meshes import PersonMeshes
from .renderers import SoftwareRenderer, vertex_normals

CELL = (256, 128)
"""(height, width) of a photo on a sheet."""

BODY_COLOR, FAILED_COLOR = (90, 200, 255), (120, 120, 255)
"""BGR of the silhouette's edge of a trusted and of a failed fit."""


def draw_overlays(
    photos: Sequence[np.ndarray], people: PersonMeshes, cell: tuple[int, int] = CELL, opacity: float = 0.55
) -> np.ndarray:
    """Photo and, beside it, the body shaded over the photo, with its silhouette's edge; of failed fits in red.

    Args:
        photos (sequence of np.ndarray): B (H, W, 3) uint8 BGR.
        people (PersonMeshes): Those on them.
        cell (tuple[int, int]): (height, width) that each photo is resized to.
        opacity (float): Of the body, in [0, 1].

    Returns:
        np.ndarray: (B, h, 2 w, 3) uint8 BGR.

    Raises:
        ValueError: The photos are not as many as the people.
    """
    if len(photos) != len(people):
        raise ValueError(f'expected one photo per person, got {len(photos)} photos and {len(people)} people')
    height, width = cell
    output = SoftwareRenderer(cell).draw(
        people.project(cell), vertex_normals(people.vertices, people.faces), people.faces
    )
    grey = (output.image[:, 0] * 255).numpy()
    edge = _edges(output.mask).numpy()
    pairs = np.empty((len(photos), height, 2 * width, 3), np.uint8)
    for pair, photo, body, mask, border, valid in zip(
        pairs, photos, grey, output.mask.numpy(), edge, people.valid.tolist()
    ):
        picture = cv2.resize(photo, (width, height), interpolation=cv2.INTER_CUBIC)
        blend = opacity * mask[..., None]
        drawn = picture * (1 - blend) + body[..., None] * blend
        drawn[border] = BODY_COLOR if valid else FAILED_COLOR
        pair[:, :width], pair[:, width:] = picture, drawn
    return pairs


def _edges(mask: Tensor) -> Tensor:
    """Pixels (B, H, W) of a silhouette with a neighbour outside it."""
    inside = (mask > 0.5).float()[:, None]
    eroded = -torch.nn.functional.max_pool2d(-inside, 3, stride=1, padding=1)
    return (inside - eroded)[:, 0] > 0


def contact_sheet(pairs: np.ndarray, notes: Sequence[str], columns: int = 8) -> np.ndarray:
    """Cells (B, h, w, 3) in rows of ``columns``, each with its note: one (H, W, 3) uint8 picture."""
    height, width = pairs.shape[1:3]
    rows = -(-len(pairs) // columns)
    sheet = np.full((rows * height, min(columns, len(pairs)) * width, 3), 255, np.uint8)
    for index, (pair, note) in enumerate(zip(pairs, notes)):
        top, left = index // columns * height, index % columns * width
        sheet[top : top + height, left : left + width] = pair
        for color, thickness in ((0, 0, 0), 2), ((255, 255, 255), 1):
            place = (left + 3, top + height - 5)
            cv2.putText(sheet, note, place, cv2.FONT_HERSHEY_SIMPLEX, 0.38, color, thickness, cv2.LINE_AA)
    return sheet


def read_photo(path: str) -> np.ndarray:
    """(H, W, 3) uint8 BGR.

    Raises:
        FileNotFoundError: There is no picture.
    """
    photo = cv2.imread(path) if os.path.isfile(path) else None
    if photo is None:
        raise FileNotFoundError(f'expected a photo, got {path}, which is missing or no picture')
    return photo
