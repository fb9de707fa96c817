"""Features on a plane: t-SNE, coloured by person or cluster.

Shape legend: N images, D embedding dimensions, n images drawn.
"""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from pedsearch.functional.arrays import as_array

MARKERS = ('o', 's', '^', 'D', 'v', 'P', 'X', '*', '<', '>', 'p', 'h')
"""One per camera; a network of more cameras uses them again."""

OUTLIER_COLOR = '#b4bac2'
_INK, _EDGE = '#20242a', '#d8dce2'


def draw_embedding_map(feats: Any,
                       labels: Any,
                       camids: Any = None,
                       num_labels: int = 16,
                       label_name: str = 'identity',
                       seed: int = 0,
                       perplexity: float = 30.) -> np.ndarray:
    """Draw the images of some people or clusters where t-SNE places their features.

    Outliers (label -1) are grey, at most as many as there are other images. Colours and a number
    at the most central image tell the labels, the shape of the marker tells the camera.

    Args:
        feats (array-like): (N, D), L2-normalised inside.
        labels (array-like): (N,) int, identity or cluster, -1 for none.
        camids (array-like, optional): (N,) int, -1 for unknown.
        num_labels (int): how many labels to draw; chosen at random where there are more.
        label_name (str): what a label is, for the legend.
        seed (int): of the choice and of t-SNE.
        perplexity (float): of t-SNE, at most a third of the images drawn.

    Returns:
        numpy.ndarray: (H, W, 3) uint8 RGB.

    Raises:
        ValueError: the arrays do not fit each other, or fewer than 4 images are left to draw.

    Source: van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 2008; scikit-learn.
    """
    feats, labels = as_array(feats, 'feats').astype(np.float32), as_array(labels, 'labels')
    camids = np.full(len(labels), -1) if camids is None else as_array(camids, 'camids')
    if feats.ndim != 2 or labels.shape != (len(feats), ) or camids.shape != (len(feats), ):
        raise ValueError(f'feats (N, D), labels (N,) and camids (N,) must have the same N, got {feats.shape}, '
                         f'{labels.shape}, {camids.shape}')
    rows = choose_rows(labels, num_labels, seed)
    if len(rows) < 4:
        raise ValueError(f'a map needs 4 images or more, got {len(rows)} of {len(labels)} with a label; extract more '
                         'images or draw more labels')
    points = embed_on_plane(feats[rows], seed, perplexity)
    known, outliers = np.unique(labels[labels >= 0]), int((labels[rows] < 0).sum())
    drawn = np.unique(labels[rows][labels[rows] >= 0])
    plural = {'identity': 'identities'}.get(label_name, f'{label_name}s')
    title = f't-SNE of {len(rows)} images: {len(drawn)} of {len(known)} {plural}'
    return _plot(points, labels[rows], camids[rows], label_name, title + f', {outliers} outliers' * bool(outliers))


def choose_rows(labels: np.ndarray, num_labels: int, seed: int) -> np.ndarray:
    """Places, rising, of all images of some random labels, and of at most as many random outliers.

    Example:
        >>> choose_rows(np.array([5, 5, 7, -1, -1, -1]), 2, seed=0)[:3].tolist()
        [0, 1, 2]
    """
    if num_labels < 1:
        raise ValueError(f'num_labels must be >= 1, got {num_labels}')
    rng = np.random.default_rng(seed)
    known = np.unique(labels[labels >= 0])
    inside = np.flatnonzero(np.isin(labels, rng.permutation(known)[:num_labels]))
    outliers = rng.permutation(np.flatnonzero(labels < 0))[:len(inside)]
    return np.sort(np.concatenate([inside, outliers]))


