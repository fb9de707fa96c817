import dataclasses
import json
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pedsearch.datasets import Market1501Dataset, SearchSceneDataset
from pedsearch.datasets.dataset_checks import check_scenes
from pedsearch.mesh.sites import STYLES, build_site

sys.path.append(str(Path(__file__).parents[2] / 'tools' / 'dataset_converters'))
import compose_scenes as tool
import scene_backgrounds as backgrounds
import scene_casting as casting
import scene_composition as composition
from scene_composition import Cutout

SIZE = (180, 320)
CAMERAS, CROPS_EACH = 3, 2
TRAIN_IDS, TEST_IDS = range(1, 9), range(21, 27)
# Share of PRW's training images with 1, 2, ... people.
PRW_CROWD = (.189, .251, .210, .136, .095, .060, .032, .015, .006, .003, .002)


def color(person: int) -> np.ndarray:
    """Bright and different for each person."""
    return np.array(cv2.cvtColor(np.uint8([[[person * 23 % 180, 220, 220]]]), cv2.COLOR_HSV2BGR)[0, 0], float)


def body(height: int = 96, width: int = 48) -> np.ndarray:
    """Mask of a simple figure: head, trunk, two legs."""
    mask = np.zeros((height, width), np.uint8)
    cv2.circle(mask, (width // 2, round(.1 * height)), round(.07 * height), 1, -1)
    for x1, y1, x2, y2 in ((.25, .16, .75, .55), (.28, .5, .46, .95), (.54, .5, .72, .95)):
        cv2.rectangle(mask, (round(x1 * width), round(y1 * height)), (round(x2 * width), round(y2 * height)), 1, -1)
    return mask.astype(bool)


def person_crop(person: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    img = rng.normal(110, 8, (96, 48, 3))
    img[body()] = color(person) + rng.normal(0, 6, (96, 48, 3))[body()]
    return img.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope='module')
def crops(tmp_path_factory) -> str:
    """Market-1501's layout; person 8 and person 26 are seen by one camera only; one distractor in the gallery."""
    root = tmp_path_factory.mktemp('crops')
    for number, folder in enumerate(('bounding_box_train', 'bounding_box_test', 'query')):
        (root / folder).mkdir()
        for person in TEST_IDS if number else TRAIN_IDS:
            for camera in range(1, 2 if person in (8, 26) else CAMERAS + 1):
                for shot in range(1 if folder == 'query' else CROPS_EACH):
                    name = f'{person:04d}_c{camera}s1_{number}{shot:05d}_00.png'
                    cv2.imwrite(str(root / folder / name), person_crop(person, 10 * camera + shot))
    cv2.imwrite(str(root / 'bounding_box_test/0000_c1s1_000009_00.png'), person_crop(0))
    return str(root)


@pytest.fixture(scope='module')
def places(tmp_path_factory) -> str:
    """Four flat pictures: one per camera, and one more."""
    root = tmp_path_factory.mktemp('places')
    for place in range(4):
        cv2.imwrite(str(root / f'place{place}.png'), np.full((200, 300, 3), 60 + 40 * place, np.uint8))
    return str(root)


def command(crops: str, places: str, out: Path, *options: object) -> list[str]:
    fixed = ['market1501', crops, '--out', out, '--backgrounds', places, '--scenes', 24, 16, '--size', *SIZE[::-1],
             '--workers', 1]
    return [str(word) for word in (*fixed, *options)]


# --- cutting people out


def test_mask_finds_the_body():
    for person in range(6):
        found, truth = composition.body_mask(person_crop(person, person)) > .5, body()
        assert (found & truth).sum() / (found | truth).sum() > .85


def test_mask_depends_on_the_crop_only():
    crop = person_crop(3)
    first = composition.body_mask(crop)
    cv2.setRNGSeed(12345)
    composition.body_mask(person_crop(5, 7))
    assert np.array_equal(first, composition.body_mask(crop))
    assert not first[[0, -1]].any()
    assert not first[:, [0, -1]].any()


@pytest.mark.parametrize('shape', [(128, 64, 3), (1, 1, 3), (40, 200, 3), (300, 30, 3)])
def test_a_crop_that_shows_nothing_is_cut_by_the_prior(shape):
    person = composition.cut_out(np.full(shape, 90, np.uint8))
    height, width = person.alpha.shape
    assert person.bbox[3] - person.bbox[1] > .7 * height
    assert 0 < person.bbox[2] - person.bbox[0] < width
    assert abs(person.bbox[0] + person.bbox[2] - width) <= 2  # in the middle


def test_alpha_box_equals_a_loop():
    rng = np.random.default_rng(0)
    for _ in range(20):
        alpha = np.zeros((12, 9))
        alpha[rng.integers(0, 12, 5), rng.integers(0, 9, 5)] = rng.uniform(.3, .8, 5)
        cells = [(x, y) for y in range(12) for x in range(9) if alpha[y, x] >= .5]
        expected = [min(x for x, _ in cells), min(y for _, y in cells), 1 + max(x for x, _ in cells),
                    1 + max(y for _, y in cells)] if cells else [0] * 4
        assert composition.alpha_box(alpha).tolist() == expected


def test_light_moves_by_a_share():
    rng = np.random.default_rng(0)
    img = rng.integers(80, 121, (40, 20, 3)).astype(np.uint8)
    alpha = np.zeros((40, 20))
    same = composition.match_light(img, alpha, img)
    assert np.abs(same - img).max() < 1e-3
    moved = composition.match_light(img, alpha, img + 60)  # the same contrast
    assert np.abs(moved - img - 60 * composition.LIGHT_SHARE).max() < 1e-3
    flat = composition.match_light(img, alpha, np.full_like(img, 100))
    assert flat.std() < img.std()
    assert composition.match_light(img, alpha + 1, img + 60).tolist() == img.tolist()  # nothing known of its light


# --- placing and pasting


def test_covered_shares_equal_counted_pixels():
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 20, (40, 2))
    boxes = np.concatenate([corners, corners + rng.integers(1, 20, (40, 2))], axis=1)
    for box in boxes:
        shares = composition.covered_shares(box, boxes)
        for other, share in zip(boxes, shares):
            near, far = (other, box) if other[3] >= box[3] else (box, other)
            canvas = np.zeros((40, 40))
            canvas[far[1]:far[3], far[0]:far[2]] = 1
            area = canvas.sum()
            canvas[near[1]:near[3], near[0]:near[2]] = 0
            assert share == pytest.approx(1 - canvas.sum() / area)


def test_people_stand_in_perspective_and_in_the_picture():
    rng, perspective, size = np.random.default_rng(0), composition.Perspective(.35, .9, .43), (540, 960)
    boxes = np.concatenate([composition.place_people([.37] * 5, perspective, size, rng) for _ in range(300)])
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= (960, 540)).all()
    heights, feet = (boxes[:, 3] - boxes[:, 1]) / 540, boxes[:, 3] / 540
    assert feet.min() >= .43 - .5 / 540
    free = (feet < 1) & (feet > .431)  # nobody's feet go below the picture, nobody's float
    ratio = heights[free] / (.9 * (feet[free] - .35))
    assert np.median(ratio) == pytest.approx(1, abs=.03)
    assert np.log(ratio).std() == pytest.approx(composition.STATURE_SPREAD, rel=.2)
    # PRW's shares of the height of the picture: 5 % at 0.086, half at 0.185, 95 % at 0.496.
    assert np.quantile(heights, [.05, .5, .95]) == pytest.approx([.086, .185, .496], rel=.15)


