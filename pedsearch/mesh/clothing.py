"""Who wears what: outfits, the words for them, and their colour at any point of the body.

Shape legend: V vertices, N surface points. Unit of length: the body's height.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .bodies import BodyShape
from .garments import Piece, Wardrobe
from .textures import layered_noise

PALETTE = dict(
    black=(0.07, 0.07, 0.08), white=(0.92, 0.92, 0.90), grey=(0.48, 0.49, 0.50), red=(0.78, 0.10, 0.12),
    orange=(0.93, 0.47, 0.10), yellow=(0.93, 0.80, 0.16), green=(0.13, 0.50, 0.22), blue=(0.12, 0.28, 0.72),
    purple=(0.45, 0.18, 0.60), pink=(0.93, 0.52, 0.66), brown=(0.42, 0.26, 0.14), teal=(0.08, 0.58, 0.60),
)  # fmt: skip
"""Names and sRGB values of cloth."""

LOWER_COLORS = ('black', 'white', 'grey', 'red', 'green', 'blue', 'brown', 'yellow')
SHOE_COLORS = ('black', 'white', 'brown', 'red')
HAIR = dict(black=(0.06, 0.05, 0.05), brown=(0.26, 0.15, 0.08), blond=(0.80, 0.65, 0.36), grey=(0.62, 0.62, 0.62))
SKIN = ((0.93, 0.76, 0.66), (0.84, 0.63, 0.49), (0.66, 0.45, 0.32), (0.42, 0.27, 0.19))
PATTERNS = ('plain', 'striped', 'checked', 'two-tone', 'logo')
LOWER_KINDS = ('trousers', 'shorts', 'skirt')


@dataclass(frozen=True)
class Outfit:
    """What one person looks like, whatever the camera. Colours are names of the tables above."""

    female: bool
    upper_color: str
    upper_second: str
    upper_pattern: str
    short_sleeves: bool
    lower_kind: str
    lower_color: str
    shoe_color: str
    hair_color: str
    long_hair: bool
    hat_color: str | None
    backpack_color: str | None
    skin: int

    def pieces(self) -> set[Piece]:
        """The pieces of geometry this person shows."""
        worn = {Piece.BODY}
        if self.lower_kind == 'skirt':
            worn.add(Piece.SKIRT)
        if self.hat_color:
            worn.add(Piece.HAT)
        if self.long_hair:
            worn.add(Piece.HAIR)
        if self.backpack_color:
            worn.add(Piece.BACKPACK)
        return worn

    def look(self) -> tuple[str, ...]:
        """The large parts of the outfit: cut, colours and pattern of upper and lower clothes."""
        second = '' if self.upper_pattern == 'plain' else self.upper_second
        return (self.upper_color, self.upper_pattern, second, self.lower_color, self.lower_kind)


_FLAGS = {
    'female': lambda o: o.female,
    'long_hair': lambda o: o.long_hair,
    'hat': lambda o: o.hat_color is not None,
    'backpack': lambda o: o.backpack_color is not None,
    'short_sleeves': lambda o: o.short_sleeves,
    'patterned_upper': lambda o: o.upper_pattern != 'plain',
    'shorts': lambda o: o.lower_kind == 'shorts',
    'skirt': lambda o: o.lower_kind == 'skirt',
}

ATTRIBUTE_NAMES = (
    *_FLAGS, *(f'upper_{color}' for color in PALETTE), *(f'lower_{color}' for color in LOWER_COLORS),
    *(f'shoes_{color}' for color in SHOE_COLORS), *(f'hair_{color}' for color in HAIR),
)  # fmt: skip


def outfit_attributes(outfit: Outfit) -> list[int]:
    """The outfit as 0/1 values, one for each of :data:`ATTRIBUTE_NAMES`."""
    values = [int(flag(outfit)) for flag in _FLAGS.values()]
    for colors, worn in (
        (PALETTE, outfit.upper_color), (LOWER_COLORS, outfit.lower_color), (SHOE_COLORS, outfit.shoe_color),
        (HAIR, outfit.hair_color),
    ):  # fmt: skip
        values += [int(color == worn) for color in colors]
    return values


_CAPTIONS = (
    'A {who} with {hair} wearing {upper}, {lower} and {shoes}{extras}.',
    'The {who} has {hair} and wears {upper} with {lower} and {shoes}{extras}.',
    'A {who} in {upper} and {lower}, with {hair} and {shoes}{extras}.',
    'Wearing {upper} over {lower}, this {who} has {hair} and {shoes}{extras}.',
)


def outfit_caption(outfit: Outfit, rng: np.random.Generator) -> str:
    """One English sentence about the outfit, its template drawn from ``rng``."""
    sleeves = 'short-sleeved' if outfit.short_sleeves else 'long-sleeved'
    color = outfit.upper_color
    both = f'{color} and {outfit.upper_second}'
    pattern = dict(striped=f'{both} striped', checked=f'{both} checked').get(outfit.upper_pattern, color)
    if outfit.upper_pattern == 'two-tone':
        pattern = f'two-tone {both}'
    logo = f' bearing {_article(outfit.upper_second)} print' if outfit.upper_pattern == 'logo' else ''
    hat = f', in {_article(outfit.hat_color)} hat' if outfit.hat_color else ''
    backpack = f', carrying {_article(outfit.backpack_color)} backpack' if outfit.backpack_color else ''
    article = 'a ' if outfit.lower_kind == 'skirt' else ''
    return _CAPTIONS[rng.integers(len(_CAPTIONS))].format(
        who='woman' if outfit.female else 'man',
        hair=f'{"long" if outfit.long_hair else "short"} {outfit.hair_color} hair',
        upper=f'a {sleeves} {pattern} top{logo}',
        lower=f'{article}{outfit.lower_color} {outfit.lower_kind}',
        shoes=f'{outfit.shoe_color} shoes',
        extras=hat + backpack,
    )


def _article(word: str) -> str:
    return f'an {word}' if word[0] in 'aeiou' else f'a {word}'


def sample_outfit(rng: np.random.Generator) -> tuple[Outfit, BodyShape]:
    """Draw a person."""
    female = bool(rng.random() < 0.5)
    upper = str(rng.choice(list(PALETTE)))
    contrast = [name for name in PALETTE if np.abs(np.subtract(PALETTE[name], PALETTE[upper])).sum() > 0.8]
    kind = str(rng.choice(LOWER_KINDS, p=(0.5, 0.2, 0.3) if female else (0.7, 0.3, 0.0)))
    outfit = Outfit(
        female=female,
        upper_color=upper,
        upper_second=str(rng.choice(contrast)),
        upper_pattern=str(rng.choice(PATTERNS, p=(0.4, 0.2, 0.12, 0.14, 0.14))),
        short_sleeves=bool(rng.random() < 0.45),
        lower_kind=kind,
        lower_color=str(rng.choice(LOWER_COLORS)),
        shoe_color=str(rng.choice(SHOE_COLORS)),
        hair_color=str(rng.choice(list(HAIR))),
        long_hair=bool(rng.random() < (0.65 if female else 0.08)),
        hat_color=str(rng.choice(list(PALETTE))) if rng.random() < 0.18 else None,
        backpack_color=str(rng.choice(list(PALETTE))) if rng.random() < 0.3 else None,
        skin=int(rng.integers(len(SKIN))),
    )
    shape = BodyShape(
        gender=float(female) * 0.9 + 0.05,
        age=float(rng.uniform(0.6, 0.9)),
        muscle=float(rng.uniform(0.3, 0.7)),
        weight=float(rng.uniform(0.3, 0.8)),
        height=float(rng.uniform(0.30, 0.48)),
        proportions=float(rng.uniform(0.3, 0.8)),
    )
    return outfit, shape


def linear_rgb(color: tuple[float, float, float] | Tensor) -> Tensor:
    """Linear light of sRGB values in [0, 1]."""
    value = torch.as_tensor(color)
    return torch.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


@dataclass(frozen=True)
class _Zones:
    """Which cloth covers which point; boolean (N,) each."""

    upper: Tensor
    lower: Tensor
    shoes: Tensor
    hair: Tensor
    straps: Tensor


def _zones(outfit: Outfit, rest: Tensor, arm: Tensor) -> _Zones:
    """Cut lines on the body at rest, in body heights."""
    x, y, z = rest.unbind(-1)
    on_arm = arm[:, 0] > 0.5
    sleeve = 0.42 if outfit.short_sleeves else 0.97
    neckline = (x**2 + (y + 0.02) ** 2 < 0.046**2) & (z > 0.825)
    upper = torch.where(on_arm, arm[:, 1] < sleeve, (z > 0.505) & (z < 0.862) & ~neckline)
    legs = ~on_arm & (z <= 0.505)
    hem = dict(trousers=0.045, shorts=0.31, skirt=0.36)[outfit.lower_kind]
    shoes = legs & (z < 0.046)
    back = ((y + 0.02) / 0.06 + 0.35).clamp(0, 1)
    hair = ~on_arm & (z > 0.972 - 0.072 * back)
    straps = upper & ~on_arm & (x.abs() > 0.042) & (x.abs() < 0.062) & (y < 0.05) & (z > 0.68)
    return _Zones(upper, legs & ~shoes & (z > hem), shoes, hair, straps)


def cloth_thickness(outfit: Outfit, wardrobe: Wardrobe) -> Tensor:
    """How far the cloth stands off the skin at every vertex: (V,), in body heights."""
    zones = _zones(outfit, wardrobe.rest, wardrobe.arm)
    z = wardrobe.rest[:, 2]
    thickness = torch.zeros(len(wardrobe.rest))
    # Legs of trousers hang: the cloth stands off further the lower it is.
    thickness[zones.lower] = 0.007 + 0.009 * ((0.5 - z[zones.lower]) / 0.45).clamp(0, 1)
    thickness[zones.upper] = 0.010
    thickness[zones.shoes] = 0.006
    thickness[zones.hair] = 0.010
    thickness[wardrobe.parts < 0] = 0
    return thickness


def _second_color(outfit: Outfit, rest: Tensor) -> Tensor:
    """Where the upper cloth shows its second colour: (N,) bool."""
    x, y, z = rest.unbind(-1)
    if outfit.upper_pattern == 'striped':
        return torch.remainder(z, 0.07) < 0.032
    if outfit.upper_pattern == 'checked':
        return (torch.remainder(x + 10, 0.08) < 0.04) ^ (torch.remainder(z, 0.08) < 0.04)
    if outfit.upper_pattern == 'two-tone':
        return z < 0.67
    if outfit.upper_pattern == 'logo':
        return (x.abs() < 0.050) & (z > 0.665) & (z < 0.765) & (y < -0.02)
    return torch.zeros_like(x, dtype=torch.bool)


def albedo(outfit: Outfit, piece: Tensor, rest: Tensor, arm: Tensor) -> Tensor:
    """Colour of points on a dressed person.

    Args:
        outfit (Outfit): The clothes.
        piece (Tensor): (N,) int64 of :class:`~pedsearch.mesh.garments.Piece`.
        rest (Tensor): (N, 3) position on the body at rest, in body heights.
        arm (Tensor): (N, 2), see :class:`~pedsearch.mesh.garments.Wardrobe`.

    Returns:
        Tensor: (N, 3) linear RGB.
    """
    color = linear_rgb(SKIN[outfit.skin]).expand(len(rest), 3).clone()
    zones = _zones(outfit, rest, arm)
    color[zones.lower] = linear_rgb(PALETTE[outfit.lower_color])
    color[zones.shoes] = linear_rgb(PALETTE[outfit.shoe_color])
    color[zones.upper] = linear_rgb(PALETTE[outfit.upper_color])
    color[zones.upper & _second_color(outfit, rest)] = linear_rgb(PALETTE[outfit.upper_second])
    color[zones.hair] = linear_rgb(HAIR[outfit.hair_color])
    color[_eyes(rest)] = 0.02
    if outfit.backpack_color:
        color[zones.straps] = linear_rgb(PALETTE[outfit.backpack_color])
        color[piece == Piece.BACKPACK] = linear_rgb(PALETTE[outfit.backpack_color])
    color[piece == Piece.SKIRT] = linear_rgb(PALETTE[outfit.lower_color])
    color[piece == Piece.HAIR] = linear_rgb(HAIR[outfit.hair_color])
    if outfit.hat_color:
        color[piece == Piece.HAT] = linear_rgb(PALETTE[outfit.hat_color])
    # Folds and wear: cloth is never of one tone.
    folds = layered_noise(torch.stack((rest[:, 0] + rest[:, 1], 0.5 * rest[:, 2]), 1) * 22, outfit.skin, 2)
    return color * (0.84 + 0.32 * folds)[:, None]


def _eyes(rest: Tensor) -> Tensor:
    x, y, z = rest.unbind(-1)
    return ((x.abs() - 0.0175).abs() < 0.0085) & ((z - 0.936).abs() < 0.0045) & (y < -0.06)
