import functools

import numpy as np
import pytest
import torch
from torchvision.ops import roi_align

from pedsearch.ops import person_crops, reference_kernels

from .. import plain_roi_pool

MEAN, STD = torch.tensor([103.53, 116.28, 123.675]), torch.tensor([57.375, 57.12, 58.395])


@pytest.fixture(params=['native', 'reference'])
def crop(request):
    if request.param == 'native':
        return person_crops
    return reference_kernels()(functools.partial(person_crops))


def example(dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (2, 3, 40, 50), generator=generator).to(dtype)
    return images, plain_roi_pool.random_rois(5, 40, 50, 2, generator).float()


def painted(images, patches, fill):
    images = images.double().clone()
    for image, x1, y1, x2, y2 in patches.tolist():
        images[image, :, max(y1, 0):max(y2, 0), max(x1, 0):max(x2, 0)] = fill[image, :, None, None].double()
    return images


def random_patches(num, seed=0):
    corners = torch.randint(-10, 60, (num, 2, 2), generator=torch.Generator().manual_seed(seed)).sort(dim=1).values
    return torch.cat([torch.arange(num)[:, None] % 2, corners.flatten(1)], dim=1)


@pytest.mark.parametrize('dtype', [torch.uint8, torch.float32, torch.float64])
def test_equals_a_loop(crop, dtype):
    images, rois = example(dtype)
    patches, fill = random_patches(4), torch.rand(2, 3) * 255
    for kwargs, source in ((dict(), images), (dict(patches=patches, fill=fill), painted(images, patches, fill))):
        normal = (source.double() - MEAN[:, None, None]) / STD[:, None, None]
        expected = torch.from_numpy(plain_roi_pool.roi_pool(normal, rois, None, (7, 4)))
        found = crop(images, rois, (7, 4), MEAN, STD, **kwargs)
        assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        torch.testing.assert_close(found.double(), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize('dtype', [torch.uint8, torch.float32])
def test_o25_a_crop_of_the_whole_image_is_the_image(crop, dtype):
    images = torch.randint(256, (3, 3, 224, 96), generator=torch.Generator().manual_seed(0)).to(dtype)
    rois = torch.tensor([[2., 0, 0, 96, 224], [0, 0, 0, 96, 224], [1, 0, 0, 96, 224]])
    assert torch.equal(crop(images, rois, (224, 96)), images[[2, 0, 1]].float())


def test_at_full_size_as_the_library():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (1, 3, 864, 1504), generator=generator).float()
    corners = torch.rand(8, 2, generator=generator) * torch.tensor([1300., 500.])
    rois = torch.cat([torch.zeros(8, 1), corners, corners + torch.tensor([130.7, 350.2])], dim=1)
    normal = (images - MEAN[:, None, None]) / STD[:, None, None]
    expected = roi_align(normal, rois, (224, 96), 1., 0, aligned=True)
    torch.testing.assert_close(person_crops(images, rois, (224, 96), MEAN, STD), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize('num_patches', [0, 1, 5, 40])
def test_patches_are_painted_before_the_crop(crop, num_patches):
    images, rois = example(torch.uint8)
    patches = random_patches(num_patches)
    average = images.double().mean(dim=(2, 3))
    expected = crop(painted(images, patches, average), rois.double(), (9, 5))
    torch.testing.assert_close(crop(images, rois, (9, 5), patches=patches).double(), expected, rtol=0, atol=1e-3)
    assert np.array_equal(images, example(torch.uint8)[0])


def test_the_default_fill_is_0_after_subtracting_the_mean_of_the_image(crop):
    images, _ = example(torch.float32)
    whole = torch.tensor([[1, 0, 0, 50, 40]])
    crops = crop(images, torch.tensor([[1., 5, 5, 30, 35], [0, 5, 5, 30, 35]]), (4, 3), images[1].mean(dim=(1, 2)),
                 patches=whole)
    torch.testing.assert_close(crops[0], torch.zeros(3, 4, 3), rtol=0, atol=1e-4)
    assert crops[1].std() > 1


def test_outside_the_image_the_normalised_image_is_0(crop):
    images, _ = example(torch.uint8)
    rois = torch.tensor([[0., -40, -60, -10, -5], [0, 70, 3, 90, 20], [0, 4, 4, 4, 9], [1, 9, 9, 3, 2]])
    assert (crop(images, rois, (4, 3), MEAN, STD) == 0).all()


def test_no_boxes(crop):
    images, rois = example(torch.uint8)
    assert crop(images, rois[:0], (4, 3), MEAN, STD, random_patches(2)).shape == (0, 3, 4, 3)


def test_strided_images_and_half_types(crop):
    images, rois = example(torch.uint8)
    expected = crop(images, rois, (4, 3), MEAN)
    assert torch.equal(crop(images.contiguous(memory_format=torch.channels_last), rois, (4, 3), MEAN), expected)
    assert torch.equal(crop(images.bfloat16(), rois, (4, 3), MEAN), expected.bfloat16())  # 0...255 are exact in it
    assert torch.equal(crop(images.flip(1), rois, (4, 3), MEAN.flip(0)), expected.flip(1))


def test_no_gradient():
    images, rois = example(torch.float32)
    assert not person_crops(images.requires_grad_(), rois, (4, 3)).requires_grad


def test_bad_arguments():
    images, rois = example(torch.uint8)
    with pytest.raises(ValueError, match=r'images must have shape \(B, 3, H, W\), H and W positive, got \(2, 2, 40, 50\)'):
        person_crops(images[:, :2], rois, (4, 3))
    with pytest.raises(ValueError, match='images must be floating point .* torch.int32'):
        person_crops(images.int(), rois, (4, 3))
    with pytest.raises(ValueError, match=r'patches must be integers of shape \(P, 5\) on cpu, got \(2, 5\) torch.float32'):
        person_crops(images, rois, (4, 3), patches=random_patches(2).float())
    with pytest.raises(ValueError, match=r'fill must have shape \(2, 3\), got \(3,\)'):
        person_crops(images, rois, (4, 3), patches=random_patches(2), fill=MEAN)
    with pytest.raises(ValueError, match=r'mean must have 3 values, one for each channel, got \(2,\)'):
        person_crops(images, rois, (4, 3), MEAN[:2])
    with pytest.raises(ValueError, match='image indices of patches must be in 0...1, got 0 to 2'):
        person_crops(images, rois, (4, 3), patches=torch.tensor([[0, 1, 1, 2, 2], [2, 1, 1, 2, 2]]))
