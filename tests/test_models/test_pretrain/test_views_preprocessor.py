"""Oracle: the formula of normalisation."""

import torch

from pedsearch.models.pretrain import ViewsDataPreprocessor
from pedsearch.models.pretrain.views_preprocessor import as_views

from .described_batches import batch


def test_every_view_is_normalised_as_one_image_is():
    processor = ViewsDataPreprocessor(mean=[10., 20., 30.], std=[2., 3., 4.], bgr_to_rgb=True)
    views, single = processor(batch(num_views=3)), processor(batch(num_views=1))
    raw = torch.stack(batch(num_views=1)['inputs']).flip(1).float()
    expected = (raw - torch.tensor([10., 20, 30])[:, None, None]) / torch.tensor([2., 3, 4])[:, None, None]
    torch.testing.assert_close(single['inputs'], expected)
    torch.testing.assert_close(views['inputs'][0], expected)  # the first view of the same seed
    assert [tuple(view.shape) for view in views['inputs']] == [(4, 3, 64, 32)] * 3
    assert len(views['data_samples']) == 4


def test_one_image_is_a_list_of_one_view():
    images = torch.zeros(2, 3, 4, 4)
    assert [view is images for view in as_views(images)] == [True]
    assert len(as_views([images, images])) == 2
