"""Oracles: pairs of phrases as the release's training code orders them, and the samples that its page shows."""

import json

import pytest

from pedsearch.datasets.multimodal import AnnotationFile

from .tool_files import load_tool

UPPER, LOWER = (['black', 'white', 'red', 'purple', 'yellow', 'blue', 'green', 'grey'],
                ['black', 'white', 'purple', 'yellow', 'blue', 'green', 'pink', 'grey', 'brown'])
PAIRS = [  # what label 0 says, what label 1 says; named here independently of the package
    ({'female': 1}, {'female': 0}), ({'young': 1}, {'young': 0}), ({'long_hair': 0}, {'long_hair': 1}),
    *(({thing: 1}, {thing: 0}) for thing in ('hat', 'backpack', 'handbag', 'bag')),
    ({'short_sleeves': 0}, {'short_sleeves': 1}), ({'short_lower': 0}, {'short_lower': 1}), ({'dress': 1}, {'dress': 0}),
    *(({f'upper_{color}': 1}, {f'upper_{color}': 0}) for color in UPPER),
    *(({f'lower_{color}': 1}, {f'lower_{color}': 0}) for color in LOWER)]


@pytest.fixture(scope='module')
def tool():
    return load_tool('dataset_converters/mals')


def row(number: int, label: list[int], caption: str = 'a man') -> dict:
    return dict(image=f'gene_crop/c_g_a_0/{number}.jpg', caption=caption, image_id=f'c_g_a_0_{number}', label=label)


def test_polarity_is_that_of_the_phrases(tool, tmp_path, capsys):
    labels = [[0] * 27, [1] * 27, [-1] * 27, [index % 3 - 1 for index in range(27)]]
    for part in (0, 1):
        (tmp_path / f'g_{part}_attrs.json').write_text(json.dumps(
            [row(2 * part + place, labels[2 * part + place]) for place in (0, 1)]))
    files = [str(tmp_path / f'g_{part}_attrs.json') for part in (0, 1)]
    assert tool.main([*files, '--out', str(tmp_path)]) == 0
    source = AnnotationFile(str(tmp_path), 'mals')
    names = source.schema('mals').names
    assert len(PAIRS) == 27
    for image, codes in zip(source.read('train'), labels):
        expected = {}
        for pair, code in zip(PAIRS, codes):
            expected |= pair[code] if code >= 0 else dict.fromkeys(pair[0], -1)
        assert dict(zip(names, image.attrs['mals'])) == expected
        assert (image.pid, image.captions[0].source, image.img_path[:10]) == (-1, 'mllm', 'gene_crop/')
    assert [image.image_id for image in source.read('train')] == [0, 1, 2, 3]
    assert 'all: 4 images, 4 captions, 0 identities' in capsys.readouterr().out


def test_samples_of_the_release(tool):
    boy, woman = [1, 0, *[-1] * 23, 1, 1], [0, 1, *[-1] * 25]  # "a young boy ... jeans", "a woman ..."; what is shown
    assert tool.label(boy)[:2] == [0, 1]
    assert tool.label(boy)[-2:] == [0, 0]  # neither grey nor brown
    assert tool.label(woman)[:2] == [1, 0]
    assert tool.label(woman)[-2:] == [-1, -1]


@pytest.mark.parametrize(('change', 'message'), [
    (dict(label=[0] * 26), 'entry 2: label must be a list of 27 of 0, 1 and -1, got'),
    (dict(label=[2] + [0] * 26), 'entry 2: label must be a list of 27 of 0, 1 and -1, got'),
    (dict(label='0'), 'entry 2: label must be a list of 27'), (dict(caption=None), 'entry 2: captions must be a list'),
    (dict(image='gene_crop/c_g_a_0/0.jpg'), 'entry 2: every image must be listed once, got gene_crop/c_g_a_0/0.jpg again')])
def test_a_broken_entry_is_named(tool, tmp_path, capsys, change, message):
    (tmp_path / 'a.json').write_text(json.dumps([row(0, [0] * 27), row(1, [0] * 27) | change]))
    assert tool.main([str(tmp_path / 'a.json'), '--out', str(tmp_path / 'out')]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()
