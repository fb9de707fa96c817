"""Oracles: CLIP's own numbers, and round trips."""

import sys

import pytest
import torch

from pedsearch.models.pretrain import Tokenizer, clip_tokenizer, saved_tokenizer, train_tokenizer, wordpiece_tokenizer
from pedsearch.models.pretrain.tokenizers import clean_text

CAPTIONS = ['A woman in a red coat, with a bag.', 'The man wears a blue hat.', 'A man in a red hat.']


@pytest.fixture(scope='module')
def clip():
    try:
        return clip_tokenizer()
    except (FileNotFoundError, ImportError) as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(('text', 'numbers'), [
    ('a photo of a cat', '320 1125 539 320 2368'),
    ('A woman is wearing a gray shirt.', '320 2308 533 3309 320 7048 2523 269'),
    ('a man in a black jacket and blue jeans with a backpack',
     '320 786 530 320 1449 6164 537 1746 10157 593 320 14894'),
    ('pedestrian', '18256')])
def test_numbers_of_clip(clip, text, numbers):  # O27
    ids, used = clip.encode([text], 77)
    assert ids.shape == used.shape == (1, 77)
    assert ids[used].tolist() == [49406, *map(int, numbers.split()), 49407]
    assert not ids[~used].any()


def test_long_texts_keep_their_beginning_and_the_end_mark(clip):  # O27
    ids, used = clip.encode(['word ' * 100], 77)
    assert ids[0, 76] == 49407
    assert used.all()
    assert clip.vocab_size == 49408
    assert clip.mask_id == 49405


def test_texts_are_cleaned():
    assert clean_text('  Man &amp;\n BAG ') == 'man & bag'


def test_learnt_vocabulary():
    tokenizer = train_tokenizer(CAPTIONS, vocab_size=12)
    ids, used = tokenizer.encode(['a red hat', 'a purple hat'], 8)
    words = [[tokenizer.rules.id_to_token(int(number)) for number in row[keep]] for row, keep in zip(ids, used)]
    assert words == [['<start>', 'a', 'red', 'hat', '<end>'], ['<start>', 'a', '<unknown>', 'hat', '<end>']]
    assert tokenizer.vocab_size == 12
    assert ids.max() < 12
    assert tokenizer.encode(['red ' * 9], 5)[0].tolist() == [[2, *[tokenizer.rules.token_to_id('red')] * 3, 3]]


def test_a_saved_tokenizer_is_the_same(tmp_path):
    tokenizer = train_tokenizer(CAPTIONS)
    tokenizer.save(tmp_path / 'words.json')
    again = saved_tokenizer(tmp_path / 'words.json')
    assert again.fingerprint == tokenizer.fingerprint
    assert torch.equal(again.encode(CAPTIONS, 20)[0], tokenizer.encode(CAPTIONS, 20)[0])
    assert train_tokenizer(CAPTIONS[:2]).fingerprint != tokenizer.fingerprint
    assert train_tokenizer(CAPTIONS).fingerprint == tokenizer.fingerprint


def test_vocabulary_of_bert(tmp_path):
    words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'hat', '##s', 'red']
    (tmp_path / 'vocab.txt').write_text('\n'.join(words) + '\n')
    ids, used = wordpiece_tokenizer(tmp_path / 'vocab.txt').encode(['A red hats coat'], 9)
    assert ids[used].tolist() == [2, 5, 8, 6, 7, 1, 3]
    (tmp_path / 'vocab.txt').write_text('a\nhat\n')
    with pytest.raises(ValueError, match=r'must have \[CLS\], \[SEP\], \[PAD\], \[UNK\] and \[MASK\], got none of'):
        wordpiece_tokenizer(tmp_path / 'vocab.txt')


def test_bad_input(tmp_path):
    tokenizer = train_tokenizer(CAPTIONS)
    with pytest.raises(TypeError, match='texts must be a list of strings, got one string'):
        tokenizer.encode('a hat', 8)
    with pytest.raises(ValueError, match="a text must have words, got '  '; leave samples without caption out"):
        tokenizer.encode(['a hat', '  '], 8)
    with pytest.raises(ValueError, match='context must be >= 3'):
        tokenizer.encode(['a hat'], 2)
    with pytest.raises(FileNotFoundError, match=r'none.json does not exist; write it with tools/train_tokenizer.py'):
        saved_tokenizer(tmp_path / 'none.json')
    with pytest.raises(ValueError, match='a tokenizer must be JSON of format pedsearch-tokenizer, version 1, got'):
        Tokenizer.from_json('{"format": "other"}')
    with pytest.raises(ValueError, match='texts must have words, got none'):
        train_tokenizer([' '])


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr('pedsearch.models.pretrain.tokenizers.CLIP_PACKAGES', ())
    with pytest.raises(FileNotFoundError, match='which no installed package has; run `pip install open_clip_torch`'):
        clip_tokenizer()
    monkeypatch.setitem(sys.modules, 'tokenizers', None)
    with pytest.raises(ImportError, match='texts need the package tokenizers'):
        train_tokenizer(CAPTIONS)
