"""Oracles: numbers and orders that papers and the evaluation code in use state."""

import pytest

from pedsearch.datasets.multimodal import AttributeSchema
from pedsearch.datasets.multimodal import attribute_schemas as schemas

SIZES = dict(
    PA100K=(26, [2, 6, 6, 1, 4, 3, 1, 3]), PETA=(35, [5, 10, 6, 4, 5, 4, 1]),
    RAPV1=(51, [6, 9, 6, 5, 8, 3, 1, 3, 2, 8]), RAPV2=(54, [5, 10, 6, 6, 8, 4, 1, 3, 2, 9]))


@pytest.mark.parametrize('name', SIZES)
def test_groups_add_up_and_order_every_column(name):  # O30
    schema, (total, sizes) = getattr(schemas, name), SIZES[name]
    assert len(schema.names) == len(set(schema.names)) == total == sum(sizes)
    assert [len(group) for group in schema.groups.values()] == sizes
    assert sorted(schema.eval_index) == list(range(total))
    assert [schema.names[column] for column in schema.eval_index] == sum(schema.groups.values(), [])
    assert AttributeSchema.parse(schema.as_json(), name) == schema


def test_pa100k_is_evaluated_in_the_published_order():
    assert schemas.PA100K.eval_index == (
        7, 8, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 9, 10, 11, 12, 1, 2, 3, 0, 4, 5, 6)
    assert [schemas.PA100K.names[column] for column in (0, 4, 12, 24, 25)] == [
        'Female', 'Front', 'HoldObjectsInFront', 'Skirt&Dress', 'boots']


@pytest.mark.parametrize(('name', 'beginnings'), [
    ('PETA', dict(upper=['upper'], lower=['lower'], foot=['footwear'], bag=['carrying'], head=['accessory', 'hair'],
                  age=['personalL'], gender=['personalM'])),
    ('RAPV1', dict(head=['hs'], upper=['ub'], lower=['lb'], shoes=['shoes'], attachment=['attach'], action=['action'],
                   body=['Body'], age=['Age'], gender=['Fem'], role=['C'])),
    ('RAPV2', dict(head=['hs'], upper=['ub'], lower=['lb'], shoes=['shoes'], attachment=['attach'], action=['action'],
                   body=['Body'], age=['Age'], gender=['Fem'], role=['Customer', 'Employee']))])
def test_names_tell_their_group(name, beginnings):
    groups = getattr(schemas, name).groups
    assert set(groups) == set(beginnings)
    for group, members in groups.items():
        assert all(member.startswith(tuple(beginnings[group])) for member in members), group


def test_mals_has_27_slots():  # O30
    assert len(schemas.MALS.names) == len(set(schemas.MALS.names)) == 27
    assert [len(group) for group in schemas.MALS.groups.values()] == [8, 9]
    assert {name for name, code in schemas.MALS_HOLDS.items() if code} == {'long_hair', 'short_sleeves', 'short_lower'}
