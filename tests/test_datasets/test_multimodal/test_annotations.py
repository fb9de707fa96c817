"""Oracles: what was written, and one broken rule at a time."""

import dataclasses
import gzip
import json

import pytest

from pedsearch.datasets.multimodal import (
    AnnotationFile,
    AttributeSchema,
    Caption,
    DescribedImage,
    caption_group,
    write_annotations,
)

LOOK = AttributeSchema(('hat', 'red', 'blue'), {'head': ['hat']}, (('red', 'blue'), ), (0, 2))
IMAGES = [
    DescribedImage(3, 'a/1.jpg', 'train', 0, 1, (Caption('A hat.'), Caption('a  HAT', 'template', .5)),
                   dict(look=[1, 0, -1]), dict(look=[.9, .1, .5]), dict(track=4)),
    DescribedImage(7, 'a/2.jpg', 'train', 1, captions=(Caption('No hat.'), )),
    DescribedImage(3, 'b/3.jpg', 'test')]


def test_written_files_read_the_same(tmp_path):
    write_annotations(tmp_path, 'toy', IMAGES, dict(look=LOOK), license='own')
    source = AnnotationFile(tmp_path, 'toy')
    first, second = source.read('train')
    assert source.schema('look') == LOOK
    assert (first.image_id, first.pid, first.camid, first.attrs, first.attr_scores, first.extra) == (
        3, 0, 1, dict(look=[1, 0, -1]), dict(look=[.9, .1, .5]), dict(track=4))
    assert [caption.text for caption in first.captions] == ['A hat.', 'a  HAT']
    assert first.captions[0].group == first.captions[1].group == caption_group('a hat') != second.captions[0].group
    assert (second.pid, second.camid, second.attrs) == (1, -1, {})
    assert source.read('test')[0].img_path == 'b/3.jpg'
    assert source.splits() == ['train', 'test']
    assert source.meta['counts']['train'] == dict(images=2, captions=3, pids=2)
    assert not list(tmp_path.glob('*.part'))


def test_packed_files_and_those_of_openmmlab(tmp_path):
    write_annotations(tmp_path, 'toy', IMAGES[:2], dict(look=LOOK))
    expected = AnnotationFile(tmp_path, 'toy').read('train')
    lines = tmp_path / 'toy.train.jsonl'
    text = lines.read_text()
    lines.unlink()
    with gzip.open(tmp_path / 'toy.train.jsonl.gz', 'wt') as file:
        file.write(text)
    assert AnnotationFile(tmp_path, 'toy').read('train') == expected
    (tmp_path / 'toy.train.jsonl.gz').unlink()
    rows = [json.loads(line) for line in text.splitlines()]
    (tmp_path / 'toy.train.json').write_text(json.dumps(dict(metainfo={}, data_list=rows)))
    assert AnnotationFile(tmp_path, 'toy').read('train') == expected


@pytest.mark.parametrize(('change', 'message'), [
    (dict(image_id=7), r'line 2: image_id must be unique, got 7 again, first in line 1'),
    (dict(image_id='8'), "line 2: image_id must be an integer >= 0, got '8'"),
    (dict(image_id=True), 'line 2: image_id must be an integer >= 0, got True'),
    (dict(pid=-2), 'line 2: pid must be an integer >= -1, got -2'),
    (dict(img_path='../x.jpg'), "line 2: img_path must be a path below the folder of the images, got '../x.jpg'"),
    (dict(split='dev'), "line 2: split must be one of train, val, test, query, gallery, got 'dev'"),
    (dict(split='test'), "line 2: split must be 'train' as the file, got 'test'; move the line"),
    (dict(captions='man'), "line 2: captions must be a list, got 'man'"),
    (dict(captions=None), 'line 2: captions must be a list, got None'),
    (dict(captions=[3]), 'line 2: a caption must be a table of names, got 3'),
    (dict(attrs=None), 'line 2: attrs must be a table of names, got None'),
    (dict(attrs=dict(look=5)), 'line 2: attrs of look must have 3 values, got 5'),
    (dict(captions=['  ']), "line 2: a caption must have words, got '  '; leave it out"),
    (dict(captions=[dict(text='a', source='web')]), 'line 2: source of a caption must be one of human, template, mllm'),
    (dict(attrs=dict(look=[1, 0])), 'line 2: attrs of look must have 3 values, got 2'),
    (dict(attrs=dict(look=[1, 0, 2])), r'line 2: attrs of look must be 1, 0 or -1 \(unknown\), got 2'),
    (dict(attrs=dict(other=[1])), r"line 2: attrs must be of a schema of the meta file \(look\), got 'other'"),
    (None, 'line 2: an image must have image_id, img_path, split, got pid')])
