import pytest
from mmengine.dataset import Compose

from pedsearch.datasets import LoadImage
from pedsearch.datasets.split_dataset import SplitDataset, build_steps, list_files, run_pipeline


class EmptySplit(SplitDataset):
    """A split without samples, to be asked to check names."""

    def load_data_list(self) -> list[dict]:
        return []


@pytest.fixture
def split(tmp_path) -> EmptySplit:
    return EmptySplit(str(tmp_path), 'test', serialize_data=False, lazy_init=True)


def test_files_of_the_mentioned_folders(tmp_path):
    for name in ('a/1', 'a/2', 'b/1', '3'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list_files(str(tmp_path), ['a/1', 'a/9', 'c/1']) == {'a/1', 'a/2'}
    assert list_files(str(tmp_path), ['3']) == {'3', 'a', 'b'}


def test_steps_are_built_once():
    step = LoadImage()
    built = build_steps([step, dict(type='LoadImage', to_float32=True)])
    assert built[0] is step
    assert isinstance(built[1], LoadImage)
    assert built[1].to_float32


def test_rejected_sample():
    with pytest.raises(ValueError, match=r'the pipeline returned None for a\.jpg; remove the transform that rejects images'):
        run_pipeline(Compose([lambda info: None]), dict(img_path='a.jpg'), seed=None)


def test_names(split, tmp_path):
    (tmp_path / '1.jpg').touch()
    split.check_images(['1.jpg'], str(tmp_path))
    with pytest.raises(ValueError, match='EmptySplit found no test image under'):
        split.check_images([], str(tmp_path))
    with pytest.raises(ValueError, match='found no query image under'):
        split.check_images([], str(tmp_path), 'query')
    with pytest.raises(ValueError, match=r'every image must be listed once, got 1\.jpg repeated in the test split'):
        split.check_images(['1.jpg', '1.jpg'], str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r'1 of 2 images are missing in .*, first: 2\.jpg; complete the copy'):
        split.check_images(['2.jpg', '1.jpg'], str(tmp_path))
    with pytest.raises(FileNotFoundError, match='image folder .*gone does not exist'):
        split.check_images(['1.jpg'], str(tmp_path / 'gone'))
    split.check_files = False
    split.check_images(['2.jpg'], str(tmp_path / 'gone'))


def test_another_pipeline_for_the_same_samples(tmp_path):
    class Numbers(EmptySplit):

        def load_data_list(self) -> list[dict]:
            return [dict(img_path='a', number=number) for number in range(3)]

    dataset = Numbers(str(tmp_path), pipeline=[lambda info: info['number']], lazy_init=True)
    view = dataset.with_pipeline([lambda info: -info['number']])
    assert [list(dataset), list(view)] == [[0, 1, 2], [0, -1, -2]]
    assert view.data_bytes is dataset.data_bytes
