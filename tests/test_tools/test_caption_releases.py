"""Oracles: files of a few people in the layouts of the releases, written by hand."""

import json

import pytest

from pedsearch.datasets.multimodal import AnnotationFile

from .tool_files import load_tool


@pytest.fixture(scope='module')
def tool():
    return load_tool('dataset_converters/caption_releases')


def write(path, rows) -> None:
    path.write_text(json.dumps(rows))


def row(split: str, person: int, path: str, *captions: str, field: str = 'file_path') -> dict:
    return {'split': split, 'id': person, field: path, 'captions': list(captions)}


CUHK = [
    dict(row('train', 1, 'cam_a/1.png', 'A man.', 'He walks.'), processed_tokens=[['a', 'man']]),
    row('test', 12004, 'CUHK03/2.png', 'A woman.', 'a woman', 'A WOMAN.'),  # not two captions
    row('train', 2, 'test_query/3.jpg', 'A boy.'),  # of another data set's test
    row('val', 2, 'cam_b/4.png', 'A girl.', ' '), row('train', 1, 'cam_a/5.png', 'A man.')]


def test_cuhk_pedes(tool, tmp_path, capsys):
    write(tmp_path / 'reid_raw.json', CUHK)
    assert tool.main(['cuhk-pedes', str(tmp_path), '--out', str(tmp_path / 'out')]) == 0
    source = AnnotationFile(str(tmp_path / 'out'), 'cuhk-pedes')
    found = {split: [(image.image_id, image.img_path, image.pid, [caption.text for caption in image.captions])
                     for image in source.read(split)] for split in source.splits()}
    assert found == dict(
        train=[(0, 'imgs/cam_a/1.png', 0, ['A man.', 'He walks.']), (2, 'imgs/test_query/3.jpg', 1, ['A boy.']),
               (4, 'imgs/cam_a/5.png', 0, ['A man.'])],
        val=[(3, 'imgs/cam_b/4.png', 2, ['A girl.'])],
        test=[(1, 'imgs/CUHK03/2.png', 12004, ['A woman.', 'a woman', 'A WOMAN.'])])
    test, = source.read('test')
    assert len({caption.group for caption in test.captions}) == 1
    assert {caption.source for caption in test.captions} == {'human'}
    printed = capsys.readouterr().out
    assert 'train: 3 images, 4 captions, 2 identities' in printed
    assert 'note: train: 4 captions, published are 68,126' in printed
    assert 'note: test: 1 images, published are 3,074' in printed
    assert 'note: 1 blank captions left out' in printed


@pytest.mark.parametrize('name', ['ICFG-PEDES.json', 'ICFG_PEDES.json'])
def test_icfg_pedes_splits_are_not_its_folders(tool, tmp_path, name):
    write(tmp_path / name, [row('train', 0, 'test/0001/a.jpg', 'A man.'), row('test', 0, 'train/0002/b.jpg', 'A boy.'),
                            row('train', 1, 'train/0003/c.jpg', 'A girl.')])
    assert tool.main(['icfg-pedes', str(tmp_path), '--out', str(tmp_path), '--images', '']) == 0
    source = AnnotationFile(str(tmp_path), 'icfg-pedes')
    assert source.splits() == ['train', 'test']
    assert [(image.img_path, image.pid) for image in source.read('train')] == [
        ('test/0001/a.jpg', 0), ('train/0003/c.jpg', 1)]
    assert [(image.img_path, image.pid) for image in source.read('test')] == [('train/0002/b.jpg', 0)]


def test_rstpreid_names_its_pictures_otherwise(tool, tmp_path, capsys):
    write(tmp_path / 'data_captions.json', [row('train', 0, '0_c1.jpg', 'A man.', 'He.', field='img_path'),
                                            row('val', 3701, '1_c2.jpg', 'A boy.', 'He.', field='img_path')])
    assert tool.main(['rstpreid', str(tmp_path), '--out', str(tmp_path)]) == 0
    image, = AnnotationFile(str(tmp_path), 'rstpreid').read('val')
    assert (image.img_path, image.pid) == ('imgs/1_c2.jpg', 3701)
    write(tmp_path / 'data_captions.json', [row('train', 0, '0_c1.jpg', 'A man.')])
    assert tool.main(['rstpreid', str(tmp_path), '--out', str(tmp_path / 'no')]) == 1
    assert 'entry 1 must have split, img_path, id, captions, got split, id, file_path, captions' in capsys.readouterr().err
    assert not (tmp_path / 'no').exists()


def test_ufine6926_is_told_its_file(tool, tmp_path, capsys):
    write(tmp_path / 'x.json', [row('train', 9, '1.jpg', 'A man.', 'He.'), row('train', 4, '2.jpg', 'A boy.', 'He.')])
    assert tool.main(['ufine6926', str(tmp_path), '--out', str(tmp_path)]) == 1
    assert 'ufine6926 needs --annotations FILE, got none' in capsys.readouterr().err
    assert tool.main(['ufine6926', str(tmp_path), '--annotations', str(tmp_path / 'x.json'), '--out', str(tmp_path)]) == 0
    assert [image.pid for image in AnnotationFile(str(tmp_path), 'ufine6926').read('train')] == [1, 0]
    assert 'note: all: 2 images, published are 26,206' in capsys.readouterr().out


@pytest.mark.parametrize(('change', 'message'), [
    (dict(id=0), 'training identities of cuhk-pedes must run from 1 without a gap, got 3 between 0 and 2'),
    (dict(id='7'), "identities of cuhk-pedes must be integers, got '7'"),
    (dict(split='dev'), "entry 5: split must be one of train, val, test, got 'dev'; take the file of the release"),
    (dict(captions='A man.'), "entry 5: captions must be a list of texts, got 'A man.'"),
    (dict(file_path=3), 'entry 5: the path of an image must be text, got 3'),
    (dict(file_path='../x.jpg'), "img_path must be a path below the folder of the images, got 'imgs/../x.jpg'")])
def test_a_broken_entry_is_named_and_nothing_is_written(tool, tmp_path, capsys, change, message):
    write(tmp_path / 'reid_raw.json', [*CUHK[:-1], CUHK[-1] | change])
    assert tool.main(['cuhk-pedes', str(tmp_path), '--out', str(tmp_path / 'out')]) == 1
    told = capsys.readouterr().err
    assert message in told
    assert told.count('\n') == 1
    assert not (tmp_path / 'out').exists() or not list((tmp_path / 'out').iterdir())


def test_gaps_may_be_allowed(tool, tmp_path):
    write(tmp_path / 'reid_raw.json', [CUHK[0], CUHK[2] | dict(id=9)])
    assert tool.main(['cuhk-pedes', str(tmp_path), '--out', str(tmp_path)]) == 1
    assert tool.main(['cuhk-pedes', str(tmp_path), '--out', str(tmp_path), '--renumber']) == 0
    assert [image.pid for image in AnnotationFile(str(tmp_path), 'cuhk-pedes').read('train')] == [0, 1]
