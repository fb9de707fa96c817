"""A rendered world against what its description promises."""

import dataclasses
import importlib.util

import numpy as np
import pytest
import torch

from pedsearch.mesh.anny_body import AnnyBody
from pedsearch.mesh.clothing import sample_outfit
from pedsearch.mesh.prism_body import PrismBody
from pedsearch.mesh.toy_world import PRESETS, ToyWorld, ToyWorldConfig
from pedsearch.structures import UNLABELED


def test_same_seed_same_image_other_seed_other_image(small_world, small_config):
    again = ToyWorld(small_config, PrismBody())
    first, second = small_world.render('train', 4), again.render('train', 4)
    np.testing.assert_array_equal(first.image, second.image)
    assert first.annotations == second.annotations
    other = ToyWorld(dataclasses.replace(small_config, seed=4), PrismBody()).render('train', 4)
    assert (first.image != other.image).mean() > 0.3


def test_an_image_does_not_depend_on_those_before_it(small_world, small_config):
    fresh = ToyWorld(small_config, PrismBody()).render('test', 7)
    for index in range(3):
        small_world.render('test', index)
    np.testing.assert_array_equal(small_world.render('test', 7).image, fresh.image)


def test_boxes_are_exact(small_world):
    """Each box against a plain scan of the silhouette, which is what the z-buffer drew of that person alone."""
    side = small_world.config.supersample
    count = 0
    for index in range(6):
        scene = small_world.render('train', index)
        for mask, person in zip(scene.silhouettes.numpy(), scene.annotations, strict=True):
            rows = [row for row in range(mask.shape[0]) if mask[row].any()]
            cols = [col for col in range(mask.shape[1]) if mask[:, col].any()]
            expected = [cols[0] / side, rows[0] / side, (cols[-1] + 1) / side, (rows[-1] + 1) / side]
            assert list(person.bbox) == expected
            assert 0 <= person.bbox[0] < person.bbox[2] <= small_world.config.image_size[1]
            assert 0 <= person.bbox[1] < person.bbox[3] <= small_world.config.image_size[0]
            count += 1
    assert count > 8


def test_people_change_the_picture_only_where_they_are(small_world, monkeypatch):
    """Against the same image without people: the rest of it differs in ground only, by shadows."""
    scene = small_world.render('train', 1)
    monkeypatch.setattr(small_world, 'visits', lambda split, index: [])
    empty = small_world.render('train', 1)
    assert empty.annotations == []
    side = small_world.config.supersample
    body = torch.nn.functional.max_pool2d(scene.silhouettes.any(0)[None].float(), side)[0].bool().numpy()
    ground = small_world.sites[1].backdrop.is_ground
    ground = torch.nn.functional.max_pool2d(ground[None].float(), side)[0].bool().numpy()
    changed = (scene.image != empty.image).any(-1)
    assert not changed[~body & ~ground].any()
    assert changed[body].mean() > 0.9
    shadow = changed & ~body
    assert (scene.image[shadow].astype(int) <= empty.image[shadow]).all()


def test_hidden_people_are_taken_out(small_world):
    least = small_world.config.min_visibility
    for split in ('train', 'test'):
        for index in range(6):
            assert all(person.visibility >= least for person in small_world.render(split, index).annotations)


def test_identities_are_disjoint(small_world):
    seen = {
        split: {pid for pids in small_world.schedule[split] for pid in pids} - {UNLABELED}
        for split in ('train', 'test')
    }
    assert seen['train'] == set(range(6))
    assert seen['test'] == set(range(6, 11))


def test_nobody_is_cast_twice(small_config, monkeypatch):
    """Every person drawn twice in a row: the second is passed over."""
    twins = []

    def draw_twins(rng):
        twins.append(twins[-1] if len(twins) % 2 else sample_outfit(rng))
        return twins[-1]

    monkeypatch.setattr('pedsearch.mesh.toy_world.sample_outfit', draw_twins)
    cast = ToyWorld(small_config, PrismBody()).characters
    assert len({character.outfit.look() for character in cast}) == len(cast) == 11
    assert len(twins) > len(cast)


def test_demo_schedule_keeps_its_promises():
    """Every test identity in at least 3 cameras and 6 images with a wide margin, nobody twice in an image."""
    config = dataclasses.replace(PRESETS['demo'], image_size=(36, 64), person_height=(8.0, 21.0), supersample=1)
    world = ToyWorld(config, PrismBody())
    for split, least in (('train', 8), ('test', 12)):
        images: dict[int, list[int]] = {}
        for index, pids in enumerate(world.schedule[split]):
            known = [pid for pid in pids if pid != UNLABELED]
            assert len(set(known)) == len(known)
            assert config.people[0] <= len(pids) <= config.people[1]
            for pid in known:
                images.setdefault(pid, []).append(index)
        assert set(images) == set(config.pids(split))
        assert min(map(len, images.values())) >= least
        assert min(len({index % 4 for index in seen}) for seen in images.values()) == 4
    pids = [pid for split in ('train', 'test') for image in world.schedule[split] for pid in image]
    assert pids.count(UNLABELED) / len(pids) == pytest.approx(config.unlabeled_share, abs=0.03)


def test_same_person_other_pose_other_place(small_world):
    visits = [v for index in range(9) for v in small_world.visits('train', index) if v.pid == 0]
    assert len(visits) >= 2
    assert len({visit.character.outfit for visit in visits}) == 1
    assert len({visit.gait.phase for visit in visits}) == len(visits)
    assert len({visit.heading for visit in visits}) == len(visits)
    crowd = [v for split in ('train', 'test') for index in range(9) for v in small_world.visits(split, index)]
    assert len({visit.gait.phase for visit in crowd}) == len(crowd)


@pytest.mark.skipif(importlib.util.find_spec('anny') is None, reason='anny is not installed')
def test_full_bodies(small_config):
    """With anny: people as tall as the camera makes an adult of their distance, two to four times as tall as wide."""
    world = ToyWorld(small_config, AnnyBody())
    people = [person for index in range(3) for person in world.render('train', index).annotations]
    assert people
    for person in people:
        x1, y1, x2, y2 = person.bbox
        assert 0.85 * 24 <= y2 - y1 <= 1.2 * 46
        assert 1.2 < (y2 - y1) / (x2 - x1) < 6


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(num_cameras=0), 'num_cameras must be >= 1, got 0'),
        (dict(people=(3, 2)), r'people must be \(fewest, most\)'),
        (dict(people=(2, 40)), 'people allows 40 in one image but a split has only 30 identities'),
        (dict(unlabeled_share=1.0), r'unlabeled_share must lie in \[0, 1\), got 1.0'),
    ],
)
def test_bad_config(change, message):
    with pytest.raises(ValueError, match=message):
        ToyWorldConfig(**change)
