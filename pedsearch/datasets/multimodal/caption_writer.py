"""Sentences about a person, made of attributes."""

from collections.abc import Mapping, Sequence

import numpy as np

AGES = dict(young='young', teenager='teenage', adult='adult', old='elderly')
CARRIED = dict(backpack='a backpack', bag='a bag', handbag='a handbag')
NAMES = ('female', *AGES, 'long_hair', 'hat', *CARRIED, 'short_sleeves', 'patterned_upper', 'dress', 'skirt', 'shorts',
         'short_lower')
"""What a writer understands, besides ``upper_COLOR``, ``lower_COLOR``, ``shoes_COLOR`` and ``hair_COLOR``."""

LOWER_KINDS = 'dress', 'skirt', 'shorts'
"""What is worn below and is no trousers; a kind of these that is unknown may be worn."""

_TEMPLATES = (
    '{who}{hair}{wears}{carries}.', '{who}{wears}{carries}{hair}.', 'This is {who}{hair}{carries}{wears}.',
    'In the picture {who}{hair}{wears}{carries}.')
_WEARING = ' wearing {}', ' in {}', ' dressed in {}', ' who wears {}'
_CARRYING = ' carrying {}', ' with {}'


def write_caption(attributes: Mapping[str, int], rng: np.random.Generator) -> str:
    """One English sentence that says what is known and nothing else.

    Args:
        attributes (Mapping[str, int]): names of :data:`NAMES` and colours -> 1, 0 or -1, unknown; other names say
            nothing.
        rng (np.random.Generator): chooses words.

    Example:
        >>> known = dict(female=1, hat=1, upper_red=1, lower_blue=1, dress=0, backpack=-1)
        >>> write_caption(known, np.random.default_rng(0))
        'This is a woman who wears a red top, blue trousers and a hat.'
    """

    def holds(name: str) -> bool:
        return attributes.get(name, -1) == 1

    def denied(name: str) -> bool:
        return attributes.get(name, -1) == 0

    def color(garment: str) -> str:
        return next((name.split('_', 1)[1] + ' ' for name in attributes
                     if name.startswith(f'{garment}_') and holds(name)), '')

    sex = 'woman' if holds('female') else 'man' if denied('female') else 'person'
    age = next((word for name, word in AGES.items() if holds(name)), '')
    who = _article(' '.join(filter(None, (age, sex))))
    length = 'long' if holds('long_hair') else 'short' if denied('long_hair') else ''
    hair = ' '.join(filter(None, (length, color('hair').strip())))
    sleeves = 'short-sleeved ' if holds('short_sleeves') else 'long-sleeved ' if denied('short_sleeves') else ''
    pattern = 'patterned ' if holds('patterned_upper') else ''
    clothes = [_article(f'{sleeves}{color("upper")}{pattern}top')] if sleeves or color('upper') or pattern else []
    clothes += _lower(attributes, color('lower'))
    if color('shoes'):
        clothes.append(f'{color("shoes")}shoes')
    if holds('hat'):
        clothes.append('a hat')
    carried = [thing for name, thing in CARRIED.items() if holds(name)]
    parts = dict(
        who=who,
        hair=f' with {hair} hair' if hair else '',
        wears=_choose(_WEARING, rng).format(_list(clothes)) if clothes else '',
        carries=_choose(_CARRYING, rng).format(_list(carried)) if carried else '')
    text = _choose(_TEMPLATES, rng).format(**parts)
    return text[0].upper() + text[1:]


def _lower(attributes: Mapping[str, int], color: str) -> list[str]:
    """Words for what is worn below: trousers is what is neither dress nor skirt nor, where these are told, shorts."""
    kinds = {name: attributes[name] for name in LOWER_KINDS if name in attributes}
    worn = next((name for name, value in kinds.items() if value == 1), None)
    if worn:
        return [f'{color}shorts' if worn == 'shorts' else _article(f'{color}{worn}')]
    length = 'short ' if attributes.get('short_lower') == 1 else ''
    if set(kinds) & {'dress', 'skirt'} and not any(kinds.values()):
        return [f'{length}{color}trousers']
    return [f'{length}{color}bottoms'] if length or color else []


def _choose(options: Sequence[str], rng: np.random.Generator) -> str:
    return options[rng.integers(len(options))]


def _article(words: str) -> str:
    return f'{"an" if words[0] in "aeiou" else "a"} {words}'


def _list(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return ' and '.join(filter(None, (', '.join(words[:-1]), words[-1])))
