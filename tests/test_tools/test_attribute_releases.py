"""Oracles: files of a few images in the layouts of the releases, written by SciPy, and tables filled by hand."""

import numpy as np
import pytest
from scipy.io import savemat

from pedsearch.datasets.multimodal import AnnotationFile
from pedsearch.datasets.multimodal.attribute_schemas import PA100K, PETA, RAPV1, RAPV2

from .tool_files import load_tool


@pytest.fixture(scope='module')
def tool():
    return load_tool('dataset_converters/attribute_releases')


def cells(values) -> np.ndarray:
    """A cell array (n, 1)."""
    found = np.empty((len(values), 1), object)
    for index, value in enumerate(values):
        found[index, 0] = value
    return found


def table(rows: int, columns: int, seed: int = 0, codes: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, codes, (rows, columns)).astype(np.uint8)


def write_pa100k(path, **changes) -> np.ndarray:
    labels = table(6, 26)
    savemat(path, dict(
        attributes=cells(PA100K.names), train_images_name=cells(['000001.jpg', '000002.jpg', '000003.jpg']),
        val_images_name=cells(['000004.jpg']), test_images_name=cells(['000005.jpg', '000006.jpg']),
        train_label=labels[:3], val_label=labels[3:4], test_label=labels[4:]) | changes)
    return labels


PETA_ALL = [*PETA.names, *(f'upperBody{color}' for color in ('Black', 'White')), *(f'more{index}' for index in range(68))]
RAPV1_ALL = [*RAPV1.names, 'faceFront', 'up-Black', 'low-Blue']


def column(*rows: int) -> np.ndarray:
    return np.array(rows, np.uint16)[:, None]


def write_peta(path, data=None, partitions=None) -> np.ndarray:
    """Fields named a, b, c, ...: only their order counts."""
    values = table(8, 109, seed=1) if data is None else data
    values[:, :4] = 77
    partitions = partitions or [dict(x=column(5, 1, 3, 8), y=column(2), z=column(4, 6, 7)),
                                dict(x=column(1, 2, 3, 4), y=column(5), z=column(6, 7, 8))]
    savemat(path, dict(peta=dict(a=values, b=cells(PETA_ALL), c=np.arange(35), d=cells(partitions))))
    return values[:, 4:]


def write_rapv1(path, code: int | None = None) -> np.ndarray:
    values = table(5, 54, seed=2, codes=3)
    if code is not None:
        values[3, 53] = code
    savemat(path, dict(RAP_annotation=dict(
        partion=cells([dict(train=np.array([[5, 2, 1]]), test=np.array([[3, 4]]))] * 2), data=values,
        chinese=cells(['x'] * 54), english=cells(RAPV1_ALL), position=np.zeros((5, 16)),
        imagesname=cells([f'CAM01_{index}.png' for index in range(5)]), exp=cells(['x'] * 54))))
    return values


ORDER = np.random.default_rng(5).permutation(60)[:54]  # where the selected attributes are among all


def write_rapv2(path, **changes) -> np.ndarray:
    values = table(6, 60, seed=3, codes=3)
    names = np.array([f'other{index}' for index in range(60)], object)
    names[ORDER] = RAPV2.names
    split = dict(train_index=np.array([[6, 1]]), val_index=np.array([[2]]), test_index=np.array([[3, 4, 5]]))
    savemat(path, dict(RAP_annotation=dict(
        name=cells([f'{index}.png' for index in range(6)]), attribute=cells(list(names)), data=values,
        selected_attribute=ORDER[None] + 1, person_identity=np.arange(6),
        partition_attribute=cells([split] * 5).T) | changes))
    return values


def read(folder, name: str) -> dict[str, dict[str, list[int]]]:
    source = AnnotationFile(str(folder), name)
    return {split: {image.img_path: image.attrs[name] for image in source.read(split)} for split in source.splits()}


def coded(values) -> list[int]:
    """A 2 is unknown."""
    return [-1 if value == 2 else int(value) for value in values]


