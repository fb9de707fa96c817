import pytest
import torch
from torch import Tensor, nn

from tests.toy_models import WEAK, scene, tiny_model

BOXES = [[10., 10, 40, 80], [60, 20, 95, 90]]


class Pixels(nn.Module):
    """A backbone whose map is the image."""

    def forward(self, x: Tensor) -> tuple[Tensor]:
        return (x, )


def pixel_model(prob: float = 1.):
    """The detector on plain pixels, so that what each branch sees can be read off."""
    model = tiny_model('dicl')
    model.backbone, model.neck = Pixels(), None
    model.crop_size = (224, 96)
    model.occlusion = type(model.occlusion)(prob=prob, grid=(7, 3))
    return model


def samples(*boxes: list) -> list:
    return [scene(rows, list(range(len(rows))), seed=seed)['data_samples'] for seed, rows in enumerate(boxes)]


def test_crop_of_the_whole_image_is_the_image():
    """O-25, with several images in the batch."""
    images = torch.randn(3, 3, 224, 96)
    crops = pixel_model().extract_feat(images).crop_maps(torch.tensor([[2., 0, 0, 96, 224], [0, 0, 0, 96, 224]]))
    torch.testing.assert_close(crops, images[[2, 0]])


def test_scenes_are_hidden_in_part_and_crops_are_clean():
    images = torch.randn(2, 3, 96, 128)
    before = images.clone()
    model, batch = pixel_model(), samples(BOXES, BOXES[:1])
    x = model.training_feat(images, batch)
    assert torch.equal(images, before)
    changed = (x[0] != images).any(dim=1)  # (B, H, W)
    assert changed.any(dim=2).any(dim=1).tolist() == [True, True]
    assert not changed[1, :, 45:].any()  # only the first box is there
    rois = torch.tensor([[0., 10, 10, 40, 80], [1., 10, 10, 40, 80]])
    torch.testing.assert_close(x.crop_maps(rois), model.extract_feat(images).crop_maps(rois))
    painted = model.extract_feat(x[0]).crop_maps(rois)
    assert not torch.allclose(x.crop_maps(rois), painted)


@pytest.mark.parametrize('off', ['probability 0', 'no settings'])
def test_without_hiding_the_scenes_are_bit_identical(off):
    images, model = torch.randn(1, 3, 96, 128), pixel_model(prob=0.)
    if off == 'no settings':
        model.occlusion = None
    assert torch.equal(model.training_feat(images, samples(BOXES))[0], images)


def test_a_test_image_is_never_hidden():
    model = pixel_model()
    one = scene(BOXES, [0, 1], seed=1)
    data = model.data_preprocessor(dict(inputs=[one['inputs']], data_samples=[one['data_samples']]), False)
    assert torch.equal(model.extract_feat(data['inputs'])[0], data['inputs'])


def test_hiding_does_not_depend_on_the_rest_of_the_batch():
    images = torch.randn(2, 3, 96, 128)
    model, batch = pixel_model(), samples(BOXES, BOXES)
    together, alone = model.training_feat(images, batch)[0], model.training_feat(images[1:], batch[1:])[0]
    assert torch.equal(together[1:], alone)


@pytest.mark.parametrize('method', WEAK)
def test_box_feats_are_embeddings_of_the_annotated_boxes_in_network_pixels(method):
    """The boxes are given in the original image, twice the size of the network's."""
    model = tiny_model(method).eval()
    scenes = [scene(BOXES, [0, 1], seed=1), scene([], [], seed=2), scene(BOXES[:1], [2], seed=3)]
    doubled = [scene([[2 * x for x in box] for box in boxes], list(range(len(boxes))), seed=seed, scale=.5)
               for seed, boxes in ((1, BOXES), (2, []), (3, BOXES[:1]))]
    with torch.no_grad():
        data = model.data_preprocessor({key: [one[key] for one in scenes] for key in scenes[0]}, False)
        x = model.extract_feat(data['inputs'])
        rois = torch.tensor([[0., *BOXES[0]], [0, *BOXES[1]], [2, *BOXES[0]]])
        expected = nn.functional.normalize(model.roi_head.embed(x, rois), dim=1)
        data = model.data_preprocessor({key: [one[key] for one in doubled] for key in doubled[0]}, False)
        feats = model.extract_box_feats(data['inputs'], data['data_samples'])
    torch.testing.assert_close(feats, expected)
    torch.testing.assert_close(feats.norm(dim=1), torch.ones(3))
