from collections import Counter

import numpy as np
import pytest

from pedsearch.datasets.samplers import PKSampler

from .labeled_crops import LabeledCrops, pairs, random_crops


def batches_of(dataset: LabeledCrops, batch: int, num_instances: int, num_iters: int) -> np.ndarray:
    sampler = PKSampler(dataset, batch, num_instances, num_iters=num_iters, seed=0)
    return np.array([i for i, _ in pairs(sampler)]).reshape(num_iters, -1, num_instances)


def plain_passes(dataset: LabeledCrops, batch: int, size: int, num: int, rng: np.random.Generator) -> list[list[int]]:
    """The batches written out with one list of chunks for each identity."""
    batches: list[list[int]] = []
    while len(batches) < num:
        chunks: dict[int, list[list[int]]] = {}
        for label in sorted(set(dataset.labels.tolist()) - {-1}):
            images = [i for i, other in enumerate(dataset.labels) if other == label]
            if len(images) < size:
                chunks[label] = [rng.choice(images, size).tolist()]
            else:
                order = rng.permutation(images).tolist()
                chunks[label] = [order[start:start + size] for start in range(0, len(order) - size + 1, size)]
        while len(having := [label for label in chunks if chunks[label]]) >= batch // size:
            chosen = rng.choice(having, batch // size, replace=False).tolist()
            batches.append(sum((chunks[label].pop() for label in chosen), []))
    return batches[:num]


@pytest.mark.parametrize(('num', 'num_ids'), [(300, 12), (300, 90)])  # the second has identities with 1...3 images
def test_stream_equals_a_plain_loop(num, num_ids):
    dataset = random_crops(num, num_ids)
    sampler = PKSampler(dataset, 16, 4, num_iters=50, seed=0)
    batches = sampler.draw(np.random.default_rng(7))
    assert batches.tolist() == plain_passes(dataset, 16, 4, 50, np.random.default_rng(7))


def test_batches_are_p_identities_with_k_images():
    dataset = random_crops(400, 25)
    for blocks in batches_of(dataset, 32, 4, 60):
        labels = dataset.labels[blocks]
        assert (labels == labels[:, :1]).all()
        assert len(set(labels[:, 0])) == 8
        assert len(set(blocks.ravel())) == 32  # every identity has four images or more


def test_a_pass_uses_every_chunk_once():
    dataset = LabeledCrops(np.repeat(range(4), 11))  # 5 chunks of 2 each, one image left over
    passes = batches_of(dataset, 8, 2, 15).reshape(3, -1)  # 4 identities, 4 a batch: 5 batches a pass
    for indices in passes:
        assert max(Counter(indices.tolist()).values()) == 1
        assert Counter(dataset.labels[indices].tolist()) == dict.fromkeys(range(4), 10)
    assert {i for indices in passes for i in indices.tolist()} == set(range(44))  # another image is left over


def test_identities_with_many_images_end_the_pass():
    dataset = LabeledCrops(np.repeat(range(6), [20, 20, 4, 4, 4, 4]))
    for indices in batches_of(dataset, 8, 4, 7 * 20).reshape(-1, 2, 4):
        assert len(set(dataset.labels[indices[:, 0]])) == 2
    # 5 + 5 + 4 chunks, two identities a batch: no pass is longer than 7 batches
    counts = Counter(dataset.labels[batches_of(dataset, 8, 4, 400)[:, :, 0].ravel()].tolist())
    assert counts[0] + counts[1] > counts[2] + counts[3] + counts[4] + counts[5]


def test_few_images_are_drawn_with_replacement():
    dataset = LabeledCrops([0, 0, 0] + [1] * 8)
    blocks = batches_of(dataset, 8, 4, 2000).reshape(-1, 4)
    few = blocks[dataset.labels[blocks[:, 0]] == 0]
    distinct = Counter(len(set(block)) for block in few.tolist())
    # 4 draws of 3: all the same 3/81, two kinds 42/81, three kinds 36/81
    assert {n: count / len(few) for n, count in distinct.items()} == pytest.approx({1: 3 / 81, 2: 42 / 81, 3: 36 / 81}, abs=.035)


def test_identities_are_drawn_uniformly():
    dataset = LabeledCrops(np.repeat(range(5), 4))
    counts = Counter(dataset.labels[batches_of(dataset, 8, 4, 4000)[:, :, 0].ravel()].tolist())
    assert {label: count / 8000 for label, count in counts.items()} == pytest.approx(dict.fromkeys(range(5), .2), abs=.02)
