import pytest
import torch
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from pedsearch.datasets import EpochSampler, SearchSceneDataset
from pedsearch.datasets.search_datasets.scene_file import write_scenes

AUGMENT = [
    dict(type='LoadImage'),
    dict(type='LoadSearchAnnotations'),
    dict(type='mmdet.RandomChoiceResize', scales=[(64, 48), (80, 60), (96, 72)], resize_type='mmdet.Resize', keep_ratio=True),
    dict(type='mmdet.RandomFlip', prob=0.5),
    dict(type='PackSearchInputs')
]


def sampler_of(monkeypatch, rank: int, world_size: int, size: int, **kwargs) -> EpochSampler:
    monkeypatch.setattr('pedsearch.datasets.samplers.resumable_sampler.get_dist_info', lambda: (rank, world_size))
    return EpochSampler(range(size), seed=3, **kwargs)


@pytest.mark.parametrize('drop_last', [False, True])
@pytest.mark.parametrize('size', [1, 5, 8, 23])
def test_processes_share_the_batches_of_one_process(monkeypatch, size, drop_last):
    options = dict(global_batch_size=4, drop_last=drop_last)
    alone = [(int(i), i.seed) for i in sampler_of(monkeypatch, 0, 1, size, **options)]
    assert len(alone) == (size // 4 * 4 if drop_last else -(-size // 4) * 4)
    assert len(set(alone[:size])) == min(size, len(alone))
    for world_size in (2, 4):
        ranks = [sampler_of(monkeypatch, rank, world_size, size, **options) for rank in range(world_size)]
        assert {len(sampler) for sampler in ranks} == {len(alone) // world_size}
        together = [(int(i), i.seed) for row in zip(*ranks) for i in row]
        assert together == alone


def test_contiguous_parts_of_the_batches_of_one_process(monkeypatch):
    alone = list(sampler_of(monkeypatch, 0, 1, 23, global_batch_size=6))
    for world_size in (2, 3):
        ranks = [sampler_of(monkeypatch, rank, world_size, 23, global_batch_size=6, contiguous=True)
                 for rank in range(world_size)]
        share, parts = 6 // world_size, [list(sampler) for sampler in ranks]
        assert [index for start in range(0, len(parts[0]), share) for part in parts
                for index in part[start:start + share]] == alone
        ranks[1].set_start(share)
        assert list(ranks[1]) == parts[1][share:]


def test_without_group_the_ranks_stay_equally_long(monkeypatch):
    ranks = [list(sampler_of(monkeypatch, rank, 3, 7)) for rank in range(3)]
    assert [len(rank) for rank in ranks] == [3, 3, 3]
    assert sorted(set(sum(ranks, []))) == list(range(7))
    assert list(sampler_of(monkeypatch, 1, 3, 7, shuffle=False)) == [1, 4, 0]


def test_epochs_differ_and_repeat(monkeypatch):
    sampler = sampler_of(monkeypatch, 0, 1, 50)
    orders = []
    for epoch in (0, 1, 0):
        sampler.set_epoch(epoch)
        orders.append([(int(i), i.seed) for i in sampler])
    assert orders[0] == orders[2] != orders[1]
    assert not {seed for _, seed in orders[0]} & {seed for _, seed in orders[1]}


def test_start_in_mid_epoch_counts_once(monkeypatch):
    sampler = sampler_of(monkeypatch, 1, 2, 20)
    sampler.set_epoch(4)
    whole = list(sampler)
    sampler.set_start(6)
    sampler.set_epoch(4)  # mmengine's seed hook comes after
    assert len(sampler) == 10
    assert list(sampler) == whole[6:]
    assert list(sampler) == whole


def test_bad_arguments(monkeypatch):
    with pytest.raises(ValueError, match='positive multiple of the 2 processes, got 5'):
        sampler_of(monkeypatch, 0, 2, 9, global_batch_size=5)
    with pytest.raises(ValueError, match='at least one sample, got an empty one'):
        sampler_of(monkeypatch, 0, 1, 0)
    with pytest.raises(ValueError, match='between 0 and the 9 samples of an epoch, got 10'):
        sampler_of(monkeypatch, 0, 1, 9).set_start(10)


@pytest.fixture
def scenes(tmp_path, releases) -> SearchSceneDataset:
    images = [dict(id=i, file_name=f'{i}.jpg', width=64, height=48) for i in range(10)]
    for image in images:
        releases.write_image(str(tmp_path / 'images' / image['file_name']), 64, 48)
    write_scenes(str(tmp_path), 'train', images, [dict(image_id=i, bbox=[i, 5, 10, 20], person_id=i) for i in range(10)])
    return SearchSceneDataset(str(tmp_path), pipeline=AUGMENT)


def batches(monkeypatch, dataset, num_workers=0, rank=0, world_size=1, start=0) -> list:
    monkeypatch.setattr('pedsearch.datasets.samplers.resumable_sampler.get_dist_info', lambda: (rank, world_size))
    sampler = EpochSampler(dataset, seed=0, global_batch_size=4)
    sampler.set_epoch(2)
    sampler.set_start(start)
    loader = DataLoader(dataset, 4 // world_size, sampler=sampler, num_workers=num_workers, collate_fn=pseudo_collate)
    torch.manual_seed(torch.seed() % 2**31)  # the generators of the process must not matter
    return [(image, sample.gt_instances.bboxes, sample.gt_instances.seed, sample.flip) for batch in loader
            for image, sample in zip(batch['inputs'], batch['data_samples'])]


def same(left: list, right: list) -> bool:
    return len(left) == len(right) and all(
        torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) and a[2:] == b[2:] for a, b in zip(left, right))


def test_pictures_do_not_depend_on_workers_processes_or_restarts(monkeypatch, scenes):
    reference = batches(monkeypatch, scenes)
    assert len({image.shape for image, *_ in reference}) > 1
    assert len({flip for *_, flip in reference}) == 2
    assert same(batches(monkeypatch, scenes), reference)
    assert same(batches(monkeypatch, scenes, num_workers=2), reference)
    assert same(batches(monkeypatch, scenes, num_workers=2, start=4), reference[4:])
    ranks = [batches(monkeypatch, scenes, rank=rank, world_size=2) for rank in range(2)]
    assert same([sample for pair in zip(*ranks) for sample in pair], reference)


def test_epoch_of_prw_at_batch_four(monkeypatch):
    # dicl.md O-28
    sampler = sampler_of(monkeypatch, 0, 1, 5704)
    assert len(DataLoader(sampler.dataset, batch_size=4, sampler=sampler)) == 1426
