import pytest
import torch

from pedsearch.models.search.occlusion import Occlusion, covered_pixels, paint_patches

ALWAYS = Occlusion(prob=1.)


def sizes(bbox: list[float], **settings: object) -> list[list[int]]:
    patches = Occlusion(prob=1., **settings).patches(torch.tensor([bbox]), seed=0)
    return (patches[:, 2:] - patches[:, :2]).tolist()


@pytest.mark.parametrize(('width', 'height', 'patch'), [
    (60, 157, [10, 11]), (100, 280, [16, 20]), (30, 80, [5, 5]), (5, 30, [0, 2])])
def test_size_of_a_patch(width, height, patch):
    """O-20."""
    assert sizes([20.5, 30., 20.5 + width, 30. + height]) == [patch] * 2


@pytest.mark.parametrize(('prob', 'expected', 'tolerance'), [(1., .023668, 5e-5), (.5, .011834, 3e-4)])
def test_expected_part_of_a_box_that_is_hidden(prob, expected, tolerance):
    """O-20: two cells of 84, which may coincide."""
    patches = Occlusion(prob=prob).patches(torch.tensor([[0., 0, 60, 140]]).expand(40000, 4), seed=0).view(-1, 2, 4)
    areas = (patches[..., 2] - patches[..., 0]) * (patches[..., 3] - patches[..., 1])  # (n, 2)
    same = (patches[:, 0] == patches[:, 1]).all(dim=1)
    hidden = torch.where(same, areas[:, 0], areas.sum(dim=1)) / (60 * 140)
    assert hidden.mean().item() == pytest.approx(expected, abs=tolerance)


def test_patches_are_cells_of_a_grid_on_the_shifted_box():
    patches = ALWAYS.patches(torch.tensor([[20.7, 30.2, 80.7, 187.2]]).expand(2000, 4), seed=0)
    assert sorted(set(patches[:, 0].tolist())) == [21 + 10 * col for col in range(6)]
    assert sorted(set(patches[:, 1].tolist())) == [31 + 11 * row for row in range(14)]


def test_only_boxes_change_and_the_fill_is_the_mean_of_the_padded_image():
    """O-20 at full size: a slow loop paints the same."""
    boxes = torch.tensor([[100.3, 50.9, 160.3, 207.9], [150., 60., 250., 340.], [1400., 700., 1499.5, 843.5],
                          [700., 400., 705., 430.]])
    images = torch.randn(2, 3, 864, 1504, generator=torch.Generator().manual_seed(0))
    images[:, :, 844:] = 0  # padding
    before = images.clone()
    patches = [ALWAYS.patches(boxes, seed=3), ALWAYS.patches(boxes[:0])]
    painted = paint_patches(images, patches)
    assert torch.equal(images, before)

    expected, allowed = images.clone(), torch.zeros(864, 1504, dtype=torch.bool)
    for x1, y1, x2, y2 in patches[0].tolist():
        expected[0, :, y1:y2, x1:x2] = before[0].mean(dim=(1, 2))[:, None, None]
    for x1, y1, x2, y2 in (boxes + 1).int().tolist():
        allowed[y1:y2, x1:x2] = True
    assert torch.equal(painted, expected)
    assert torch.equal(painted[1], before[1])
    changed = (painted[0] != before[0]).any(dim=0)
    assert 0 < changed.sum() <= 2 * (10 * 11 + 16 * 20 + 16 * 10)
    assert not (changed & ~allowed).any()


def test_probability_0_leaves_the_image_as_it_is():
    images = torch.randn(1, 3, 64, 48)
    patches = Occlusion(prob=0.).patches(torch.tensor([[2., 2, 40, 60]]), seed=0)
    assert torch.equal(paint_patches(images, [patches]), images)


@pytest.mark.parametrize(('stop', 'touched'), [(True, [True, False, False]), (False, [True, False, True])])
def test_a_small_box_ends_the_hiding_in_its_image_as_in_the_released_code(stop, touched):
    boxes = torch.tensor([[0., 0, 60, 140], [10., 10, 13, 80], [70., 0, 130, 140]])
    patches = Occlusion(prob=1., stop_at_small=stop).patches(boxes, seed=0).view(3, 2, 4)
    assert (patches[..., 2] > patches[..., 0]).all(dim=1).tolist() == touched


def test_the_seed_decides():
    boxes = torch.tensor([[0., 0, 60, 140]]).expand(20, 4)
    first = ALWAYS.patches(boxes, seed=1)
    torch.manual_seed(5)
    assert torch.equal(first, ALWAYS.patches(boxes, seed=1))
    assert not torch.equal(first, ALWAYS.patches(boxes, seed=2))


def test_patches_may_leave_the_image():
    mask = covered_pixels(torch.tensor([[-3, 2, 2, 4], [3, 3, 9, 9]]), (5, 5))
    expected = torch.zeros(5, 5, dtype=torch.bool)
    expected[2:4, :2] = expected[3:, 3:] = True
    assert torch.equal(mask, expected)


@pytest.mark.parametrize('wrong', [dict(prob=1.5), dict(num_patches=0), dict(grid=(0, 6))])
def test_settings_out_of_range(wrong):
    with pytest.raises(ValueError, match=r'occlusion needs prob in \[0, 1\], num_patches >= 1 and a grid of cells, got'):
        Occlusion(**wrong)
