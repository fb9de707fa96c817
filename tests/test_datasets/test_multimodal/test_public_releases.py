"""Oracles: totals that papers state, and counts by hand."""

import json

import pytest

from pedsearch.datasets.multimodal import Caption, DescribedImage
from pedsearch.datasets.multimodal import public_releases as releases
from pedsearch.datasets.multimodal.public_releases import PUBLISHED, Totals


@pytest.mark.parametrize(('name', 'images', 'captions'), [
    ('cuhk-pedes', 40206, 80440), ('icfg-pedes', 54522, 54522), ('rstpreid', 20505, 41010), ('rapv2', 84928, None),
    ('rapv1', 41585, None), ('peta', 19000, None), ('pa100k', 100000, None)])
def test_published_splits_add_up(name, images, captions):  # O30
    parts = [options[0] for options in PUBLISHED[name].values()]
    assert sum(part.images for part in parts) == images
    if captions is None:
        assert all(part.captions is None for part in parts)
    else:
        assert sum(part.captions for part in parts) == captions


def test_people_and_captions_of_an_image_fit_each_other():
    people = {name: sum(options[0].identities for options in PUBLISHED[name].values())
              for name in ('cuhk-pedes', 'icfg-pedes', 'rstpreid')}
    assert people == {'cuhk-pedes': 13003, 'icfg-pedes': 4102, 'rstpreid': 4101}
    for options in PUBLISHED['rstpreid'].values():
        assert options[0].images == 5 * options[0].identities == options[0].captions / 2


def image(number: int, split: str, pid: int, *sources: str) -> DescribedImage:
    return DescribedImage(number, f'{number}.jpg', split, pid, captions=tuple(Caption('a', source) for source in sources))


def test_totals_are_counted():
    found = releases.totals_of([
        image(0, 'test', 5, 'human', 'human'), image(1, 'train', 0, 'mllm', 'template'), image(2, 'train', 0),
        image(3, 'train', 1), image(4, 'train', -1)])
    assert found == dict(train=Totals(4, 1, 2), test=Totals(1, 2, 1), all=Totals(5, 3, 3))
    assert list(found) == ['train', 'test', 'all']


def test_differences_are_named():
    published = {split: options[0] for split, options in PUBLISHED['rstpreid'].items()}
    assert releases.compare_totals('rstpreid', published) == []
    published['val'] = Totals(1000, 1999, 200)
    del published['test']
    assert releases.compare_totals('rstpreid', published) == [
        'val: 1,999 captions, published are 2,000', 'test: 0 images, published are 1,000',
        'test: 0 captions, published are 2,000', 'test: 0 identities, published are 200']
    assert releases.compare_totals('icfg-pedes', dict(
        train=Totals(34674, 34674, 3102), test=Totals(19848, 19848, 1000), val=Totals(3, 3, 1))) == [
            'val: 3 images, published are none']
    for images in (4791771, 4791711):
        assert releases.compare_totals('synth-pedes', dict(all=Totals(images, 12138157, 312321))) == []
    assert releases.compare_totals('synth-pedes', dict(train=Totals(4, 1, 1), all=Totals(4, 12138157, 312321))) == [
        'all: 4 images, published are 4,791,771 or 4,791,711']
    text = releases.describe_totals('rapv1', dict(train=Totals(33268, 0, 0), test=Totals(8316, 0, 0)))
    assert text.splitlines()[1:3] == ['test: 8,316 images, 0 captions, 0 identities',
                                      'note: test: 8,316 images, published are 8,317']
    assert 'another edition' in text
    assert 'note' not in releases.describe_totals('rapv1', dict(train=Totals(33268, 0, 0), test=Totals(8317, 0, 0)))


@pytest.mark.parametrize(('folder', 'path', 'expected'), [
    ('imgs', 'cam_a/1.png', 'imgs/cam_a/1.png'), ('imgs/', './cam_a//1.png', 'imgs/cam_a/1.png'),
    ('imgs', 'cam_a\\1.png', 'imgs/cam_a/1.png'), ('imgs', 'imgs/1.png', 'imgs/1.png'),
    ('imgs', 'imgs2/1.png', 'imgs/imgs2/1.png'), ('', 'a/1.png', 'a/1.png')])
def test_paths(folder, path, expected):
    assert releases.image_path(folder, path) == expected


def test_paths_must_be_text():
    with pytest.raises(ValueError, match='the path of an image must be text, got None'):
        releases.image_path('imgs', None)


def test_captions_of_a_release():
    assert releases.released_captions(['a', ' ', 'a'], 'mllm') == (Caption('a', 'mllm'), Caption('a', 'mllm'))
    for wrong in ('a text', [1], None):
        with pytest.raises(ValueError, match='captions must be a list of texts, got'):
            releases.released_captions(wrong)


def test_training_identities():
    assert releases.number_identities([3, 1, 2, 1], 1, 'x') == {1: 0, 2: 1, 3: 2}
    assert releases.number_identities([7, 3], None, 'x') == {3: 0, 7: 1}
    assert releases.number_identities([], 0, 'x') == {}
    with pytest.raises(ValueError, match='of x must run from 1 without a gap, got 2 between 1 and 3; take .* --renumber'):
        releases.number_identities([1, 3], 1, 'x')
    with pytest.raises(ValueError, match='must run from 1 without a gap, got 2 between 0 and 1'):
        releases.number_identities([0, 1], 1, 'x')
    with pytest.raises(ValueError, match="identities of x must be integers, got '1'"):
        releases.number_identities(['1', 2], None, 'x')


@pytest.mark.parametrize(('content', 'message'), [
    (b'{', 'must be JSON, got'), (b'\xff\xfe', 'must be JSON, got'), (b'{}', 'an entry for each image, got dict'),
    (b'[]', 'an entry for each image, got an empty list'), (b'[{"id": 1}, {"x": 1}]', 'entry 2 must have id, got x'),
    (b'[3]', 'entry 1 must have id, got 3')])
def test_other_files_are_errors(tmp_path, content, message):
    (tmp_path / 'a.json').write_bytes(content)
    with pytest.raises(ValueError, match=message):
        releases.read_rows(str(tmp_path / 'a.json'), ['id'])


def test_files_are_found_by_either_name(tmp_path):
    (tmp_path / 'b.json').write_text(json.dumps([dict(id=1)]))
    assert releases.read_rows(releases.find_file(str(tmp_path), ('a.json', 'b.json')), ['id']) == [dict(id=1)]
    with pytest.raises(FileNotFoundError, match='must contain a.json or c.json, got no such file; give the folder'):
        releases.find_file(str(tmp_path), ('a.json', 'c.json'))
    with pytest.raises(FileNotFoundError, match='a.json does not exist; give the annotations'):
        releases.read_rows(str(tmp_path / 'a.json'), [])
