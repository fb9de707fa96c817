"""The nearest triangle at every pixel, one pixel and one triangle at a time; and triangles to try it on."""

import numpy as np
import torch


def soup(batch, num_faces, image_size, size, seed=0):
    """Triangles of some ``size`` in pixels that share no corner; some partly or wholly outside, some that are dropped or
    drawn twice. Points (batch, 3 num_faces, 3), faces."""
    generator = torch.Generator().manual_seed(seed)
    height, width = image_size
    centers = torch.rand(batch, num_faces, 1, 2, generator=generator) * torch.tensor([width, height]) * 1.2 - 1
    corners = centers + size * torch.randn(batch, num_faces, 3, 2, generator=generator)
    depth = -.1 + 5 * torch.rand(batch, num_faces, 3, 1, generator=generator)
    points = torch.cat([corners, depth], dim=-1)
    points[:, 1::7] = points[:, 0::7][:, :points[:, 1::7].shape[1]].flip(2)  # again, wound the other way
    points[:, 2::11, 1] = points[:, 2::11, 0]  # no area
    for index, value in enumerate((torch.inf, -torch.inf, torch.nan)):
        for axis in range(3):
            points[:, 3 + 3 * index + axis::23, 2, axis] = value
    return points.flatten(1, 2), torch.arange(3 * num_faces).view(-1, 3)


def zbuffer(points, faces, image_size, perspective, dtype=np.float32):
    """Face index and depth of one mesh, calculated in ``dtype`` in the order of the documented formulas."""
    height, width = image_size
    face_index, nearest = np.full(image_size, -1), np.full(image_size, np.inf, dtype)
    with np.errstate(all='ignore'):
        for index, corners in enumerate(points.numpy().astype(dtype)[faces.numpy()]):
            (ax, ay, az), (bx, by, bz), (cx, cy, cz) = corners
            area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            if not np.isfinite(corners).all() or area == 0 or not np.isfinite(area):
                continue
            if perspective and corners[:, 2].min() <= dtype(.001):
                continue
            for row in range(height):
                for col in range(width):
                    x, y = dtype(col + .5), dtype(row + .5)
                    if not (min(ax, bx, cx) <= x <= max(ax, bx, cx) and min(ay, by, cy) <= y <= max(ay, by, cy)):
                        continue
                    u = (cx - bx) * (y - by) - (cy - by) * (x - bx)
                    v = (ax - cx) * (y - cy) - (ay - cy) * (x - cx)
                    w = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
                    total = u + v + w
                    u, v, w = u / total, v / total, w / total
                    if not (u >= 0 and v >= 0 and w >= 0):
                        continue
                    depth = 1 / (u / az + v / bz + w / cz) if perspective else u * az + v * bz + w * cz
                    if np.isfinite(depth) and depth < nearest[row, col]:
                        nearest[row, col], face_index[row, col] = depth, index
    return torch.from_numpy(face_index), torch.from_numpy(nearest)


def bits(depth):
    return depth.contiguous().view(torch.int32)
