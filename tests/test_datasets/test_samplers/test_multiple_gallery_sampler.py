from collections import Counter

import numpy as np
import pytest

from pedsearch.datasets.samplers import MultipleGallerySampler

from .labeled_crops import LabeledCrops, blocks_of, pairs, random_crops

# T11: A five images, B three of one camera, C one image, D anchor 0 alone on its camera, E two images
CAMERAS = dict(A=[0, 0, 0, 1, 2], B=[0, 0, 0], C=[0], D=[0, 1, 1, 1, 1, 1], E=[0, 1])
LABELS = np.repeat(range(5), [len(cameras) for cameras in CAMERAS.values()])
NUM_PASSES = 4000


def passes(num: int, dataset: LabeledCrops, length: int, num_instances: int, **kwargs) -> np.ndarray:
    """Whole passes (num, length): with a batch as long as a pass nothing of it is dropped."""
    sampler = MultipleGallerySampler(dataset, length, num_instances, num_iters=num, seed=0, **kwargs)
    return np.array([i for i, _ in pairs(sampler)]).reshape(num, length)


@pytest.fixture(scope='module')
def blocks() -> dict[str, list[list[int]]]:
    """Blocks of each identity in 4000 passes, as positions among its images."""
    dataset = LabeledCrops(LABELS, sum(CAMERAS.values(), []))
    # a pass of 17 fills no batch of 20, so the stream is pass after pass
    sampler = MultipleGallerySampler(dataset, 20, 4, num_iters=NUM_PASSES * 17 // 20, seed=0)
    found = {name: [] for name in CAMERAS}
    firsts = np.unique(LABELS, return_index=True)[1]
    for indices in sampler.draw(np.random.default_rng(0)).reshape(NUM_PASSES, 17):
        cut = blocks_of(indices, LABELS)
        assert sorted(LABELS[block[0]] for block in cut) == [0, 1, 2, 3, 4]  # contiguous
        for block in cut:
            label = LABELS[block[0]]
            found['ABCDE'[label]].append([i - firsts[label] for i in block])
    return found


def shares(values: list[int]) -> dict[int, float]:
    return {value: count / len(values) for value, count in Counter(values).items()}


@pytest.mark.parametrize(('name', 'expected'), [
    ('A', {4: .40, 3: .45, 2: .15}), ('B', {3: .75, 2: .25}), ('C', {1: 1}), ('D', {4: 1 / 6, 2: 5 / 6}), ('E', {2: 1}),
])
def test_distinct_images_of_a_block(blocks, name, expected):
    assert shares([len(set(block)) for block in blocks[name]]) == pytest.approx(expected, abs=.025)
    assert {len(block) for block in blocks[name]} == {1 if name == 'C' else 4}


@pytest.mark.parametrize('name', CAMERAS)
def test_anchor_is_uniform_and_its_camera_does_not_recur(blocks, name):
    size, cameras = len(CAMERAS[name]), CAMERAS[name]
    assert shares([block[0] for block in blocks[name]]) == pytest.approx(dict.fromkeys(range(size), 1 / size), abs=.025)
    for anchor, *companions in blocks[name]:
        assert anchor not in companions
        assert name == 'B' or cameras[anchor] not in [cameras[i] for i in companions]


def test_four_images_of_one_anchor_of_d(blocks):
    assert all((len(set(block)) == 4) == (block[0] == 0) for block in blocks['D'])


def test_order_of_identities_is_uniform():
    first = passes(NUM_PASSES, LabeledCrops(range(5)), 5, 1)[:, 0]
    assert shares(first.tolist()) == pytest.approx(dict.fromkeys(range(5), .2), abs=.025)


def test_cameras_can_be_left_out():
    dataset = LabeledCrops([0] * 8, [0, 1, 1, 1, 1, 1, 1, 1])
    ignoring = passes(300, dataset, 4, 4, use_cameras=False)
    assert all(len(set(block)) == 4 for block in ignoring.tolist())  # 7 candidates: without replacement
    assert (ignoring[ignoring[:, 0] > 0] == 0).any()
    heeding = passes(300, dataset, 4, 4)
    assert (heeding[heeding[:, 0] > 0, 1:] == 0).all()


def test_unknown_cameras_are_one():
    unknown, one = LabeledCrops([0] * 8), LabeledCrops([0] * 8, [3] * 8)
    assert passes(50, unknown, 4, 4).tolist() == passes(50, one, 4, 4).tolist()


def test_singletons_can_be_padded():
    dataset = LabeledCrops([0, 1, 1, 2], [0, 0, 1, 0])
    for indices in passes(50, dataset, 12, 4, pad_singletons=True):
        cut = [block.tolist() for block in indices.reshape(3, 4)]
        assert [0] * 4 in cut
        assert [3] * 4 in cut
    shortened = passes(9, dataset, 8, 4).reshape(12, 6)  # blocks of 1, 4, 1 images, over the borders of the batches
    assert all(Counter(dataset.labels[one_pass].tolist()) == {0: 1, 1: 4, 2: 1} for one_pass in shortened)


def plain_passes(dataset: LabeledCrops, batch: int, num: int, rng: np.random.Generator) -> list[int]:
    """The stream written out one index at a time."""
    images: dict[int, list[int]] = {}
    for index, label in enumerate(dataset.labels):
        if label >= 0:
            images.setdefault(int(label), []).append(index)
    names, stream = sorted(images), []
    while len(stream) < num * batch:
        one_pass = []
        for place in rng.permutation(len(names)):
            mine = images[names[place]]
            if len(mine) == 1:
                one_pass.append(mine[0])
                continue
            anchor = mine[rng.integers(len(mine))]
            others = [i for i in mine if dataset.camids[i] != dataset.camids[anchor]] or [i for i in mine if i != anchor]
            one_pass += [anchor, *rng.choice(others, 3, replace=len(others) < 4).tolist()]
        while len(one_pass) >= batch:
            stream += one_pass[:batch]
            one_pass = one_pass[batch:]
    return stream[:num * batch]


@pytest.mark.parametrize('num_ids', [12, 150])  # the second has identities with one image
def test_stream_equals_a_plain_loop(num_ids):
    dataset = random_crops(300, num_ids)
    sampler = MultipleGallerySampler(dataset, 16, 4, num_iters=40, seed=0)
    stream = sampler.draw(np.random.default_rng(7)).ravel().tolist()
    assert stream == plain_passes(dataset, 16, 40, np.random.default_rng(7))


def test_singletons_shift_blocks_over_borders():
    dataset = LabeledCrops(np.repeat(range(30), [1, 4] * 15))
    batches = np.array([i for i, _ in pairs(MultipleGallerySampler(dataset, 16, 4, num_iters=4, seed=0))]).reshape(4, 16)
    counts = {count for batch in batches for count in np.unique(dataset.labels[batch], return_counts=True)[1]}
    assert counts - {1, 4}
