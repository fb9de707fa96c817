"""Words to numbers: CLIP's byte pairs, a user's WordPiece vocabulary, or a vocabulary learnt from captions.

Shape legend: N texts, L context length.
"""

import gzip
import hashlib
import html
import importlib.util
import json
import os
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from pedsearch.registry import TASK_UTILS

CLIP_PACKAGES = 'open_clip', 'clip'
CLIP_FILE = 'bpe_simple_vocab_16e6.txt.gz'
CLIP_MERGES = 48_894
CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
START, END, PAD, UNKNOWN, MASK = '<start>', '<end>', '<pad>', '<unknown>', '<mask>'


class Tokenizer:
    """Texts as rows of numbers, each begun and ended by a mark.

    Args:
        rules (tokenizers.Tokenizer): cuts and numbers a text, without marks.
        start, end (str): the marks, entries of the vocabulary.
        pad_id (int): fills a row up.
        mask_id (int): stands for a hidden word.

    Attributes:
        vocab_size (int): numbers are below it.
        start_id, end_id, pad_id, mask_id (int): see above.
        fingerprint (str): sha256 of vocabulary and rules; models go with one.
    """

    def __init__(self, rules, start: str, end: str, pad_id: int, mask_id: int) -> None:  # noqa: ANN001 - optional
        self.rules = rules
        self.start, self.end = start, end
        self.start_id, self.end_id = rules.token_to_id(start), rules.token_to_id(end)
        self.pad_id, self.mask_id = pad_id, mask_id
        self.vocab_size = rules.get_vocab_size()

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def encode(self, texts: Sequence[str], context: int) -> tuple[Tensor, Tensor]:
        """Number texts.

        Args:
            texts (Sequence[str]): N; a longer one than fits keeps its beginning, and the end mark.
            context (int): L >= 3.

        Returns:
            tuple[Tensor, Tensor]: ids (N, L) int64, and (N, L) bool, where a text is.

        Raises:
            TypeError: one string in place of several.
            ValueError: a text without a word, or a context too short.
        """
        if isinstance(texts, str):
            raise TypeError('texts must be a list of strings, got one string; put it into a list')
        if context < 3:
            raise ValueError(f'context must be >= 3 to hold a word between its marks, got {context}')
        ids = torch.full((len(texts), context), self.pad_id)
        used = torch.zeros(len(texts), context, dtype=torch.bool)
        for row, (text, encoding) in enumerate(zip(texts, self.rules.encode_batch([clean_text(t) for t in texts]))):
            if not encoding.ids:
                raise ValueError(f'a text must have words, got {text!r}; leave samples without caption out')
            numbers = [self.start_id, *encoding.ids[:context - 2], self.end_id]
            ids[row, :len(numbers)] = torch.tensor(numbers)
            used[row, :len(numbers)] = True
        return ids, used

    def to_json(self) -> str:
        """All that :meth:`from_json` needs; goes into checkpoints and files."""
        state = dict(format='pedsearch-tokenizer', version=1, start=self.start, end=self.end, pad_id=self.pad_id,
                     mask_id=self.mask_id, rules=json.loads(self.rules.to_str()))
        return json.dumps(state, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> 'Tokenizer':
        """The tokenizer that :meth:`to_json` described.

        Raises:
            ValueError: the text is something else.
        """
        try:
            state = json.loads(text)
            if state['format'] != 'pedsearch-tokenizer' or state['version'] != 1:
                raise KeyError
            rules = _tokenizers().Tokenizer.from_str(json.dumps(state['rules']))
            return cls(rules, state['start'], state['end'], state['pad_id'], state['mask_id'])
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError('a tokenizer must be JSON of format pedsearch-tokenizer, version 1, got '
                             f'{text[:40]!r}...; write it with tools/train_tokenizer.py') from error

    def save(self, path: str | os.PathLike) -> None:
        """Write :meth:`to_json` to a file."""
        with open(path, 'w', encoding='utf-8') as file:
            file.write(self.to_json())


def clean_text(text: str) -> str:
    """Lower case, HTML entities resolved, white space single.

    Example:
        >>> clean_text(' A  man &amp; a BAG ')
        'a man & a bag'
    """
    return ' '.join(html.unescape(html.unescape(text)).split()).lower()


@TASK_UTILS.register_module()
def clip_tokenizer(file: str | os.PathLike | None = None) -> Tokenizer:
    """CLIP's byte pairs, 49,408 numbers.

    Args:
        file: ``bpe_simple_vocab_16e6.txt.gz``; None: that of an installed package, ``open_clip`` or ``clip``, whose
            code is not run.

    Raises:
        FileNotFoundError: there is no such file.
        ImportError: the package tokenizers is not installed.

    Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021.
    Deviation: texts are not repaired with ftfy, which changes broken encodings only.
    """
    tokenizers = _tokenizers()
    with gzip.open(_clip_file() if file is None else file, 'rt', encoding='utf-8') as lines:
        merges = [tuple(line.split()) for line in lines.read().split('\n')[1:CLIP_MERGES + 1]]
    printable = [*range(ord('!'), ord('~') + 1), *range(ord('¡'), ord('¬') + 1), *range(ord('®'), ord('ÿ') + 1)]
    letters = [chr(code) for code in printable] + [chr(256 + place) for place in range(256 - len(printable))]
    words = [*letters, *(letter + '</w>' for letter in letters), *(''.join(pair) for pair in merges)]
    start, end = '<|startoftext|>', '<|endoftext|>'
    vocab = {word: number for number, word in enumerate([*words, start, end])}
    rules = tokenizers.Tokenizer(tokenizers.models.BPE(vocab, merges, end_of_word_suffix='</w>'))
    rules.normalizer = tokenizers.normalizers.NFC()
    rules.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([
        tokenizers.pre_tokenizers.Split(tokenizers.Regex(CLIP_WORDS), 'removed', invert=True),
        tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    return Tokenizer(rules, start, end, pad_id=0, mask_id=len(words) - 1)


@TASK_UTILS.register_module()
def wordpiece_tokenizer(file: str | os.PathLike) -> Tokenizer:
    """A vocabulary of BERT's form: one word or piece (``##...``) a line, with [CLS], [SEP], [PAD], [UNK] and [MASK].

    Args:
        file: the ``vocab.txt``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a mark is missing.
    """
    tokenizers = _tokenizers()
    with open(file, encoding='utf-8') as lines:
        vocab = {line.rstrip('\n'): number for number, line in enumerate(lines)}
    missing = [mark for mark in ('[CLS]', '[SEP]', '[PAD]', '[UNK]', '[MASK]') if mark not in vocab]
    if missing:
        raise ValueError(f'{file} must have [CLS], [SEP], [PAD], [UNK] and [MASK], got none of {", ".join(missing)}; '
                         "give the vocab.txt of a BERT model, or learn a vocabulary with tools/train_tokenizer.py")
    rules = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocab, unk_token='[UNK]'))
    rules.normalizer = tokenizers.normalizers.BertNormalizer()
    rules.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    return Tokenizer(rules, '[CLS]', '[SEP]', vocab['[PAD]'], vocab['[MASK]'])


@TASK_UTILS.register_module()
def saved_tokenizer(file: str | os.PathLike) -> Tokenizer:
    """A tokenizer that :meth:`Tokenizer.save` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is something else.
    """
    if not os.path.isfile(file):
        raise FileNotFoundError(f'{file} does not exist; write it with tools/train_tokenizer.py')
    with open(file, encoding='utf-8') as lines:
        return Tokenizer.from_json(lines.read())


def train_tokenizer(texts: Iterable[str], vocab_size: int = 1000) -> Tokenizer:
    """Learn a vocabulary of whole words and punctuation, the frequent ones first.

    Args:
        texts (Iterable[str]): captions.
        vocab_size (int): at most; five are marks.

    Raises:
        ValueError: there are no words.

    Example:
        >>> tokenizer = train_tokenizer(['A red hat.', 'a blue hat'])
        >>> tokenizer.encode(['a hat', 'a green hat'], context=6)[0]
        tensor([[2, 5, 6, 3, 0, 0],
                [2, 5, 1, 6, 3, 0]])
    """
    tokenizers = _tokenizers()
    rules = tokenizers.Tokenizer(tokenizers.models.WordLevel({}, unk_token=UNKNOWN))
    rules.normalizer = tokenizers.normalizers.NFC()
    rules.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    marks = [PAD, UNKNOWN, START, END, MASK]
    trainer = tokenizers.trainers.WordLevelTrainer(vocab_size=vocab_size, special_tokens=marks, show_progress=False)
    rules.train_from_iterator((clean_text(text) for text in texts), trainer)
    if rules.get_vocab_size() <= len(marks):
        raise ValueError('texts must have words, got none; give captions')
    return Tokenizer(rules, START, END, rules.token_to_id(PAD), rules.token_to_id(MASK))


def _clip_file() -> str:
    for package in CLIP_PACKAGES:
        spec = importlib.util.find_spec(package)
        file = os.path.join(os.path.dirname(spec.origin), CLIP_FILE) if spec and spec.origin else ''
        if os.path.isfile(file):
            return file
    raise FileNotFoundError(f"CLIP's vocabulary needs {CLIP_FILE}, which no installed package has; run `pip install "
                            'open_clip_torch` or give its path as file')


def _tokenizers():  # noqa: ANN202 - a module
    try:
        import tokenizers
    except ImportError as error:
        raise ImportError('texts need the package tokenizers, which is not installed; run `pip install '
                          "'pedsearch[text]'`") from error
    return tokenizers