def test_pa100k(tool, tmp_path, capsys):
    labels = write_pa100k(tmp_path / 'annotation.mat')
    assert tool.main(['pa100k', str(tmp_path / 'annotation.mat'), '--out', str(tmp_path)]) == 0
    rows = {f'data/{index + 1:06d}.jpg': label.tolist() for index, label in enumerate(labels)}
    names = list(rows)
    assert read(tmp_path, 'pa100k') == dict(
        train={name: rows[name] for name in names[:3]}, val={names[3]: rows[names[3]]},
        test={name: rows[name] for name in names[4:]})
    source = AnnotationFile(str(tmp_path), 'pa100k')
    assert source.schema('pa100k') == PA100K
    assert [image.image_id for image in source.read('test')] == [4, 5]
    printed = capsys.readouterr().out
    assert 'note: val: 1 images, published are 10,000' in printed
    assert 'groups of the schema may not fit' not in printed


def test_peta_takes_the_first_partition_and_35_of_105(tool, tmp_path, capsys):
    values = write_peta(tmp_path / 'PETA.mat')
    assert tool.main(['peta', str(tmp_path / 'PETA.mat'), '--out', str(tmp_path)]) == 0
    found = read(tmp_path, 'peta')
    assert {split: list(images) for split, images in found.items()} == dict(
        train=[f'images/{number:05d}.png' for number in (1, 3, 5, 8)], val=['images/00002.png'],
        test=[f'images/{number:05d}.png' for number in (4, 6, 7)])
    assert found['test']['images/00006.png'] == values[5, :35].tolist()
    assert AnnotationFile(str(tmp_path), 'peta').schema('peta') == PETA
    assert tool.main(['peta', str(tmp_path / 'PETA.mat'), '--out', str(tmp_path), '--partition', '1', '--images', '']) == 0
    assert list(read(tmp_path, 'peta')['val']) == ['00005.png']
    assert 'note: train: 4 images, published are 9,500' in capsys.readouterr().out


def test_all_columns_of_peta_know_which_count(tool, tmp_path):
    values = write_peta(tmp_path / 'PETA.mat')
    assert tool.main(['peta', str(tmp_path / 'PETA.mat'), '--out', str(tmp_path), '--all-columns']) == 0
    schema = AnnotationFile(str(tmp_path), 'peta').schema('peta')
    assert schema.names == tuple(PETA_ALL)
    assert schema.eval_index == PETA.eval_index
    assert read(tmp_path, 'peta')['val']['images/00002.png'] == values[1].tolist()


def test_trainval(tool, tmp_path, capsys):
    write_peta(tmp_path / 'PETA.mat')
    assert tool.main(['peta', str(tmp_path / 'PETA.mat'), '--out', str(tmp_path), '--trainval']) == 0
    found = read(tmp_path, 'peta')
    assert {split: len(images) for split, images in found.items()} == dict(train=5, test=3)
    assert 'images/00002.png' in found['train']
    printed = capsys.readouterr().out
    assert 'train holds val, too: 5 images' in printed
    assert 'val: 1 images, 0 captions' in printed


def test_rapv1_uncertain_is_unknown(tool, tmp_path, capsys):
    values = write_rapv1(tmp_path / 'RAP_annotation.mat')
    assert tool.main(['rapv1', str(tmp_path / 'RAP_annotation.mat'), '--out', str(tmp_path)]) == 0
    found = read(tmp_path, 'rapv1')
    assert (values[:, :51] == 2).any()
    assert found == dict(
        train={f'RAP_dataset/CAM01_{row}.png': coded(values[row, :51]) for row in (0, 1, 4)},
        test={f'RAP_dataset/CAM01_{row}.png': coded(values[row, :51]) for row in (2, 3)})
    assert AnnotationFile(str(tmp_path), 'rapv1').schema('rapv1') == RAPV1
    assert 'note: test: 2 images, published are 8,317' in capsys.readouterr().out


