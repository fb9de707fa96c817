import pytest

from pedsearch.datasets import DukeMTMCDataset

from .crop_files import DUKE, tell, write_named, write_pictures


@pytest.mark.parametrize('release', ['', 'DukeMTMC-reID/'])
def test_samples(tmp_path, release):
    write_named(tmp_path / release, DUKE)
    assert tell(DukeMTMCDataset(str(tmp_path))) == [
        (f'{release}bounding_box_train/0001_c8_f0046182.jpg', 0, 7),
        (f'{release}bounding_box_train/0005_c2_f0046985.jpg', 1, 1)]
    test = DukeMTMCDataset(str(tmp_path), 'test')
    assert tell(test) == [
        (f'{release}query/0005_c1_f0046985.jpg', 5, 0), (f'{release}bounding_box_test/0005_c8_f0051341.jpg', 5, 7),
        (f'{release}bounding_box_test/7139_c1_f0051341.jpg', 7139, 0)]
    assert test.num_ids == 1


def test_names_of_another_release(tmp_path):
    write_named(tmp_path, DUKE)
    write_pictures(tmp_path / 'query', ['0001_c1s1_001051_00.jpg'])
    with pytest.raises(ValueError, match=r'images in query must be named PPPP_cC_fFFFFFFF\.jpg, got 1 of 2'):
        DukeMTMCDataset(str(tmp_path), 'test')


def test_withdrawal_is_told():
    assert 'authors withdrew' in DukeMTMCDataset.__doc__
