"""Oracle: three pictures in the layout of the release."""

import json

import pytest

from pedsearch.datasets.multimodal import AnnotationFile

from .tool_files import load_tool


@pytest.fixture(scope='module')
def tool():
    return load_tool('dataset_converters/synth_pedes')


def row(person: int, path: str, attributes: str, *captions: str) -> dict:
    return dict(id=person, file_path=path, attributes=[attributes], captions=list(captions), prompt_caption=['A person.'])


ROWS = [
    row(7, 'Part1/7/1.jpg', 'man,black hair,black shirt,pink shorts,black shoes,unknown', 'A man.', 'He.', 'Him.'),
    row(3, 'Part1/3/0.jpg', 'woman, unknown,Red and Gray coat,unknown,unknown,backpack', 'A woman.', 'She.'),
    row(7, 'Part1/7/2.jpg', 'unknown,long hair,unknown,jeans,unknown,unknown', 'A man.', 'A man.')]


def test_words_become_labels(tool, tmp_path, capsys):
    (tmp_path / 'synthpedes_dataset.json').write_text(json.dumps(ROWS))
    assert tool.main([str(tmp_path), '--out', str(tmp_path)]) == 0
    source = AnnotationFile(str(tmp_path), 'synth-pedes')
    images, names = source.read('train'), source.schema('synth-pedes').names
    known = [{name: value for name, value in zip(names, image.attrs['synth-pedes']) if value >= 0} for image in images]
    assert len(names) == 1 + 4 * 11
    assert {name for name, value in known[0].items() if value} == {
        'hair_black', 'upper_black', 'lower_pink', 'shoes_black'}
    assert known[0]['female'] == 0
    assert len(known[0]) == len(names)
    assert {name for name, value in known[1].items() if value} == {'female', 'upper_red', 'upper_grey'}
    assert len(known[1]) == 1 + 11
    assert known[2] == {}  # "long hair" and "jeans" have no colour of the list, "unknown" none at all
    assert images[1].extra == dict(gender='woman', top='Red and Gray coat', extra='backpack')
    assert [(image.pid, image.img_path) for image in images] == [
        (1, 'Part1/7/1.jpg'), (0, 'Part1/3/0.jpg'), (1, 'Part1/7/2.jpg')]
    assert [[caption.source for caption in image.captions] for image in images] == [
        ['mllm'] * 3 + ['template'], ['mllm'] * 2 + ['template'], ['mllm'] * 2 + ['template']]
    printed = capsys.readouterr().out
    assert 'all: 3 images, 7 captions, 2 identities' in printed  # the sentences of a template do not count
    assert 'note: all: 7 captions, published are 12,138,157' in printed


def test_prompts_can_be_left_out(tool, tmp_path):
    (tmp_path / 'synthpedes_dataset.json').write_text(json.dumps(ROWS))
    assert tool.main([str(tmp_path), '--out', str(tmp_path), '--no-prompt']) == 0
    images = AnnotationFile(str(tmp_path), 'synth-pedes').read('train')
    assert sum(len(image.captions) for image in images) == 7


@pytest.mark.parametrize(('change', 'message'), [
    (dict(attributes=['man,black hair']), "entry 3: attributes must be one text of gender, hair, top, bottom, shoes, extra"),
    (dict(attributes=None), 'entry 3: attributes must be one text of'),
    (dict(prompt_caption='A man'), 'entry 3: captions must be a list of texts'),
    (dict(id=None), 'identities of synth-pedes must be integers, got None')])
def test_a_broken_entry_is_named(tool, tmp_path, capsys, change, message):
    (tmp_path / 'synthpedes_dataset.json').write_text(json.dumps([*ROWS[:2], ROWS[2] | change]))
    assert tool.main([str(tmp_path), '--out', str(tmp_path / 'out')]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()
