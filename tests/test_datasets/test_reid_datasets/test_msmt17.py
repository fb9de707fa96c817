import pytest

from pedsearch.datasets import MSMT17Dataset

from .crop_files import tell, write_msmt17

V1, V2 = ('train', 'test'), ('mask_train_v2', 'mask_test_v2')


@pytest.mark.parametrize(('release', 'folders', 'version'), [
    ('', V1, 'auto'), ('', V1, 'v1'), ('MSMT17_V1/', V1, 'auto'), ('', V2, 'v2'), ('MSMT17_V2/', V2, 'auto')])
def test_samples(tmp_path, release, folders, version):
    write_msmt17(tmp_path / release, *folders)
    train_folder, test_folder = (release + folder for folder in folders)
    merged = [(f'{train_folder}/0000/0000_001_02_0113noon_0008_1.jpg', 0, 1),
              (f'{train_folder}/0000/0000_004_01_0303morning_0020_0_ex.jpg', 0, 0),
              (f'{train_folder}/0001/0001_000_15_0303morning_0015_0.jpg', 1, 14)]
    assert tell(MSMT17Dataset(str(tmp_path), version=version)) == merged
    assert tell(MSMT17Dataset(str(tmp_path), version=version, merge_val=False)) == merged[1:]
    test = MSMT17Dataset(str(tmp_path), 'test', version=version)
    assert tell(test) == [(f'{test_folder}/0000/0000_000_03_0303morning_0008_0.jpg', 0, 2),
                          (f'{test_folder}/0000/0000_001_11_0114noon_0008_0.jpg', 0, 10),
                          (f'{test_folder}/0002/0002_000_12_0303morning_0008_0.jpg', 2, 11)]
    assert [test.get_data_info(index)['is_query'] for index in range(3)] == [True, False, False]


def test_both_versions(tmp_path):
    write_msmt17(tmp_path / 'MSMT17_V1', *V1)
    write_msmt17(tmp_path / 'MSMT17_V2', *V2)
    with pytest.raises(ValueError, match=r"contains both versions of MSMT17; pass version='v1' or version='v2'"):
        MSMT17Dataset(str(tmp_path))
    assert tell(MSMT17Dataset(str(tmp_path), version='v2'))[0][0].startswith('MSMT17_V2/mask_train_v2/0000/')


def test_neither_version(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'must contain list_query\.txt, list_gallery\.txt, test \(also accepted '
                       r'below MSMT17_V1\).*; or .*mask_test_v2 \(also accepted below MSMT17_V2\)'):
        MSMT17Dataset(str(tmp_path), 'test')
    with pytest.raises(ValueError, match="version must be 'auto', 'v1' or 'v2', got 'v3'"):
        MSMT17Dataset(str(tmp_path), version='v3')


@pytest.mark.parametrize('line', ['0000/0000_001_02_0113noon_0008_1.jpg', '0000/0000.jpg 0', '0000/0000_1_x_n.jpg 0',
                                  '0000/0000_001_02_0113noon_0008_1.jpg zero'])
def test_malformed_line(tmp_path, line):
    write_msmt17(tmp_path)
    with open(tmp_path / 'list_train.txt', 'a') as file:
        file.write(f'\n{line}\n')
    with pytest.raises(ValueError, match=rf'list_train\.txt, line 4 must read "PPPP.* identity", got {line!r}'):
        MSMT17Dataset(str(tmp_path))


def test_missing_image(tmp_path):
    write_msmt17(tmp_path)
    (tmp_path / 'train/0001/0001_000_15_0303morning_0015_0.jpg').unlink()
    with pytest.raises(FileNotFoundError, match=r'1 of 3 images are missing in .*, first: train/0001/0001_000_15_0303'):
        MSMT17Dataset(str(tmp_path))
    assert len(MSMT17Dataset(str(tmp_path), check_files=False)) == 3