def test_nobody_hides_another():
    rng, perspective = np.random.default_rng(0), composition.Perspective(.3, 1., .35)
    some_overlap = 0
    for _ in range(60):
        boxes = composition.place_people([.4] * 12, perspective, SIZE, rng)
        boxes = boxes[boxes[:, 3] > 0]
        for index, box in enumerate(boxes):
            share = composition.covered_shares(box, boxes[:index]).max(initial=0)
            assert share <= composition.MAX_OVERLAP
            some_overlap += share > .1
    assert some_overlap > 60


def test_no_room_is_no_endless_search():
    boxes = composition.place_people([30.] * 9, composition.Perspective(.3, 1., .35), (100, 20), np.random.default_rng(0))
    assert (boxes[:, 3] == 0).any()


def soft_people(rng: np.random.Generator, boxes: np.ndarray) -> list[Cutout]:
    """People whose crops fit their boxes, with alpha from 0.1, so that no light is matched."""
    people = []
    for x1, y1, x2, y2 in boxes:
        alpha = rng.uniform(.1, 1, (y2 - y1, x2 - x1)).astype(np.float32)
        people.append(Cutout(rng.integers(0, 256, (*alpha.shape, 3)).astype(np.uint8), alpha, np.array([0, 0, *alpha.shape[::-1]])))
    return people


