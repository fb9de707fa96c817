import importlib.util
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from pedsearch.datasets import SearchSceneDataset

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('mot_to_scenes', ROOT / 'tools/dataset_converters/mot_to_scenes.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def real_data() -> Path:
    folder = Path(os.environ.get('PEDSEARCH_DATA', ROOT / '../shared/data'))
    if not folder.is_dir():
        pytest.skip(f'no real data at {folder}; set PEDSEARCH_DATA')
    return folder


# frame -> tracks in it; at 10 frames a second track 1 leaves for 4 s and comes back, track 2 stays, track 3 is in the end
FRAMES = {1: [1, 2], 5: [1], 11: [1, 2], 15: [1, 2], 55: [1, 2], 59: [1], 60: [3], 61: [3]}


@pytest.fixture
def sequence(tmp_path) -> str:
    folder = tmp_path / 'SEQ-01'
    (folder / 'img1').mkdir(parents=True)
    (folder / 'gt').mkdir()
    (folder / 'seqinfo.ini').write_text('[Sequence]\nname=SEQ-01\nframeRate=10\nimExt=.png\n')
    lines = []
    for frame, tracks in FRAMES.items():
        picture = np.full((48, 64, 3), frame, np.uint8)
        cv2.imwrite(str(folder / f'img1/{frame:06d}.png'), picture)
        lines += [f'{frame},{track},{track}.5,3,10,20,1,1,0.{track}' for track in tracks]
    lines += ['1,8,1,1,5,5,0,1,1.0', '1,9,1,1,5,5,1,3,1.0', '9,1,1,1,5,5,0,1,1.0']  # ignored; a car; ignored
    (folder / 'gt/gt.txt').write_text('\n'.join(lines) + '\n')
    return str(folder)


def annotations(root: Path, split: str) -> list[tuple]:
    content = json.loads((root / f'annotations/{split}.json').read_text())
    frames = {image['id']: image['frame'] for image in content['images']}
    return [(frames[a['image_id']], a['person_id']) for a in content['annotations']]


def test_rows_that_count(tool, sequence):
    rows = tool.read_tracks(f'{sequence}/gt/gt.txt')
    assert [(int(f), int(t)) for f, t in rows[:, :2]] == [(f, t) for f, tracks in FRAMES.items() for t in tracks]
    assert set(tool.read_tracks(f'{sequence}/gt/gt.txt', min_visibility=0.25)[:, 1]) == {3}


@pytest.mark.parametrize(('line', 'message'), [
    ('1,1,2,3,4,5', r'line 2 must read "frame \(from 1\), id, x, y, w, h, conf'),
    ('0,1,2,3,4,5,1', 'line 2 must read'),
    ('1,one,2,3,4,5,1', 'line 2 must read'),
    ('1,1,nan,3,4,5,1', 'line 2 must read'),
    ('1,7,2,3,4,5,1', 'once per frame, got id 7 repeated in frame 1'),
])
def test_malformed_ground_truth(tool, tmp_path, line, message):
    path = tmp_path / 'gt.txt'
    path.write_text(f'1,7,2,3,4,5,1\n{line}\n')
    with pytest.raises(ValueError, match=message):
        tool.read_tracks(str(path))
    path.write_text('1,7,2,3,4,5,0\n')
    with pytest.raises(ValueError, match='at least one person that counts .* got none of 1 rows'):
        tool.read_tracks(str(path))


def test_visits_equal_a_loop(tool):
    rng = np.random.default_rng(0)
    for _ in range(20):
        frames = sorted(rng.choice(100, 15, replace=False).tolist())
        expected = [[frames[0], frames[0]]]
        for frame in frames[1:]:
            if frame - expected[-1][1] > 8:
                expected.append([frame, frame])
            expected[-1][1] = frame
        assert tool.split_visits(frames, 8) == [tuple(visit) for visit in expected]


def test_conversion_of_a_sequence(tool, sequence, tmp_path, capsys):
    out = tmp_path / 'out'
    tool.main([sequence, '--out', str(out), '--train-fraction', '0.25'])
    assert capsys.readouterr().out == 'train: 2 images, 3 boxes, 2 people\ntest: 6 images, 9 boxes, 3 people\n'
    assert annotations(out, 'train') == [(1, 0), (1, 1), (5, 0)]
    assert annotations(out, 'test') == [(f, t - 1) for f, tracks in FRAMES.items() if f > 5 for t in tracks]
    dataset = SearchSceneDataset(str(out), 'test', pipeline=[dict(type='LoadImage')])
    assert (dataset[1]['img'] == 15).all()  # the picture of frame 15
    assert dataset[0]['instances'][0]['bbox'] == [1.5, 3, 11.5, 23]
    # visits of track 1: frames 11-15 and 55-59; of track 2: 11-15 and 55; track 3 stays to the end
    frames = {img_id: frame for img_id, frame in enumerate(f for f in FRAMES if f > 5)}
    found = [(q['pid'], frames[q['img_id']], [frames[i] for i in q['gallery']], sorted(frames[i] for i in q['targets']))
             for q in dataset.protocols['search']]
    assert found == [(0, 15, [55, 59, 60, 61], [55, 59]), (0, 59, [11, 15, 60, 61], [11, 15]),
                     (1, 15, [55, 59, 60, 61], [55]), (1, 55, [11, 15, 59, 60, 61], [11, 15])]


def test_split_by_identity(tool, sequence, tmp_path):
    out = tmp_path / 'out'
    tool.main([sequence, '--out', str(out), '--split', 'identity', '--train-fraction', '0.34', '--protocol', 'all'])
    train, test = annotations(out, 'train'), annotations(out, 'test')
    assert [frame for frame, _ in train] == [frame for frame, _ in test]
    assert {pid for _, pid in train} == {0, None}
    assert {pid for _, pid in test} == {1, 2, None}
    assert all((a is None) != (b is None) for (_, a), (_, b) in zip(train, test))
    assert not (out / 'annotations/test_protocol.json').exists()


@pytest.mark.parametrize(('shared', 'num'), [([], 6), (['--shared-ids'], 3)])
def test_identities_of_two_cameras(tool, sequence, tmp_path, shared, num):
    second = tmp_path / 'SEQ-02'
    os.symlink(sequence, second)
    out = tmp_path / 'out'
    tool.main([sequence, str(second), '--out', str(out), '--protocol', 'all', *shared])
    content = [json.loads((out / f'annotations/{split}.json').read_text()) for split in ('train', 'test')]
    assert len({a['person_id'] for part in content for a in part['annotations']}) == num
    assert {image['camera_id'] for image in content[0]['images']} == {0, 1}


def test_video(tool, tmp_path):
    path, gt_file = str(tmp_path / 'clip.avi'), tmp_path / 'gt.txt'
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*'MJPG'), 10, (64, 48))
    for frame in range(1, 31):
        writer.write(np.full((48, 64, 3), 8 * frame, np.uint8))
    writer.release()
    gt_file.write_text('3,1,2,2,9,9,1\n29,1,2,2,9,9,1\n30,1,2,2,9,9,1\n')
    clip = tool.read_clip(path, str(gt_file))
    assert clip.fps == 10
    assert tool.extract_frames(clip, str(tmp_path / 'images')) == (48, 64)
    means = [cv2.imread(str(tmp_path / f'images/clip_{frame:06d}.jpg')).mean() for frame in (3, 29, 30)]
    assert np.allclose(means, [24, 232, 240], atol=3)  # frames count from 1
    gt_file.write_text('31,1,2,2,9,9,1\n')
    with pytest.raises(ValueError, match='ends before frame 31; its ground truth goes on to 31'):
        tool.extract_frames(tool.read_clip(path, str(gt_file)), str(tmp_path / 'images'))
    with pytest.raises(ValueError, match=r'clip\.avi needs its ground truth; pass --gt FILE'):
        tool.read_clip(path)


