"""Oracles: the sentences themselves, and everything else as it was."""

import json

import pytest

from pedsearch.datasets.multimodal import (
    AnnotationFile,
    AttributeSchema,
    Caption,
    DescribedImage,
    template_captions,
    write_annotations,
)

from .tool_files import load_tool

NAMES = ('female', 'hat', 'upper_red', 'lower_blue')
LOOK = AttributeSchema(NAMES, dict(colour=['upper_red', 'lower_blue']), eval_index=(1, 0))
IMAGES = [
    DescribedImage(4, 'a.jpg', 'train', 0, 2, (), dict(look=[1, 1, 1, 0]), dict(look=[.9, .8, .7, .1]), dict(track=3)),
    DescribedImage(5, 'b.jpg', 'train', 1, captions=(Caption('A man.', 'human'), ), attrs=dict(look=[0, 1, 1, 1])),
    DescribedImage(6, 'c.jpg', 'train', 1, attrs=dict(look=[-1, 0, -1, -1])), DescribedImage(7, 'd.jpg', 'train'),
    DescribedImage(4, 'e.jpg', 'test', attrs=dict(look=[1, 1, 1, 0]))]


@pytest.fixture(scope='module')
def tool():
    return load_tool('dataset_converters/write_captions')


@pytest.fixture
def folder(tmp_path):
    write_annotations(str(tmp_path), 'toy', IMAGES, dict(look=LOOK), license='own')
    return tmp_path


def texts(folder) -> dict[str, list[str]]:
    source = AnnotationFile(str(folder), 'toy')
    return {image.img_path: [caption.text for caption in image.captions]
            for split in source.splits() for image in source.read(split)}


def test_images_without_captions_get_some(tool, folder, capsys):
    before = {path.name: path.read_bytes() for path in folder.glob('toy.*')}
    assert tool.main([str(folder), 'toy', '--out', str(folder / 'out'), '--captions', '3', '--seed', '8']) == 0
    found = texts(folder / 'out')
    assert found['a.jpg'] == [caption.text for caption in template_captions(NAMES, [1, 1, 1, 0], 3, (8, 0, 4))]
    assert found['e.jpg'] == [caption.text for caption in template_captions(NAMES, [1, 1, 1, 0], 3, (8, 2, 4))]
    assert found['a.jpg'] != found['e.jpg']
    assert (found['b.jpg'], found['c.jpg'], found['d.jpg']) == (['A man.'], [], [])
    source = AnnotationFile(str(folder / 'out'), 'toy')
    assert (source.schema('look'), source.meta['license']) == (LOOK, 'own')
    for image, old in zip(source.read('train'), AnnotationFile(str(folder), 'toy').read('train')):
        assert {**vars(image), 'captions': None} == {**vars(old), 'captions': None}
        assert image.captions == old.captions or {caption.source for caption in image.captions} == {'template'}
    assert {path.name: path.read_bytes() for path in folder.glob('toy.*')} == before
    assert '2 have none: nothing is known' in capsys.readouterr().out


def test_in_place_and_by_seed(tool, folder):
    assert tool.main([str(folder), 'toy', '--out', str(folder / 'out')]) == 0
    assert tool.main([str(folder), 'toy', '--out', str(folder / 'other'), '--seed', '1']) == 0
    assert texts(folder / 'out') != texts(folder / 'other')
    assert tool.main([str(folder), 'toy', '--out', str(folder)]) == 0
    for name in ('toy.train.jsonl', 'toy.test.jsonl', 'toy.meta.json'):
        assert (folder / name).read_bytes() == (folder / 'out' / name).read_bytes()


def test_other_images_change_nothing(tool, folder, tmp_path):
    assert tool.main([str(folder), 'toy', '--out', str(folder / 'out')]) == 0
    write_annotations(str(tmp_path / 'fewer'), 'toy', [IMAGES[4], IMAGES[0]], dict(look=LOOK))
    assert tool.main([str(tmp_path / 'fewer'), 'toy', '--out', str(tmp_path / 'fewer')]) == 0
    fewer, all_of_them = texts(tmp_path / 'fewer'), texts(folder / 'out')
    assert fewer == {name: all_of_them[name] for name in fewer}


def test_which_attributes_must_be_clear(tool, tmp_path, capsys):
    def run(*arguments: str) -> str:
        assert tool.main([str(tmp_path), 'toy', '--out', str(tmp_path / 'out'), *arguments]) == 1
        return capsys.readouterr().err

    assert 'toy.meta.json does not exist' in run()
    write_annotations(str(tmp_path), 'toy', [DescribedImage(0, 'a.jpg', 'train')])
    assert 'toy must have attributes to make captions of, got none; tools/annotate_crops.py' in run()
    write_annotations(str(tmp_path), 'toy', IMAGES, dict(look=LOOK, other=LOOK))
    assert 'toy must have one attribute schema, got look, other; choose one with --schema' in run()
    assert 'attribute schema must be one of look, other' in run('--schema', 'third')
    assert '--captions must be >= 1 and --seed >= 0, got 0 and 0' in run('--schema', 'look', '--captions', '0')
    assert not (tmp_path / 'out').exists()
    assert tool.main([str(tmp_path), 'toy', '--out', str(tmp_path), '--schema', 'look']) == 0
    assert json.loads((tmp_path / 'toy.meta.json').read_text())['counts']['train']['captions'] > 1