def test_compose_equals_painting_from_far_to_near():
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 256, (60, 80, 3)).astype(np.uint8)
    boxes = np.array([[5, 5, 30, 50], [20, 10, 50, 59], [40, 0, 70, 40], [0, 0, 0, 0], [25, 20, 45, 55]])
    people = soft_people(rng, np.where(boxes[:, 3:] > 0, boxes, [0, 0, 4, 4]))
    img, pasted, shares = composition.compose(ground, people, boxes, 0.)
    painted, order = ground.astype(float), [2, 0, 4, 1]
    for index in order:
        x1, y1, x2, y2 = boxes[index]
        alpha = people[index].alpha[..., None].astype(float)
        painted[y1:y2, x1:x2] = alpha * people[index].img + (1 - alpha) * painted[y1:y2, x1:x2]
    assert np.abs(img - painted).max() <= .51
    for place, index in enumerate(order):
        free = np.ones((60, 80))
        for near in order[place + 1:]:
            x1, y1, x2, y2 = boxes[near]
            free[y1:y2, x1:x2] *= 1 - people[near].alpha
        x1, y1, x2, y2 = boxes[index]
        alpha = people[index].alpha
        assert shares[index] == pytest.approx((alpha * free[y1:y2, x1:x2]).sum() / alpha.sum(), abs=1e-5)
    assert shares[3] == 0
    assert np.array_equal(pasted, boxes)


def test_who_is_hidden_is_not_pasted_and_hides_nobody():
    rng = np.random.default_rng(0)
    ground = np.zeros((60, 60, 3), np.uint8)
    boxes = np.array([[10, 20, 30, 50], [10, 22, 30, 52], [10, 5, 30, 30]])
    people = [Cutout(person.img, np.ones_like(person.alpha), person.bbox) for person in soft_people(rng, boxes)]
    img, pasted, shares = composition.compose(ground, people, boxes, .5)
    assert shares.tolist() == pytest.approx([0, 1, 17 / 25])
    assert pasted[0].tolist() == [0] * 4
    without = composition.compose(ground, people[1:], boxes[1:], .5)[0]
    assert np.array_equal(img, without)


def test_people_are_scaled_to_their_box():
    person = composition.cut_out(person_crop(4))
    for box in ([30, 20, 60, 140], [100, 60, 115, 90]):
        box = np.array(box)
        img, pasted, shares = composition.compose(np.full((*SIZE, 3), 110, np.uint8), [person], box[None], .3)
        assert np.abs(pasted[0, [1, 3]] - box[[1, 3]]).max() <= 1
        assert shares.tolist() == pytest.approx([1])
        x, y = (pasted[0, :2] + pasted[0, 2:]) // 2
        assert np.abs(img[y - 3, x] - color(4)).max() < 40


# --- who is where


def test_crowds_are_those_of_prw():
    rng = np.random.default_rng(0)
    numbers = np.array([casting.draw_number(3.16, 14, rng) for _ in range(20000)])
    assert numbers.mean() == pytest.approx(3.16, abs=.05)
    shares = np.bincount(numbers, minlength=12)[1:12] / len(numbers)
    assert np.abs(shares - PRW_CROWD).sum() / 2 < .03
    assert {casting.draw_number(5, 6, rng) for _ in range(500)} == set(range(1, 7))
    assert {casting.draw_number(1, 6, rng) for _ in range(50)} == {1}