def test_what_cannot_be_converted(tool, sequence, tmp_path):
    out = str(tmp_path / 'out')
    with pytest.raises(ValueError, match='sources must have different names, got SEQ-01 repeated'):
        tool.main([sequence, sequence, '--out', out])
    with pytest.raises(FileNotFoundError, match='gone does not exist; expected a MOT sequence folder or a video'):
        tool.main([str(tmp_path / 'gone'), '--out', out])
    with pytest.raises(FileNotFoundError, match=r'gt\.txt does not exist; a MOT sequence has its tracks in gt/gt\.txt'):
        tool.main([str(tmp_path), '--out', out])
    with pytest.raises(ValueError, match='nobody in the test split comes back after 3.0 s; lower --min-absence'):
        tool.main([sequence, '--out', out, '--train-fraction', '0.7'])
    with pytest.raises(ValueError, match='--train-fraction must be more than 0 and less than 1, got 1.0'):
        tool.main([sequence, '--out', out, '--train-fraction', '1'])
    os.remove(f'{sequence}/img1/000005.png')
    with pytest.raises(ValueError, match=r'000005\.png does not exist; the ground truth has people in frame 5'):
        tool.main([sequence, '--out', out])


def test_counts_of_the_real_tracks(tool, real_data):
    path = real_data / 'pets09_s2l1/gt_sampled.txt'
    listed = np.loadtxt(path, delimiter=',')
    assert (len(np.unique(listed[:, 0])), len(listed), len(np.unique(listed[:, 1]))) == (31, 159, 17)
    rows = tool.read_tracks(str(path))
    assert (len(np.unique(rows[:, 0])), len(rows), len(np.unique(rows[:, 1]))) == (31, int((listed[:, 6] != 0).sum()), 17)
    for name, per_frame, num_frames in (('MOT17-02-FRCNN', 22, 4), ('MOT17-04-FRCNN', 42, 8)):
        clip = tool.read_clip(str(real_data / 'mot17_mini' / name))
        _, counts = np.unique(clip.rows[:, 0], return_counts=True)
        assert counts.tolist() == [per_frame] * num_frames
        assert clip.fps == 30
