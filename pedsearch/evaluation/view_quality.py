"""How close painted views are to true ones.

Shape legend: N pictures, H x W their size.
"""

import torch
from torch import Tensor, nn
from torchvision.transforms.functional import resize


def view_quality(views: Tensor, truth: Tensor, people: Tensor | None = None) -> dict[str, float]:
    """Mean PSNR and SSIM of pictures against the true ones.

    Args:
        views, truth (Tensor): (N, 3, H, W) uint8.
        people (Tensor, optional): (N, H, W) bool, the pixels of the person, at least one in every picture.

    Returns:
        dict[str, float]: ``psnr`` in dB, the mean over pictures, ``ssim`` in [-1, 1], and ``person_psnr`` of the
        person's pixels alone where those are given.

    Raises:
        ImportError: torchmetrics is not installed.
        ValueError: the shapes differ.

    Source: Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", TIP 2004.
    """
    if views.shape != truth.shape or views.ndim != 4 or not len(views):
        raise ValueError(f'views and truth must have one shape (N, 3, H, W), got {tuple(views.shape)} and '
                         f'{tuple(truth.shape)}')
    functional = _torchmetrics().functional.image
    views, truth = views.float() / 255, truth.float() / 255
    psnr = functional.peak_signal_noise_ratio(views, truth, data_range=1., reduction='elementwise_mean', dim=(1, 2, 3))
    ssim = functional.structural_similarity_index_measure(views, truth, data_range=1.)
    quality = dict(psnr=float(psnr), ssim=float(ssim))
    if people is not None:
        if people.shape != views[:, 0].shape or not people.any(dim=(1, 2)).all():
            raise ValueError(f'people must have shape {tuple(views[:, 0].shape)} and a pixel in every picture, got '
                             f'{tuple(people.shape)}')
        errors = (views - truth).square().mean(dim=1)
        means = (errors * people).sum(dim=(1, 2)) / people.sum(dim=(1, 2))
        quality['person_psnr'] = float(-10 * means.log10().mean())
    return quality


def frechet_distance(views: Tensor, truth: Tensor, extractor: nn.Module, batch_size: int = 64) -> float:
    """Fréchet distance of two sets of pictures in the features of a network; with Inception-v3 it is the FID.

    Args:
        views, truth (Tensor): (N, 3, H, W) and (M, 3, H, W) uint8, at least two each.
        extractor (nn.Module): uint8 pictures (B, 3, H, W) -> features (B, D).
        batch_size (int): B.

    Source: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", NeurIPS
    2017.
    """
    if min(len(views), len(truth)) < 2:
        raise ValueError(f'at least two pictures of each kind are needed, got {len(views)} and {len(truth)}')
    size = tuple(views.shape[1:])
    metric = _torchmetrics().image.fid.FrechetInceptionDistance(feature=extractor, input_img_size=size)
    for pictures, real in ((truth, True), (views, False)):
        for part in pictures.split(batch_size):
            metric.update(part, real=real)
    return float(metric.compute())


def _torchmetrics():  # noqa: ANN202 - a module
    try:
        import torchmetrics
        import torchmetrics.functional.image
        import torchmetrics.image.fid
    except ImportError as error:
        raise ImportError(
            "view quality needs torchmetrics, which is not installed; run `pip install 'pedsearch[views]'`") from error
    return torchmetrics


class EmbeddingExtractor(nn.Module):
    """A re-identification model as an extractor of :func:`frechet_distance`.

    Args:
        model (nn.Module): with ``data_preprocessor`` and ``extract_feat``.
        size (tuple[int, int], optional): height and width of its input; None: that of the pictures.
    """

    def __init__(self, model: nn.Module, size: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.model = model
        self.size = size

    @torch.no_grad()
    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 RGB -> (B, D)."""
        if self.size is not None:
            pictures = resize(pictures, self.size, antialias=True)
        bgr = list(pictures.flip(1))  # as files are read
        data = self.model.data_preprocessor(dict(inputs=bgr), False)
        return self.model.extract_feat(data['inputs']).cpu()  # where the distance is computed