def test_rapv2_selects_its_columns(tool, tmp_path):
    values = write_rapv2(tmp_path / 'RAP_annotation.mat')
    assert tool.main(['rapv2', str(tmp_path / 'RAP_annotation.mat'), '--out', str(tmp_path)]) == 0
    assert read(tmp_path, 'rapv2') == {
        split: {f'RAP_dataset/{row}.png': coded(values[row, ORDER]) for row in rows}
        for split, rows in dict(train=(0, 5), val=(1, ), test=(2, 3, 4)).items()}
    assert AnnotationFile(str(tmp_path), 'rapv2').schema('rapv2') == RAPV2
    assert tool.main(['rapv2', str(tmp_path / 'RAP_annotation.mat'), '--out', str(tmp_path), '--all-columns']) == 0
    schema = AnnotationFile(str(tmp_path), 'rapv2').schema('rapv2')
    assert len(schema.names) == 60
    assert [schema.names[place] for place in schema.eval_index] == [RAPV2.names[place] for place in RAPV2.eval_index]


def test_other_spellings_are_told(tool, tmp_path, capsys):
    write_pa100k(tmp_path / 'annotation.mat', attributes=cells([*PA100K.names[:-1], 'Boots']))
    assert tool.main(['pa100k', str(tmp_path / 'annotation.mat'), '--out', str(tmp_path)]) == 0
    assert "note: column 26 is 'Boots', expected 'boots'; the groups" in capsys.readouterr().out
    assert AnnotationFile(str(tmp_path), 'pa100k').schema('pa100k').names[-1] == 'Boots'


def wrong_codes(path) -> None:
    data = table(8, 109)
    data[6, 4 + 3] = 2
    write_peta(path, data)


@pytest.mark.parametrize(('name', 'write', 'arguments', 'message'), [
    ('pa100k', lambda path: path.write_text('x' * 200), [], 'must be a MATLAB 5 file, got'),
    ('pa100k', lambda path: None, [], 'does not exist; give the .mat file of the release'),
    ('pa100k', lambda path: write_rapv1(path), [], 'must hold attributes, train_images_name'),
    ('pa100k', lambda path: write_pa100k(path, val_label=table(2, 26)), [],
     'must have a value for each of 6 images and 26 attributes, got (7, 26)'),
    ('pa100k', lambda path: write_pa100k(path), ['--partition', '1'], 'pa100k has one partition, got --partition 1'),
    ('peta', lambda path: write_peta(path), ['--partition', '2'], '--partition must be from 0 to 1, got 2; papers use 0'),
    ('peta', lambda path: savemat(path, dict(peta=dict(a=1, b=2))), [], 'a structure of 4 fields or more, got a, b'),
    ('peta', lambda path: savemat(path, dict(peta=3)), [], 'a structure of 4 fields or more, got none'),
    ('peta', wrong_codes, [], 'attribute personalLarger60 must be 0 or 1, got 2 for image 7'),
    ('peta', lambda path: write_peta(path, partitions=[dict(x=column(0, 1), y=column(2), z=column(3))] * 2), [],
     'got rows from 0 to 3 and 0 of them again'),
    ('peta', lambda path: write_peta(path, partitions=[dict(x=column(1, 2), y=column(2), z=column(3))] * 2), [],
     'got rows from 1 to 3 and 1 of them again'),
    ('peta', lambda path: write_peta(path, partitions=[dict(x=column(1), y=column(2), z=column(9))] * 2), [],
     'got rows from 1 to 9 and 0 of them again'),
    ('rapv1', lambda path: write_rapv1(path, code=3), ['--all-columns'],
     'attribute low-Blue must be 0, 1 or 2, got 3 for image 4'),
    ('rapv2', lambda path: write_rapv1(path), [], 'RAP_annotation must have name, got partion, data, chinese'),
    ('rapv2', lambda path: write_rapv2(path, selected_attribute=np.array([[1, 2]])), [],
     'must have the 54 evaluated attributes of rapv2, got 2 of 60'),
    ('rapv2', lambda path: write_rapv2(path, partition_attribute=cells([dict(a=1, b=2, c=3)])), [],
     'must have images of each of train, val, test, got 0, 0, 0')])
def test_other_files_are_errors(tool, tmp_path, capsys, name, write, arguments, message):
    write(tmp_path / 'x.mat')
    assert tool.main([name, str(tmp_path / 'x.mat'), '--out', str(tmp_path / 'out'), *arguments]) == 1
    told = capsys.readouterr().err
    assert message in told
    assert told.count('\n') == 1
    assert not (tmp_path / 'out').exists()
