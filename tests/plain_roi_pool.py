"""RoI pooling as it is defined: one sample after the other, float64."""

import math

import numpy as np
import torch


def bilinear(plane, y, x):
    """0 more than a pixel outside, else the value at the nearest place inside."""
    height, width = plane.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.
    y, x = min(max(y, 0.), height - 1.), min(max(x, 0.), width - 1.)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down, across = y - top, x - left
    return ((1 - down) * ((1 - across) * plane[top, left] + across * plane[top, right])
            + down * ((1 - across) * plane[bottom, left] + across * plane[bottom, right]))


def roi_pool(feats, rois, offsets, output_size, scale=1., ratio=0, gamma=.1, aligned=True):
    """(B, C, H, W), (R, 5), (R, 2, h, w) or None -> (R, C, h, w)."""
    feats, rois = np.asarray(feats, dtype=np.float64), np.asarray(rois, dtype=np.float64)
    bins_y, bins_x = output_size
    pooled = np.zeros((len(rois), feats.shape[1], bins_y, bins_x))
    for r, (image, *box) in enumerate(rois):
        left, top, right, bottom = (edge * scale - (.5 if aligned else 0.) for edge in box)
        width, height = right - left, bottom - top
        if not aligned:
            width, height = max(width, 1.), max(height, 1.)
        num_y, num_x = (ratio or math.ceil(size / bins) for size, bins in ((height, bins_y), (width, bins_x)))
        for i, j in np.ndindex(bins_y, bins_x):
            dx, dy = (0., 0.) if offsets is None else np.asarray(offsets, dtype=np.float64)[r, :, i, j]
            ys = [top + gamma * height * dy + (i + (n + .5) / num_y) * height / bins_y for n in range(num_y)]
            xs = [left + gamma * width * dx + (j + (n + .5) / num_x) * width / bins_x for n in range(num_x)]
            for channel, plane in enumerate(feats[int(image)]):
                samples = [bilinear(plane, y, x) for y in ys for x in xs]
                pooled[r, channel, i, j] = sum(samples) / max(len(samples), 1)
    return pooled


def random_rois(num, height, width, images, generator):
    """RoIs of all sizes within and around an image: without area, inside out, larger, and outside of it."""
    size = torch.tensor([width, height], dtype=torch.float64)
    begin = torch.rand(num, 2, generator=generator, dtype=torch.float64) * size * 1.2 - .1 * size
    end = begin + torch.rand(num, 2, generator=generator, dtype=torch.float64) * size * .6
    odd = torch.tensor([[5., 5, 5, 30], [9, 3, 4, 20], [8, 9, 2, 3], [-150, -100, 200, 250], [-90, -90, -60, -50],
                        [width - 1., height - 1., width + 40., height + 50.], [0, 0, width, height]])
    boxes = torch.cat([torch.cat([begin, end], dim=1), odd.double()])
    index = torch.randint(images, (len(boxes), 1), generator=generator)
    return torch.cat([index, boxes], dim=1)