def test_a_broken_line_is_named(tmp_path, change, message):
    write_annotations(tmp_path, 'toy', IMAGES[1:2], dict(look=LOOK))
    row = dict(image_id=8, img_path='a/9.jpg', split='train') | change if change else dict(pid=1)
    with open(tmp_path / 'toy.train.jsonl', 'a') as file:
        file.write(json.dumps(row) + '\n')
    with pytest.raises(ValueError, match=message):
        AnnotationFile(tmp_path, 'toy').read('train')


def test_files_that_are_no_annotations(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'toy.meta.json does not exist; write it with a converter'):
        AnnotationFile(tmp_path, 'toy')
    (tmp_path / 'toy.meta.json').write_text('{')
    with pytest.raises(ValueError, match='must be JSON with schema_version'):
        AnnotationFile(tmp_path, 'toy')
    (tmp_path / 'toy.meta.json').write_text('{"schema_version": 2}')
    with pytest.raises(ValueError, match='must have schema_version 1, got 2; convert it again'):
        AnnotationFile(tmp_path, 'toy')
    write_annotations(tmp_path, 'toy', IMAGES, dict(look=LOOK))
    source = AnnotationFile(tmp_path, 'toy')
    with pytest.raises(ValueError, match=r"attribute schema must be one of look in .*, got 'upar'"):
        source.schema('upar')
    with pytest.raises(FileNotFoundError, match=r"check split='val', the folder has train, test"):
        source.read('val')
    with pytest.raises(ValueError, match="split must be one of train, val, test, query, gallery, got 'dev'"):
        source.read('dev')
    (tmp_path / 'toy.train.jsonl').write_text('{"a"\n')
    with pytest.raises(ValueError, match=r'toy.train.jsonl, line 1 must be JSON'):
        source.read('train')
    (tmp_path / 'toy.train.jsonl').write_text('')
    with pytest.raises(ValueError, match='must list images, got none'):
        source.read('train')


def test_splits_of_an_earlier_conversion_are_neither_kept_nor_lost(tmp_path):
    write_annotations(tmp_path, 'toy', IMAGES, dict(look=LOOK))
    write_annotations(tmp_path, 'toy', IMAGES, dict(look=LOOK))  # the same again
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    together = [dataclasses.replace(image, image_id=number, split='train') for number, image in enumerate(IMAGES)]
    with pytest.raises(ValueError, match=r'toy.test.jsonl is of an earlier conversion, this one has train alone'):
        write_annotations(tmp_path, 'toy', together, dict(look=LOOK))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    (tmp_path / 'toy.test.jsonl').unlink()
    write_annotations(tmp_path, 'toy', together, dict(look=LOOK))
    assert AnnotationFile(tmp_path, 'toy').splits() == ['train']


def test_nothing_is_written_of_bad_images(tmp_path):
    bad = DescribedImage(1, 'x.jpg', 'train', attrs=dict(look=[1]))
    with pytest.raises(ValueError, match=r'image x.jpg: attrs of look must have 3 values, got 1'):
        write_annotations(tmp_path, 'toy', [*IMAGES, bad], dict(look=LOOK))
    with pytest.raises(ValueError, match='image_id must be unique in train, got 3 twice'):
        write_annotations(tmp_path, 'toy', [IMAGES[0], IMAGES[0]], dict(look=LOOK))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('schema', [
    dict(names=[]), dict(names=['a', 'a']), dict(names=['a'], groups=dict(g=['b'])),
    dict(names=['a'], exclusive_groups=[['b']]), dict(names=['a'], eval_index=[1])])
def test_schemas_that_contradict_themselves(schema):
    with pytest.raises(ValueError, match="attribute schema 'look' must"):
        AttributeSchema.parse(schema, 'look')


def test_odd_data_is_warned_of(tmp_path):
    write_annotations(tmp_path, 'toy', IMAGES[:2], dict(look=LOOK))
    source = AnnotationFile(tmp_path, 'toy')
    assert source.warnings(source.read('train')) == [
        '67 % of the captions are not unique; contrast counts equal ones as matches',
        '2 attributes of look have no positive, first: red']
