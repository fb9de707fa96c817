"""Oracles: sentences read by eye, and what may be said."""

import numpy as np
import pytest

from pedsearch.datasets.multimodal import write_caption


def sentences(attributes: dict[str, int], num: int = 60) -> set[str]:
    return {write_caption(attributes, np.random.default_rng(seed)) for seed in range(num)}


EVERYTHING = dict(
    female=1, young=1, old=0, long_hair=1, hair_black=1, hat=1, backpack=1, handbag=1, short_sleeves=1, upper_orange=1,
    upper_red=0, lower_blue=1, skirt=1, shoes_white=1)


def test_everything_known_is_said():
    for text in sentences(EVERYTHING):
        for words in ('young woman', 'long black hair', 'short-sleeved orange top', 'a blue skirt', 'white shoes', 'a hat',
                      'a backpack and a handbag'):
            assert words in text, text
        for words in ('red', 'old', 'trousers', '  ', ' ,', ' .'):
            assert words not in text, text
        assert text[0].isupper()
        assert text.endswith('.')


@pytest.mark.parametrize(('attributes', 'words'), [
    (dict(female=0), 'a man'), (dict(female=-1, old=1), 'an elderly person'), (dict(long_hair=0), 'with short hair'),
    (dict(short_sleeves=0), 'a long-sleeved top'), (dict(dress=0), 'trousers'), (dict(shorts=1), 'shorts'),
    (dict(short_lower=1, lower_grey=1, dress=0), 'short grey trousers'), (dict(dress=1, lower_grey=1), 'a grey dress'),
    (dict(skirt=0, shorts=-1, lower_red=1), 'red bottoms'), (dict(short_lower=1, dress=-1), 'short bottoms'),
    (dict(upper_orange=1), 'an orange top')])
def test_words(attributes, words):
    assert all(words in text.lower() for text in sentences(attributes))


def test_nothing_is_said_of_the_unknown():
    for kinds in (dict(dress=-1), dict(skirt=0, dress=-1), dict(shorts=0), dict(skirt=0, shorts=-1), dict(short_lower=0)):
        assert not any('trousers' in text for text in sentences(dict(lower_red=1) | kinds)), kinds
    assert sentences(dict.fromkeys(EVERYTHING, -1)) == sentences({}) == {
        'A person.', 'This is a person.', 'In the picture a person.'}


def test_a_seed_decides_and_seeds_differ():
    assert len(sentences(EVERYTHING)) > 15
    assert write_caption(EVERYTHING, np.random.default_rng(3)) == write_caption(EVERYTHING, np.random.default_rng(3))
