"""Oracles: sentences read by eye, and what must not be said."""

import pytest

from pedsearch.datasets.multimodal import caption_attributes, template_captions
from pedsearch.datasets.multimodal.attribute_schemas import MALS, PA100K, PETA, RAPV1, RAPV2


def only(schema, *names: str, rest: int = 0) -> list[int]:
    assert set(names) <= set(schema.names)
    return [1 if name in names else rest for name in schema.names]


@pytest.mark.parametrize(('schema', 'names', 'expected'), [
    (PA100K, ('Female', 'Age18-60', 'LongSleeve', 'Trousers', 'ShoulderBag', 'UpperPlaid', 'Skirt&Dress'),
     dict(female=1, adult=1, short_sleeves=0, dress=0, bag=1, patterned_upper=1)),
    (PA100K, ('AgeLess18', 'ShortSleeve', 'Hat'), dict(female=0, young=1, short_sleeves=1, hat=1)),
    (PETA, ('personalMale', 'personalLarger60', 'carryingBackpack'), dict(female=0, old=1, backpack=1)),
    (PETA, ('hairLong', ), dict(female=1, long_hair=1)),
    (RAPV1, ('hs-LongHair', 'lb-ShortSkirt', 'attach-HandBag'), dict(female=0, long_hair=1, skirt=1, handbag=1)),
    (RAPV2, ('Femal', 'lb-Jeans', 'attachment-ShoulderBag'), dict(female=1, dress=0, bag=1))])
def test_names_of_public_data(schema, names, expected):
    assert caption_attributes(schema.names, only(schema, *names)) == expected
    assert caption_attributes(schema.names, only(schema, *names, rest=-1)) == {
        key: value for key, value in expected.items() if key != 'female' or {'Female', 'Femal', 'personalMale'} & set(names)}


def test_colours_of_public_data():
    names = ['up-Red', 'ub-ColorGray', 'low-Blue', 'upperBodyBlack', 'footwearWhite', 'hairBrown', 'up-Mixture']
    assert caption_attributes(names, [1] * 7) == dict(
        upper_red=1, upper_grey=1, lower_blue=1, upper_black=1, shoes_white=1, hair_brown=1)
    assert caption_attributes(names, [0] * 7) == {}


def test_own_names_stay():
    names = [*MALS.names, 'shoes_black', 'hair_red', 'boots']
    values = [index % 3 - 1 for index in range(len(names))]
    assert caption_attributes(names, values) == {
        name: value for name, value in zip(names, values)
        if (value >= 0 or name == 'dress') and name != 'boots'}


def test_sleeves_that_nobody_named_are_not_long():
    for caption in template_captions(PA100K.names, only(PA100K, 'Female', 'Hat'), 20, (0, 1)):
        assert 'woman' in caption.text
        assert 'a hat' in caption.text
        assert not {'sleeved', 'trousers', 'hair', 'top'} & set(caption.text.replace('.', '').replace('-', ' ').split())


def test_a_key_decides_and_equal_sentences_count_once():
    values = only(MALS, 'hat', 'upper_red', 'lower_blue')
    captions = template_captions(MALS.names, values, 40, (3, 0, 5))
    assert captions == template_captions(MALS.names, values, 40, (3, 0, 5))
    assert len({caption.text for caption in captions}) == len(captions) < 40
    assert {caption.source for caption in captions} == {'template'}
    first = {template_captions(MALS.names, values, 1, (0, 0, number))[0].text for number in range(40)}
    assert len(first) > 5


def test_nothing_known_says_nothing():
    assert template_captions(MALS.names, [-1] * 27, 5, (0, )) == ()
    assert template_captions(['hat', 'boots'], [0, 1], 50, (0, )) == ()
    assert template_captions(['female'], [0], 0, (0, )) == ()
    with pytest.raises(ValueError, match='number of captions must be >= 0, got -1'):
        template_captions(['female'], [0], -1, (0, ))
