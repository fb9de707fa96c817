"""Captions made of the attributes of any data set."""

import re
from collections.abc import Sequence

import numpy as np

from .annotations import UNKNOWN, Caption
from .caption_writer import LOWER_KINDS, NAMES, write_caption

_BOTH_WAYS = {'Female': ('female', 1), 'Femal': ('female', 1), 'personalFemale': ('female', 1),
              'personalMale': ('female', 0)}
_IF_IT_HOLDS = {
    ('young', 1): 'AgeLess18 AgeLess16 personalLess15',
    ('adult', 1): 'Age18-60 Age17-30 Age31-45 Age46-60 personalLess30 personalLess45 personalLess60',
    ('old', 1): 'AgeOver60 personalLarger60',
    ('long_hair', 1): 'hs-LongHair hairLong', ('long_hair', 0): 'hairShort', ('hat', 1): 'Hat hs-Hat accessoryHat',
    ('short_sleeves', 1): 'ShortSleeve ub-ShortSleeve upperBodyShortSleeve',
    ('short_sleeves', 0): 'LongSleeve upperBodyLongSleeve', ('shorts', 1): 'Shorts lowerBodyShorts lowerBodyHotPants',
    ('patterned_upper', 1): 'UpperStride UpperPlaid upperBodyPlaid upperBodyThinStripes upperBodyThickStripes',
    ('skirt', 1): 'lb-Skirt lb-ShortSkirt lowerBodyShortSkirt lowerBodyLongSkirt', ('dress', 1): 'lb-Dress',
    ('dress', 0): 'Trousers lb-LongTrousers lb-Jeans lb-TightTrousers lowerBodyTrousers lowerBodyJeans',
    ('backpack', 1): 'Backpack attach-Backpack attachment-Backpack carryingBackpack',
    ('handbag', 1): 'HandBag attach-HandBag attachment-HandBag',
    ('bag', 1): 'ShoulderBag attach-SingleShoulderBag attachment-ShoulderBag carryingMessengerBag'}
_POSITIVE = {name: meaning for meaning, names in _IF_IT_HOLDS.items() for name in names.split()}
_GARMENTS = dict(up='upper', ub='upper', upperBody='upper', low='lower', lb='lower', lowerBody='lower', shoes='shoes',
                 footwear='shoes', hair='hair')
_COLORED = re.compile(
    rf'({"|".join(_GARMENTS)})-?(?:Color)?'
    '(Black|White|Gray|Grey|Red|Green|Blue|Yellow|Brown|Purple|Pink|Orange|Silver)')
_OWN = re.compile(r'(upper|lower|shoes|hair)_[a-z]+')
_SAYS_NOTHING = frozenset(write_caption({}, np.random.default_rng(seed)) for seed in range(50))


def caption_attributes(names: Sequence[str], values: Sequence[int]) -> dict[str, int]:
    """Attributes of a schema in the words of :func:`~pedsearch.datasets.multimodal.write_caption`.

    The writer's own names stay as they are. Those of PA-100K, PETA and RAP are translated. There a 0 is the absence of
    one thing and not the presence of its opposite: who has no short sleeves may wear a vest. So it says nothing, but
    for women and men.

    Args:
        names (Sequence[str]): of A attributes; one that the writer has no word for is passed over.
        values (Sequence[int]): A of 1, 0 and -1, unknown. Where two tell the same, the first that is known counts.

    Returns:
        dict[str, int]: of what is known, 1 or 0; of :data:`LOWER_KINDS` also -1, unknown.

    Source: own.

    Example:
        >>> caption_attributes(['Female', 'ShortSleeve', 'LongSleeve', 'Hat', 'boots'], [0, 0, 1, -1, 1])
        {'female': 0, 'short_sleeves': 0}
    """
    found = {}
    for name, value in zip(names, values, strict=True):
        if value == UNKNOWN and name not in LOWER_KINDS:
            continue
        if name in NAMES or _OWN.fullmatch(name):
            found.setdefault(name, value)
        elif name in _BOTH_WAYS:
            word, holds = _BOTH_WAYS[name]
            found.setdefault(word, int(value == holds))
        elif value and name in _POSITIVE:
            found.setdefault(*_POSITIVE[name])
        elif value and _COLORED.fullmatch(name):
            garment, color = _COLORED.fullmatch(name).groups()
            found.setdefault(f'{_GARMENTS[garment]}_{color.lower().replace("gray", "grey")}', 1)
    return found


def template_captions(names: Sequence[str], values: Sequence[int], num: int, key: Sequence[int]) -> tuple[Caption, ...]:
    """Sentences about one image.

    Args:
        names (Sequence[str]): of A attributes.
        values (Sequence[int]): A of 1, 0 and -1, unknown.
        num (int): how many are drawn; equal ones count once, and those that say nothing are left out.
        key (Sequence[int]): integers >= 0 that decide the draws: the seed, and what numbers the image.

    Returns:
        tuple[Caption, ...]: none to ``num``, of source 'template'.

    Raises:
        ValueError: ``num`` is negative.

    Source: own.

    Example:
        >>> [caption.text for caption in template_captions(['female', 'hat'], [1, 1], 1, (0, 7))]
        ['A woman who wears a hat.']
        >>> template_captions(['female', 'hat'], [-1, 0], 1, (0, 7))
        ()
    """
    if num < 0:
        raise ValueError(f'number of captions must be >= 0, got {num}')
    attributes, rng = caption_attributes(names, values), np.random.default_rng(tuple(key))
    texts = dict.fromkeys(write_caption(attributes, rng) for _ in range(num))
    return tuple(Caption(text, 'template') for text in texts if text not in _SAYS_NOTHING)
