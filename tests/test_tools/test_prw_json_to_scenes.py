import importlib.util
import json
from pathlib import Path

import pytest

from pedsearch.datasets import SearchSceneDataset

TOOL = Path(__file__).parents[2] / 'tools/dataset_converters/prw_json_to_scenes.py'


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('prw_json_to_scenes', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_camera_is_divided_by_time(tool, tmp_path, capsys):
    names = [f'c{camera}s1_{frame:06d}.jpg' for camera in (3, 1) for frame in (76, 1, 51, 26)]
    (tmp_path / 'frames').mkdir()
    for name in names:
        (tmp_path / 'frames' / name).write_text(name)
    content = dict(
        images=[dict(id=40 + i, file_name=name, width=1920, height=1080) for i, name in enumerate(names)],
        annotations=[dict(image_id=40 + i, bbox=[i, 2, 30, 60], person_id=7) for i in range(8)])
    (tmp_path / 'a.json').write_text(json.dumps(content))
    out = tmp_path / 'out'
    tool.main([str(tmp_path / 'a.json'), str(tmp_path / 'frames'), '--out', str(out)])
    assert capsys.readouterr().out == 'train: 4 images, 4 boxes\ntest: 4 images, 4 boxes\n'
    dataset = SearchSceneDataset(str(out), 'test')
    samples = [dataset.get_data_info(index) for index in range(4)]
    assert [(s['camid'], Path(s['img_path']).read_text()) for s in samples] == [
        (1, 'c1s1_000051.jpg'), (1, 'c1s1_000076.jpg'), (3, 'c3s1_000051.jpg'), (3, 'c3s1_000076.jpg')]
    assert [s['instances'][0]['bbox'][0] for s in samples] == [names.index(Path(s['img_path']).name) for s in samples]


def test_empty_split(tool):
    with pytest.raises(ValueError, match='both splits need a frame, got 2 for training and 0 for testing'):
        tool.split_by_time(['c1s1_000001.jpg', 'c1s1_000002.jpg'], 0.9)
