"""Oracle: the words of the captions."""

import importlib.util
from pathlib import Path

import pytest

from pedsearch.datasets.multimodal import Caption, DescribedImage, write_annotations
from pedsearch.models.pretrain import saved_tokenizer

FILE = Path(__file__).parents[2] / 'tools/train_tokenizer.py'


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('train_tokenizer', FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_words_are_those_of_the_captions(tool, tmp_path, capsys):
    texts = ['A red hat.', 'A blue hat.']
    write_annotations(str(tmp_path), 'toy', [
        DescribedImage(index, f'{index}.jpg', split, captions=(Caption(text), ))
        for index, (split, text) in enumerate([('train', texts[0]), ('train', texts[1]), ('test', 'unseen')])])
    out = tmp_path / 'new/words.json'
    assert tool.main([str(tmp_path), 'toy', '--out', str(out)]) == 0
    assert capsys.readouterr().out.startswith('10 words of 2 captions')
    assert set(saved_tokenizer(out).rules.get_vocab()) == {
        '<pad>', '<unknown>', '<start>', '<end>', '<mask>', 'a', 'red', 'blue', 'hat', '.'}


def test_missing_files_are_named(tool, tmp_path, capsys):
    assert tool.main([str(tmp_path), 'toy', '--out', str(tmp_path / 'words.json')]) == 1
    assert 'toy.meta.json does not exist' in capsys.readouterr().err
    assert not (tmp_path / 'words.json').exists()