def test_deck_deals_in_rounds():
    deck = casting.Deck('abcd', np.random.default_rng(0))
    rounds = [''.join(sorted(deck.deal() for _ in range(4))) for _ in range(5)]
    assert rounds == ['abcd'] * 5
    assert {deck.deal(without='abc') for _ in range(5)} == {'d'}
    assert deck.deal(without='abcd') is None
    assert casting.Deck([], np.random.default_rng(0)).deal() is None


def test_people_of_two_cameras_keep_their_identity_first(crops):
    for split, last, num_ids in (('train', 8, 7), ('test', 26, 5)):
        dataset = Market1501Dataset(crops, split)
        people = casting.choose_people(dataset, num_ids, 100, np.random.default_rng(0))
        ids = TEST_IDS if split == 'test' else range(8)  # training people are numbered from 0; the distractor is nobody
        assert sorted(people) == list(ids)
        assert sorted(people.values()) == [-1, *range(100, 100 + num_ids)]
        assert people[last if split == 'test' else 7] == -1
    assert sum(pid < 0 for pid in casting.choose_people(dataset, None, 0, np.random.default_rng(0)).values()) == 1


def test_plans(crops):
    dataset = Market1501Dataset(crops, 'train')
    rng = np.random.default_rng(0)
    people = casting.choose_people(dataset, 6, 0, rng)
    plans = casting.plan_scenes(dataset, people, 400, (2.5, 6), .2, rng)
    names = {pid: dataset.get_data_info(int(np.flatnonzero(dataset.pids == pid)[0]))['img_path'].split('/')[-1][:4]
             for pid in people}
    shown, used = Counter(), Counter()
    for index, plan in enumerate(plans):
        assert (plan.split, plan.index) == ('train', index)
        files = [figure.path.split('/')[-1] for figure in plan.figures]
        assert 1 <= len(files) <= 6
        assert len({name[:4] for name in files}) == len(files)  # nobody twice, bystanders neither
        assert {name[6] for name in files} == {str(plan.camid + 1)}
        for figure, name in zip(plan.figures, files):
            assert names[next(pid for pid in people if names[pid] == name[:4])] == name[:4]
            assert figure.pid == people[next(pid for pid in people if names[pid] == name[:4])]
            shown[figure.pid] += 1
            used[name] += 1
    assert shown[-1] / shown.total() == pytest.approx(.2, abs=.05)
    labelled = [shown[pid] for pid in range(6)]
    assert max(labelled) < 1.3 * min(labelled)
    assert len(used) == len(dataset)  # every crop is made use of


def test_small_casts_make_small_scenes(crops):
    dataset = Market1501Dataset(crops, 'train')
    people = casting.choose_people(dataset, 2, 0, np.random.default_rng(0))
    plans = casting.plan_scenes(dataset, people, 50, (9, 9), 0, np.random.default_rng(0))
    assert {len(plan.figures) for plan in plans} == {2}


# --- backgrounds


def test_places(tmp_path):
    for name in ('c1_001.png', 'c1_002.png', 'c2_001.png', 'deep/street/1.png', 'deep/street/2.png', 'notes.txt', 'film.avi'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def found(*roots: str, **options: bool) -> list[list[str]]:
        places = backgrounds.find_places([str(tmp_path / root) for root in roots], **options)
        return [[str(Path(path).relative_to(tmp_path)) for path in place] for place in places]

    street = ['deep/street/1.png', 'deep/street/2.png']
    assert found('') == [['c1_001.png'], ['c1_002.png'], ['c2_001.png'], street, ['film.avi']]
    assert found('', by_name=True) == [['c1_001.png', 'c1_002.png'], ['c2_001.png'], street, ['film.avi']]
    assert found('film.avi', 'c1_002.png') == [['c1_002.png'], ['film.avi']]
    with pytest.raises(FileNotFoundError, match='nowhere does not exist; expected a folder of pictures or a video'):
        found('nowhere')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='--backgrounds must hold pictures, got none in .*empty; leave it out'):
        found('empty')