def embed_on_plane(feats: np.ndarray, seed: int, perplexity: float = 30.) -> np.ndarray:
    """(n, D) -> (n, 2): t-SNE of L2-normalised features, started from their principal components."""
    from sklearn.manifold import TSNE  # slow to import
    unit = feats / np.maximum(np.linalg.norm(feats, axis=1, keepdims=True), 1e-12)
    limit = (len(feats) - 1) / 3
    return TSNE(2, perplexity=min(perplexity, limit), init='pca', random_state=seed).fit_transform(unit)


def _plot(points: np.ndarray, labels: np.ndarray, camids: np.ndarray, label_name: str, title: str) -> np.ndarray:
    """Points (n, 2) as an (H, W, 3) uint8 picture."""
    figure = Figure(figsize=(10, 8), dpi=120, facecolor='white', layout='constrained')
    canvas = FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=.2, h_pad=.2)
    axes = figure.add_subplot()
    axes.set_title(title, loc='left', fontsize=14, fontweight='bold', color=_INK, pad=12)
    axes.set(xticks=[], yticks=[])
    axes.set_aspect('equal', adjustable='datalim')
    for spine in axes.spines.values():
        spine.set_color(_EDGE)
    drawn, cameras = np.unique(labels[labels >= 0]), np.unique(camids)
    colors = dict(zip(drawn.tolist(), _palette(len(drawn)))) | {-1: OUTLIER_COLOR}
    markers = {camid: MARKERS[place % len(MARKERS)] for place, camid in enumerate(cameras.tolist())}
    for label in [-1, *drawn.tolist()]:
        for camid, marker in markers.items():
            x, y = points[(labels.clip(-1) == label) & (camids == camid)].T
            axes.scatter(x, y, s=26 if label < 0 else 52, c=[colors[label]], marker=marker, linewidths=.6,
                         edgecolors='white', alpha=.75 if label < 0 else .95, zorder=1 if label < 0 else 2)
    halo = [withStroke(linewidth=3, foreground='white')]
    for label in drawn.tolist():
        x, y = _central(points[labels == label])
        axes.annotate(str(label), (x, y), (0, 10), textcoords='offset points', ha='center', va='center', fontsize=11,
                      fontweight='bold', color=_INK, zorder=3, path_effects=halo)
    _add_legends(figure, colors if (labels < 0).any() else {label: colors[label] for label in drawn.tolist()},
                 markers if len(markers) > 1 else {}, label_name)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _central(points: np.ndarray) -> np.ndarray:
    """The one of the points (n, 2) that is nearest to their median."""
    return points[np.linalg.norm(points - np.median(points, axis=0), axis=1).argmin()]


def _add_legends(figure: Figure, colors: dict, markers: dict, label_name: str) -> None:
    """Colours of labels and shapes of cameras, on the right of the map."""
    style = dict(frameon=False, fontsize=11, title_fontsize=12, alignment='left', labelcolor=_INK)
    labels = [Line2D([], [], ls='', marker='o', ms=8, color=color, label='outlier' if label < 0 else str(label))
              for label, color in sorted(colors.items(), key=lambda item: (item[0] < 0, item[0]))]
    figure.legend(handles=labels, title=label_name, loc='outside right upper', ncols=1 + (len(labels) - 1) // 20,
                  **style)
    if markers:
        cameras = [Line2D([], [], ls='', marker=marker, ms=8, color=_INK, label='unknown' if camid < 0 else str(camid))
                   for camid, marker in markers.items()]
        figure.legend(handles=cameras, title='camera', loc='outside right lower', ncols=1 + (len(cameras) - 1) // 8,
                      **style)


def _palette(count: int) -> list:
    """Colours that differ: named ones as far as they go, then hues a golden section apart, dark and light in turn."""
    if count <= 20:
        strong_then_light = [*range(0, 20, 2), *range(1, 20, 2)]
        return [colormaps['tab20'](place) for place in strong_then_light[:count]]
    hues = colormaps['hsv'](np.arange(count) * (5**.5 - 1) / 2 % 1)[:, :3]
    return [tuple(hue * (.95, .7, .5)[place % 3]) for place, hue in enumerate(hues)]
