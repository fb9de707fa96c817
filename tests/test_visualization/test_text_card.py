"""Oracles: ink where words are, and none outside."""

import numpy as np

from pedsearch.visualization import text_card


def ink(card: np.ndarray) -> np.ndarray:
    return (card != card[0, 0]).any(axis=2)


def test_a_card_has_the_words_within_its_edges():
    for text in ('red', 'a woman with long black hair in a red coat and blue jeans, carrying a brown handbag',
                 'word ' * 200, 'Donaudampfschifffahrtsgesellschaftskapitän'):
        drawn = ink(text_card(text, (208, 104)))
        assert drawn.shape == (208, 104)
        assert drawn.any()
        assert not drawn[-4:].any()
        if ' ' in text:
            assert not drawn[:, -3:].any()


def test_letters_shrink_until_the_sentence_fits():
    def line_height(text: str) -> int:
        rows = ink(text_card(text, (208, 104))).any(axis=1)
        return int(np.flatnonzero(~rows[np.argmax(rows):])[0])  # of the first line

    assert line_height('HHH') > line_height(' '.join(['HHH'] * 60))


def test_no_words_is_an_empty_card():
    assert not ink(text_card('', (50, 40))).any()