def test_the_median_shows_nobody(tmp_path):
    ground = np.random.default_rng(0).integers(0, 200, (48, 64, 3)).astype(np.uint8)
    video = cv2.VideoWriter(str(tmp_path / 'film.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 5, (64, 48))
    (tmp_path / 'frames').mkdir()
    smooth = cv2.GaussianBlur(ground, (0, 0), 5)
    for index in range(9):
        for canvas, write in ((ground.copy(), lambda img, i=index: cv2.imwrite(f'{tmp_path}/frames/{i}.png', img)),
                              (smooth.copy(), video.write)):
            canvas[10:40, 7 * index:7 * index + 7] = 255  # who walks by
            write(canvas)
    video.release()
    places = backgrounds.find_places([str(tmp_path)])
    film, frames = places
    assert np.array_equal(backgrounds.median_picture(frames), ground)
    assert np.abs(backgrounds.median_picture(film).astype(int) - smooth).mean() < 8
    with pytest.raises(ValueError, match='film.avi shows people, whom nobody annotated; pass --median'):
        backgrounds.build_views([0], SIZE, 0, [str(tmp_path)])
    cv2.imwrite(f'{tmp_path}/frames/9.png', ground[:40])
    with pytest.raises(ValueError, match=r'one static camera, got sizes \[\(64, 40\), \(64, 48\)\] beside'):
        backgrounds.build_views([0], SIZE, 0, [str(tmp_path)], median=True)
    (tmp_path / 'film.avi').write_bytes(b'no film')
    with pytest.raises(ValueError, match='film.avi cannot be decoded; convert it to frames'):
        backgrounds.median_picture(film)


def test_frames_of_a_median_are_spread():
    assert backgrounds.spread(5) == [0, 1, 2, 3, 4]
    assert backgrounds.spread(0) == []
    chosen = backgrounds.spread(300)
    assert (len(chosen), chosen[0], chosen[-1]) == (backgrounds.MAX_FRAMES, 0, 299)


def test_windows_keep_proportions():
    y, x = np.mgrid[:200, :600].astype(np.float32)
    img = np.dstack([x, y, y])
    cut = backgrounds.cut_window(img, (50, 100), .5, 1., 0.)  # 200 x 100 pixels at the right, above
    assert cut.shape == (50, 100, 3)
    assert cut[0, 0].tolist() == pytest.approx([400.5, .5, .5])
    assert cut[-1, -1].tolist() == pytest.approx([598.5, 98.5, 98.5])


def test_every_camera_has_a_view(places):
    rng = np.random.default_rng(0)
    many = backgrounds.build_views([0, 2, 5], SIZE, 0, [places])
    seen = {camid: {int(view.draw(SIZE, rng)[0, 0, 0]) for _ in range(20)} for camid, view in many.items()}
    assert seen == {0: {60, 180}, 2: {100}, 5: {140}}  # four places, dealt in turn
    shared = backgrounds.build_views(range(9), SIZE, 0, [places])
    assert len({(view.pictures, view.window, view.is_mirrored) for view in shared.values()}) == 9
    assert all(view.draw(SIZE, rng).shape == (*SIZE, 3) for view in shared.values())


def test_places_are_rendered_where_none_are_given():
    views = backgrounds.build_views([0, 1], (90, 160), 0)
    again = backgrounds.build_views([0, 1], (90, 160), 0)
    first, second = (view.draw((90, 160), np.random.default_rng(0)) for view in views.values())
    assert first.shape == second.shape == (90, 160, 3)
    assert np.abs(first.astype(int) - second).mean() > 10
    assert np.array_equal(first, again[0].draw((90, 160), np.random.default_rng(0)))


def test_a_rendered_place_tells_its_perspective():
    site = STYLES[1]
    perspective = backgrounds.render_place(1, (540, 960), np.random.default_rng(0)).perspective
    camera = build_site(site, (540, 960), (54., 270.), 2, np.random.default_rng(0)).camera
    for distance in (5., 9., 20.):
        foot, head = (camera.project(torch.tensor([[.3, distance, height]]))[0, 1].item() / 540 for height in (0., 1.75))
        assert perspective.slope * (foot - perspective.horizon) == pytest.approx(foot - head, rel=.1)
    assert perspective.horizon < perspective.ground < camera.project(torch.tensor([[0., 20., 0.]]))[0, 1].item() / 540


# --- the tool


def test_scenes(crops, places, tmp_path, capsys):
    out = tmp_path / 'new/scenes'
    assert tool.main(command(crops, places, out, '--ids', 6, 5)) == 0
    lines = capsys.readouterr().out.splitlines()[-2:]
    assert [line.split(':')[0] for line in lines] == ['train', 'test']
    assert '24 images' in lines[0]
    assert '5 identities' in lines[1]
    assert sorted(path.name for path in out.parent.iterdir()) == ['scenes']  # nothing of the building site is left
    assert all(finding.ok for finding in check_scenes(str(out), True))

    content = {split: json.loads((out / f'annotations/{split}.json').read_text()) for split in tool.SPLITS}
    pids = {split: {person['person_id'] for person in content[split]['annotations']} for split in tool.SPLITS}
    assert (pids['train'], pids['test']) == ({-1, *range(6)}, {-1, *range(6, 11)})
    for split in tool.SPLITS:
        images = {image['id']: image for image in content[split]['images']}
        per_scene = Counter((person['image_id'], person['person_id']) for person in content[split]['annotations'])
        assert all(number == 1 for (_, pid), number in per_scene.items() if pid >= 0)
        people = {}
        for person in content[split]['annotations']:
            image, crop = images[person['image_id']], Path(person['crop'])
            assert (Path(crops) / crop).is_file()
            assert int(crop.name[6]) - 1 == image['camera_id']
            assert person['person_id'] < 0 or people.setdefault(person['person_id'], crop.name[:4]) == crop.name[:4]
            assert .3 <= person['visibility'] <= 1
            x, y, w, h = person['bbox']
            if person['visibility'] > .99 and h > 30:
                img = cv2.imread(str(out / 'images' / image['file_name'])).astype(float)
                trunk = img[y + h // 4:y + h // 2, x + w // 3:x + 2 * w // 3].mean((0, 1))
                true = color(int(crop.name[:4]))
                assert np.dot(trunk - trunk.mean(), true - true.mean()) > 0  # the hue of the one who is named
        assert len(set(people.values())) == len(people)

    dataset = SearchSceneDataset(str(out), 'test')
    queries = dataset.protocols['search']
    assert {query['pid'] for query in queries} <= set(range(6, 11))
    assert len(queries) >= 5
    assert SearchSceneDataset(str(out), 'train').num_ids == 6


def test_files_depend_on_the_seed_only(crops, places, tmp_path):
    options = ['--scenes', 9, 3]
    for name, more in dict(one=[], four=['--workers', 4], other=['--seed', 1]).items():
        assert tool.main(command(crops, places, tmp_path / name, *options, *more)) == 0
    files = {name: {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob('*.*')}
             for name in ('one', 'four', 'other')}
    assert len(files['one']) == 15
    assert files['one'] == files['four']
    assert files['one'] != files['other']


def test_scenes_depend_on_no_other_scene(crops, places, tmp_path):
    dataset = Market1501Dataset(crops, 'train')
    people = casting.choose_people(dataset, 6, 0, np.random.default_rng(0))
    plans = casting.plan_scenes(dataset, people, 5, (3, 6), .2, np.random.default_rng(0))
    views = backgrounds.build_views(range(3), SIZE, 0, [places])
    studio = tool.Studio(str(tmp_path), crops, views, SIZE, .3, 0)

    def write(plan: casting.ScenePlan) -> tuple[dict, bytes]:
        return tool.write_scene(studio, plan), (tmp_path / f'train_c{plan.camid}_{plan.index:06d}.jpg').read_bytes()

    forth = [write(plan) for plan in plans]
    back = [write(plan) for plan in plans[::-1]]
    assert forth == back[::-1]
    elsewhere = write(dataclasses.replace(plans[0], index=9))
    assert [person['bbox'] for person in elsewhere[0]['people']] != [person['bbox'] for person in forth[0][0]['people']]


def test_own_crops_without_cameras(places, tmp_path):
    for part, ids in (('train', 'abc'), ('query', 'de'), ('gallery', 'de')):
        for number, person in enumerate(ids):
            (tmp_path / 'own' / part / person).mkdir(parents=True)
            cv2.imwrite(str(tmp_path / 'own' / part / person / f'{part}{number}.png'), person_crop(number))
    assert tool.main(['crops', *command(str(tmp_path / 'own'), places, tmp_path / 'out', '--ids', 3, 2)[1:]]) == 0
    content = json.loads((tmp_path / 'out/annotations/train.json').read_text())
    assert content['images'][0]['camera_id'] is None
    assert content['images'][0]['file_name'] == 'train_000000.jpg'
    assert all(finding.ok for finding in check_scenes(str(tmp_path / 'out'), False))


def test_all_or_nothing(crops, places, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tool, 'write_annotations', lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tool.main(command(crops, places, tmp_path / 'scenes', '--scenes', 2, 2))
    assert not list(tmp_path.iterdir())
    (tmp_path / 'scenes').mkdir()
    (tmp_path / 'scenes/mine.txt').touch()
    assert tool.main(command(crops, places, tmp_path / 'scenes')) == 1
    assert 'scenes must be a new or empty folder, got something in it' in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob('*')] == ['scenes', 'mine.txt']


def test_nobody_to_search_for(crops, places, tmp_path, capsys):
    assert tool.main(command(crops, places, tmp_path / 'scenes', '--scenes', 2, 1)) == 1
    assert ('nobody is in two of the 1 test scenes, so nobody can be searched for; ask for more --scenes or fewer --ids'
            in capsys.readouterr().err)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(('options', 'message'), [
    (['--ids', 9, 3], '--ids must be from 1 to 8, the identities of the train crops in .*, got 9; ask for fewer'),
    (['--ids', 3, 7], '--ids must be from 1 to 6, the identities of the test crops'),
    (['--scenes', 0, 5], r'--scenes: expected two numbers from 1, got \[0, 5\]'),
    (['--size', 900, 50], r'--size: expected width and height from 64 pixels, got \[900, 50\]'),
    (['--people', 5, 4], r'--people: expected a mean from 1 and a whole number that is not smaller, got \[5.0, 4.0\]'),
    (['--unlabelled', 1], '--unlabelled: expected a share from 0 to less than 1, got 1.0'),
    (['--min-visibility', 0], '--min-visibility: expected a share of more than 0, to 1, got 0.0'),
    (['--workers', 0], '--workers: expected a number from 1, got 0'),
    (['--backgrounds', 'nowhere'], 'background nowhere does not exist')])
def test_bad_options(crops, places, tmp_path, options, message, capsys):
    assert tool.main(command(crops, places, tmp_path / 'scenes', *options)) == 1
    error = capsys.readouterr().err
    assert error.startswith('error: ')
    assert error.count('\n') == 1
    with pytest.raises(ValueError, match=message):
        raise ValueError(error)
    assert not list(tmp_path.iterdir())


def test_no_crops(places, tmp_path, capsys):
    assert tool.main(command(str(tmp_path), places, tmp_path / 'scenes')) == 1
    assert 'must contain bounding_box_train' in capsys.readouterr().err
    assert tool.main(['market1501', str(tmp_path), '--out', str(tmp_path / 'scenes'), '--median']) == 1
    assert '--median: expected --backgrounds beside it' in capsys.readouterr().err
