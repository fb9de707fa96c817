import numpy as np
import pytest

from pedsearch.datasets import CropDataset, CrossDomainDataset
from pedsearch.datasets.seeding import SeededIndex
from pedsearch.registry import DATASETS

from .crop_files import write_pictures

SOURCE = ['train/anna/1_c2.jpg', 'train/anna/2_c3.jpg', 'train/ben/1_c2.jpg']
TARGET = ['x_c9.jpg', 'y_c8.jpg']


@pytest.fixture
def parts(tmp_path) -> dict[str, dict]:
    """The configs of source and target; their pipelines tell who ran."""
    write_pictures(tmp_path / 's', SOURCE)
    write_pictures(tmp_path / 't', TARGET)
    config = dict(type='CropDataset', camera_pattern=r'_c(\d)')
    return {
        name: dict(config, data_root=str(tmp_path / name[0]),
                   pipeline=[lambda info, name=name: dict(info, ran=name, drawn=np.random.rand())])
        for name in ('source', 'target')
    }


def test_samples_and_labels(parts):
    dataset = DATASETS.build(dict(type='CrossDomainDataset', **parts))
    assert (len(dataset), dataset.source_size, dataset.num_source_ids) == (5, 3, 2)
    assert dataset.pids.tolist() == dataset.labels.tolist() == [0, 0, 1, -1, -1]
    assert dataset.camids.tolist() == [2, 3, 2, 9, 8]
    dataset.set_pseudo_labels([1, 0])
    assert dataset.labels.tolist() == [0, 0, 1, 1, 0]
    assert dataset.source.labels.tolist() == [0, 0, 1]
    assert dataset.target.labels.tolist() == [1, 0]
    samples = [dataset[index] for index in range(5)]
    assert [sample['sample_idx'] for sample in samples] == [0, 1, 2, 3, 4]
    assert [sample['domain'] for sample in samples] == [0, 0, 0, 1, 1]
    assert [sample['label'] for sample in samples] == [0, 0, 1, 1, 0]
    assert [sample['ran'] for sample in samples] == ['source'] * 3 + ['target'] * 2
    assert [sample['img_path'].rpartition('/')[2] for sample in samples] == [
        '1_c2.jpg', '2_c3.jpg', '1_c2.jpg', 'x_c9.jpg', 'y_c8.jpg']
    assert dataset[-1]['sample_idx'] == 4
    assert dataset.metainfo['classes'] == ('person', )


def test_source_labels_are_never_set(parts):
    dataset = CrossDomainDataset(**parts)
    with pytest.raises(ValueError, match=r'labels must have shape \(2,\), one per training image, got \(5,\)'):
        dataset.set_pseudo_labels([0] * 5)


def test_seed_of_a_sample(parts):
    dataset = CrossDomainDataset(**parts)
    for index in (1, 4):
        assert dataset[SeededIndex(index, 7)]['seed'] == 7
        assert dataset[SeededIndex(index, 7)]['drawn'] == dataset[SeededIndex(0, 7)]['drawn'] != dataset[
            SeededIndex(index, 8)]['drawn']


def test_another_pipeline(parts):
    dataset = CrossDomainDataset(**parts, lazy_init=True)
    view = dataset.with_pipeline([dict(type='LoadImage'), dict(type='PackReIDInputs')])
    dataset.set_pseudo_labels([5, 6])
    samples = [view[index]['data_samples'] for index in range(5)]
    assert [(sample.sample_idx, sample.domain, sample.label) for sample in samples] == [
        (0, 0, 0), (1, 0, 0), (2, 0, 1), (3, 1, 5), (4, 1, 6)]
    assert dataset[3]['ran'] == 'target'


def test_source_must_be_labelled(parts):
    with pytest.raises(ValueError, match='every source image must have an identity, got 2 of 2 without; give a labelled'):
        CrossDomainDataset(source=parts['target'], target=parts['source'])


def test_parts_that_are_none(parts, tmp_path):
    write_pictures(tmp_path / 's', ['query/a/1_c1.jpg', 'gallery/a/2_c2.jpg'])
    with pytest.raises(ValueError, match="target must be a re-identification dataset with split='train', got CropDataset "
                       "with split='test'"):
        CrossDomainDataset(source=CropDataset(**{k: v for k, v in parts['source'].items() if k != 'type'}),
                           target=dict(parts['source'], split='test'))
