"""What the columns of public data sets with pedestrian attributes are called, and which belong together.

Names are spelled as the releases spell them, misspellings included, in the order of their columns. The groups stand in
the order of evaluation of Jia et al., "Rethinking of Pedestrian Attribute Recognition", 2021: read one after the other
they are the schema's ``eval_index``. Metrics do not depend on that order.
"""

from collections.abc import Mapping, Sequence

from .annotations import AttributeSchema


def grouped_schema(names: Sequence[str], groups: Mapping[str, Sequence[int]]) -> AttributeSchema:
    """A schema whose groups are told by their columns.

    Args:
        names (Sequence[str]): of A attributes.
        groups (Mapping[str, Sequence[int]]): group -> columns in [0, A), in the order of evaluation; what is in no
            group does not count in testing.

    Example:
        >>> grouped_schema(['red', 'hat', 'blue'], dict(head=[1], colour=[0, 2])).eval_index
        (1, 0, 2)
    """
    return AttributeSchema(
        tuple(names), {group: [names[column] for column in columns] for group, columns in groups.items()},
        eval_index=tuple(column for columns in groups.values() for column in columns))


def _names(words: str, prefix: str = '') -> list[str]:
    return [prefix + word for word in words.split()]


PA100K_GROUPS = dict(head=(7, 8), upper=range(13, 19), lower=range(19, 25), foot=(25, ), bag=range(9, 13),
                     age=range(1, 4), gender=(0, ), view=range(4, 7))
PA100K = grouped_schema(_names(
    'Female AgeOver60 Age18-60 AgeLess18 Front Side Back Hat Glasses HandBag ShoulderBag Backpack HoldObjectsInFront '
    'ShortSleeve LongSleeve UpperStride UpperLogo UpperPlaid UpperSplice LowerStripe LowerPattern LongCoat Trousers '
    'Shorts Skirt&Dress boots'), PA100K_GROUPS)
"""All 26."""

PETA_GROUPS = dict(
    head=(10, 18, 19, 30, 15), upper=(7, 9, 11, 14, 21, 26, 29, 32, 33, 34), lower=(6, 8, 12, 25, 27, 31),
    foot=(13, 23, 24, 28), bag=(4, 5, 17, 20, 22), age=range(4), gender=(16, ))
PETA = grouped_schema(_names(
    'personalLess30 personalLess45 personalLess60 personalLarger60 carryingBackpack carryingOther lowerBodyCasual '
    'upperBodyCasual lowerBodyFormal upperBodyFormal accessoryHat upperBodyJacket lowerBodyJeans footwearLeatherShoes '
    'upperBodyLogo hairLong personalMale carryingMessengerBag accessoryMuffler accessoryNothing carryingNothing '
    'upperBodyPlaid carryingPlasticBags footwearSandals footwearShoes lowerBodyShorts upperBodyShortSleeve '
    'lowerBodyShortSkirt footwearSneaker upperBodyThinStripes accessorySunglasses lowerBodyTrousers upperBodyTshirt '
    'upperBodyOther upperBodyVNeck'), PETA_GROUPS)
"""The 35 that are evaluated, the first of 105."""

RAPV1_GROUPS = dict(
    head=range(9, 15), upper=range(15, 24), lower=range(24, 30), shoes=range(30, 35), attachment=range(35, 43),
    age=range(1, 4), gender=(0, ), body=range(4, 7), role=range(7, 9), action=range(43, 51))
RAPV1 = grouped_schema([
    *_names('Female AgeLess16 Age17-30 Age31-45 BodyFat BodyNormal BodyThin Customer Clerk'),
    *_names('BaldHead LongHair BlackHair Hat Glasses Muffler', 'hs-'),
    *_names('Shirt Sweater Vest TShirt Cotton Jacket SuitUp Tight ShortSleeve', 'ub-'),
    *_names('LongTrousers Skirt ShortSkirt Dress Jeans TightTrousers', 'lb-'),
    *_names('Leather Sport Boots Cloth Casual', 'shoes-'),
    *_names('Backpack SingleShoulderBag HandBag Box PlasticBag PaperBag HandTrunk Other', 'attach-'),
    *_names('Calling Talking Gathering Holding Pusing Pulling CarrybyArm CarrybyHand', 'action-')], RAPV1_GROUPS)
"""The 51 that are evaluated, the first of 92."""

RAPV2_GROUPS = dict(
    head=range(10, 15), upper=range(15, 25), lower=range(25, 31), shoes=range(31, 37), attachment=range(37, 45),
    age=range(1, 5), gender=(0, ), body=range(5, 8), role=range(8, 10), action=range(45, 54))
RAPV2 = grouped_schema([
    *_names('Femal AgeLess16 Age17-30 Age31-45 Age46-60 BodyFat BodyNormal BodyThin Customer Employee'),
    *_names('BaldHead LongHair BlackHair Hat Glasses', 'hs-'),
    *_names('Shirt Sweater Vest TShirt Cotton Jacket SuitUp Tight ShortSleeve Others', 'ub-'),
    *_names('LongTrousers Skirt ShortSkirt Dress Jeans TightTrousers', 'lb-'),
    *_names('Leather Sports Boots Cloth Casual Other', 'shoes-'),
    *_names('Backpack ShoulderBag HandBag Box PlasticBag PaperBag HandTrunk Other', 'attachment-'),
    *_names('Calling Talking Gathering Holding Pushing Pulling CarryingByArm CarryingByHand Other', 'action-')],
    RAPV2_GROUPS)
"""The 54 that ``selected_attribute`` of the release picks out of 152, in its order."""

_MALS_UPPER = _names('black white red purple yellow blue green grey', 'upper_')
_MALS_LOWER = _names('black white purple yellow blue green pink grey brown', 'lower_')
MALS_HOLDS = dict(
    female=0, young=0, long_hair=1, hat=0, backpack=0, handbag=0, bag=0, short_sleeves=1, short_lower=1, dress=0,
    **dict.fromkeys(_MALS_UPPER + _MALS_LOWER, 0))
"""Attribute of MALS -> the label that means it holds.

A label is the place in a pair of phrases, which for six slots are two opposites: woman / man, younger / older than 18,
short / long hair, long / short sleeves, long / short trousers or dress, dress or skirt / trousers or shorts. The other
slots are "with" / "without", so 0 means yes. ``dress`` is the slot "dress or skirt".
"""
MALS = AttributeSchema(tuple(MALS_HOLDS), dict(upper=_MALS_UPPER, lower=_MALS_LOWER))
"""All 27; those of Market-1501's annotation, with age in one slot."""
