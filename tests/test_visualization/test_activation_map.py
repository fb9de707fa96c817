"""Oracle: for average pooling and linear layers the gradient is known in closed form."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pedsearch.visualization import draw_activation_maps, grad_cam
from pedsearch.visualization.activation_map import overlay, weigh_channels


class LinearNetwork(nn.Module):
    """Maps of 3 x 2 cells from a strided convolution, average pooling, a linear neck."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, 5, 4, stride=4)
        self.backbone = lambda inputs: (inputs, self.convolution(inputs))
        self.pooling = lambda maps: maps.mean(dim=(2, 3))
        self.neck = nn.Linear(5, 4, bias=False)


@pytest.fixture
def network() -> LinearNetwork:
    return LinearNetwork().eval()


INPUTS = torch.randn(2, 3, 12, 8, generator=torch.Generator().manual_seed(1))


def expected(network: LinearNetwork, weights: torch.Tensor) -> torch.Tensor:
    """Map from channel weights (B, C), pixel by pixel as large as the input."""
    maps = network.convolution(INPUTS).detach()
    cam = torch.stack([sum(weights[b, c] * maps[b, c] for c in range(5)) for b in range(2)]).clamp(min=0)
    cam = F.interpolate(cam[:, None], (12, 8), mode='bilinear', align_corners=False)[:, 0]
    return torch.stack([one / one.max() for one in cam])


def pooled(network: LinearNetwork) -> tuple[torch.Tensor, torch.Tensor]:
    feats = network.convolution(INPUTS).detach().mean(dim=(2, 3))
    return feats, network.neck.weight.detach()


def test_map_of_the_norm_is_the_analytic_weighted_sum(network: LinearNetwork) -> None:
    feats, weight = pooled(network)
    embed = feats @ weight.T
    weights = (embed / embed.norm(dim=1, keepdim=True)) @ weight  # d|Wf|/df, the same in every cell up to 1 / hw
    torch.testing.assert_close(grad_cam(network, INPUTS), expected(network, weights), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('per_image', [False, True])
def test_map_of_a_similarity_is_the_analytic_weighted_sum(network: LinearNetwork, per_image: bool) -> None:
    target = torch.randn(2, 4, generator=torch.Generator().manual_seed(2))
    target = target if per_image else target[0]
    feats, weight = pooled(network)
    embed = feats @ weight.T
    norm, unit = embed.norm(dim=1, keepdim=True), F.normalize(target.expand(2, 4), dim=1)
    along = (F.normalize(embed, dim=1) * unit).sum(dim=1, keepdim=True)
    weights = (unit - along * embed / norm) / norm @ weight  # d cos / df
    torch.testing.assert_close(grad_cam(network, INPUTS, target), expected(network, weights), rtol=1e-4, atol=1e-5)


def test_maps_lie_in_0_1_and_nothing_changes(network: LinearNetwork) -> None:
    with torch.no_grad():
        cams = grad_cam(network, INPUTS)
    assert cams.shape == (2, 12, 8)
    assert cams.amin() >= 0
    assert torch.equal(cams.amax(dim=(1, 2)), torch.ones(2))
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not cams.requires_grad
    silent = weigh_channels(torch.ones(1, 2, 3, 3), -torch.ones(1, 2, 3, 3))
    assert torch.equal(silent, torch.zeros(1, 3, 3))


def test_nothing_speaks_for_it(network: LinearNetwork) -> None:
    network.convolution.weight.data.zero_()
    network.convolution.bias.data.fill_(1.)
    network.neck.weight.data.zero_()
    assert torch.equal(grad_cam(network, INPUTS, torch.ones(4)), torch.zeros(2, 12, 8))


def test_model_and_target_must_fit(network: LinearNetwork) -> None:
    with pytest.raises(ValueError, match=r'target_embed must have shape \(4,\) or \(2, 4\), got \(3,\)'):
        grad_cam(network, INPUTS, torch.ones(3))
    with pytest.raises(ValueError, match='must be in evaluation mode, got one in training; call model.eval'):
        grad_cam(network.train(), INPUTS)


def test_real_model_gives_a_map_for_its_embedding() -> None:
    from pedsearch.models.reid import ReIDModel
    torch.manual_seed(0)
    model = ReIDModel(dict(type='ReIDResNet', depth=18, stem_channels=8, base_channels=8), dict(type='ClusterContrastHead'),
                      embed_dims=64, neck=dict(type='BNNeck', in_channels=64), flip_test=True).eval()
    inputs = torch.randn(2, 3, 64, 32)
    embeds = model.extract_feat(inputs)
    assert grad_cam(model, inputs, embeds.flip(0)).shape == (2, 64, 32)
    assert grad_cam(model, inputs).amax() == 1


def test_heat_covers_only_where_the_map_is_above_zero() -> None:
    image = np.full((4, 4, 3), 100, np.uint8)
    cam = np.zeros((4, 4))
    cam[0, 0] = 1
    found = overlay(image, cam, strength=1.)
    assert (found[1:] == 100).all()
    assert found[0, 0].tolist() == [252, 255, 164]  # the bright end of the colours
    with pytest.raises(ValueError, match=r'got \(4, 4, 3\) and \(2, 2\)'):
        overlay(image, np.zeros((2, 2)))


def test_sheet_shows_each_image_beside_its_map() -> None:
    images = [np.full((32, 16, 3), value, np.uint8) for value in (60, 130)]
    sheet = draw_activation_maps('title', images, [np.zeros((32, 16))] * 2, ['a', 'b'])
    for value in (60, 130):
        rows, columns = np.nonzero((sheet == value).all(axis=2))
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (320, 2 * 160 + 4)
        assert (sheet[rows.min():rows.max() + 1, columns.min() + 160] == 255).all()
