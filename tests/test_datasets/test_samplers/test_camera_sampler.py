import numpy as np
import pytest

from pedsearch.datasets.samplers import CameraSampler

from .labeled_crops import LabeledCrops, pairs


def blocks_of_one_identity(camids: list[int] | None, num_images: int, num_instances: int, num: int = 500) -> np.ndarray:
    dataset = LabeledCrops([0] * num_images, camids)
    sampler = CameraSampler(dataset, num_instances, num_instances, num_iters=num, seed=0)
    return np.array([i for i, _ in pairs(sampler)]).reshape(num, num_instances)


def test_every_camera_is_in_the_block():
    camids = np.array([0] * 10 + [1, 2, 2])
    blocks = blocks_of_one_identity(camids.tolist(), 13, 4)
    assert all(set(camids[block]) == {0, 1, 2} and len(set(block)) == 4 for block in blocks)
    assert set(blocks.ravel()) == set(range(13))  # the topping comes from all the rest


def test_first_images_are_uniform_in_their_camera():
    blocks = blocks_of_one_identity([0, 0, 0, 0, 1], 5, 2, num=4000)
    assert all((4 in block) for block in blocks)
    shares = np.bincount(blocks[blocks < 4], minlength=4) / 4000
    assert shares == pytest.approx([.25] * 4, abs=.025)


def test_more_cameras_than_images_of_a_block():
    camids = np.array([0] * 9 + [1, 2, 3, 4])
    blocks = blocks_of_one_identity(camids.tolist(), 13, 3, num=4000)
    assert all(len(set(camids[block])) == 3 for block in blocks)
    shares = np.bincount(camids[blocks.ravel()]) / 4000
    assert shares == pytest.approx([.6] * 5, abs=.03)  # 3 of 5 cameras, whatever they have seen


@pytest.mark.parametrize(('num_images', 'counts'), [(1, [4]), (2, [2, 2]), (3, [2, 1, 1]), (4, [1, 1, 1, 1])])
def test_few_images_repeat_evenly(num_images, counts):
    for block in blocks_of_one_identity([0, 1, 1, 1][:num_images], num_images, 4, num=50):
        assert sorted(np.unique(block, return_counts=True)[1], reverse=True) == counts


def test_unknown_cameras_are_one():
    blocks = blocks_of_one_identity(None, 6, 4)
    assert blocks.tolist() == blocks_of_one_identity([2] * 6, 6, 4).tolist()
    assert all(len(set(block)) == 4 for block in blocks.tolist())
    assert np.bincount(blocks.ravel()) / 500 == pytest.approx([4 / 6] * 6, abs=.08)


def test_a_pass_has_each_identity_once():
    dataset = LabeledCrops(np.repeat(range(6), 3), np.arange(18) % 3)
    sampler = CameraSampler(dataset, 24, 4, num_iters=30, seed=0)
    passes = dataset.labels[[i for i, _ in pairs(sampler)]].reshape(30, 6, 4)
    assert (passes == passes[:, :, :1]).all()
    assert (np.sort(passes[:, :, 0], axis=1) == np.arange(6)).all()
    assert len({tuple(order) for order in passes[:, :, 0]}) > 20
