"""Words, attributes and painted colours must tell the same story."""

import dataclasses
import re

import numpy as np
import pytest
import torch

from pedsearch.mesh.clothing import (
    ATTRIBUTE_NAMES,
    LOWER_COLORS,
    PALETTE,
    albedo,
    cloth_thickness,
    linear_rgb,
    outfit_attributes,
    outfit_caption,
    sample_outfit,
)
from pedsearch.mesh.garments import Piece, build_wardrobe
from pedsearch.mesh.prism_body import PrismBody


@pytest.fixture(scope='module')
def outfits():
    rng = np.random.default_rng(0)
    return [sample_outfit(rng)[0] for _ in range(300)]


@pytest.fixture(scope='module')
def wardrobe():
    return build_wardrobe(PrismBody())


def test_attributes_are_what_the_outfit_says(outfits):
    for outfit in outfits:
        attributes = dict(zip(ATTRIBUTE_NAMES, outfit_attributes(outfit), strict=True))
        assert set(attributes.values()) <= {0, 1}
        assert attributes['female'] == outfit.female
        assert attributes['hat'] == (outfit.hat_color is not None)
        assert [color for color in PALETTE if attributes[f'upper_{color}']] == [outfit.upper_color]
        assert [color for color in LOWER_COLORS if attributes[f'lower_{color}']] == [outfit.lower_color]
        assert attributes['skirt'] + attributes['shorts'] == (outfit.lower_kind != 'trousers')


def test_captions_agree_with_attributes(outfits):
    rng = np.random.default_rng(1)
    for outfit in outfits:
        caption = outfit_caption(outfit, rng)
        attributes = dict(zip(ATTRIBUTE_NAMES, outfit_attributes(outfit), strict=True))
        words = set(caption.replace(',', '').replace('.', '').lower().split())
        assert ('woman' in words) == attributes['female']
        assert ('man' in words) != attributes['female']
        assert ('long' in words) == attributes['long_hair']
        assert ('hat' in words) == attributes['hat']
        assert ('backpack' in words) == attributes['backpack']
        assert ('short-sleeved' in words) == attributes['short_sleeves']
        assert ('skirt' in words) == attributes['skirt']
        assert ('shorts' in words) == attributes['shorts']
        assert f'{outfit.lower_color} {outfit.lower_kind}' in caption
        assert f'{outfit.shoe_color} shoes' in caption
        assert outfit.upper_color in words
        assert (outfit.upper_second in caption) or outfit.upper_pattern == 'plain'
        assert '  ' not in caption
        assert not re.search(r'\ban? an? |\ba [aeiou]|\ban [^aeiou]', caption)
        assert caption.endswith('.')


def test_captions_use_several_templates(outfits):
    rng = np.random.default_rng(2)
    assert len({outfit_caption(outfits[0], rng) for _ in range(60)}) == 4


def test_palette_is_well_separated():
    values = torch.tensor(list(PALETTE.values()))
    gap = torch.cdist(values, values) + 9 * torch.eye(len(values))
    assert float(gap.min()) > 0.2


def painted(outfit, wardrobe, point, arm=(0.0, 0.0), piece=Piece.BODY):
    color = albedo(outfit, torch.tensor([int(piece)]), torch.tensor([point]), torch.tensor([arm]))[0]
    return color / color.max()


def hue(name):
    color = linear_rgb(PALETTE[name])
    return color / color.max()


def test_paint_lies_where_the_words_say(outfits, wardrobe):
    """Chest in the upper colour, thigh in the lower colour, forearm bare when sleeves are short."""
    plain = dataclasses.replace(
        outfits[0], upper_pattern='plain', upper_color='red', lower_color='blue', lower_kind='trousers',
        short_sleeves=True, backpack_color=None, hat_color='green', shoe_color='white',
    )  # fmt: skip
    torch.testing.assert_close(painted(plain, wardrobe, (0.0, -0.06, 0.72)), hue('red'))
    torch.testing.assert_close(painted(plain, wardrobe, (0.06, -0.04, 0.40)), hue('blue'))
    torch.testing.assert_close(painted(plain, wardrobe, (0.06, -0.04, 0.02)), hue('white'))
    torch.testing.assert_close(painted(plain, wardrobe, (0.0, 0.0, 1.0), piece=Piece.HAT), hue('green'))
    sleeve = painted(plain, wardrobe, (0.12, 0.0, 0.75), (1.0, 0.2))
    forearm = painted(plain, wardrobe, (0.12, 0.0, 0.60), (1.0, 0.8))
    torch.testing.assert_close(sleeve, hue('red'))
    assert float((forearm - hue('red')).abs().max()) > 0.2
    long = dataclasses.replace(plain, short_sleeves=False)
    torch.testing.assert_close(painted(long, wardrobe, (0.12, 0.0, 0.60), (1.0, 0.8)), hue('red'))


def test_stripes_show_both_colours(outfits, wardrobe):
    striped = dataclasses.replace(outfits[0], upper_pattern='striped', upper_color='red', upper_second='white')
    z = torch.linspace(0.6, 0.78, 60)
    rest = torch.stack((torch.zeros(60), torch.full((60,), -0.06), z), 1)
    color = albedo(striped, torch.zeros(60).long(), rest, torch.zeros(60, 2))
    reddish = color[:, 0] > 3 * color[:, 1]
    assert 15 < int(reddish.sum()) < 45


def test_cloth_covers_what_it_should(outfits, wardrobe):
    shorts = dataclasses.replace(outfits[0], lower_kind='shorts', short_sleeves=True)
    trousers = dataclasses.replace(shorts, lower_kind='trousers')
    bare, covered = cloth_thickness(shorts, wardrobe), cloth_thickness(trousers, wardrobe)
    shin = (wardrobe.rest[:, 2] - 0.15).abs() < 0.05
    shin &= wardrobe.parts >= 0
    assert shin.any()
    assert (bare[shin] == 0).all()
    assert (covered[shin] > 0).all()


def test_pieces(outfits):
    for outfit in outfits:
        worn = outfit.pieces()
        assert (Piece.SKIRT in worn) == (outfit.lower_kind == 'skirt')
        assert (Piece.BACKPACK in worn) == (outfit.backpack_color is not None)
        assert Piece.BODY in worn
