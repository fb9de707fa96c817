import json

import pytest

from pedsearch.evaluation.json_dump import check_dump, write_json


def test_content_is_written_and_nothing_else(tmp_path):
    path = tmp_path / 'new folder' / 'results.json'
    write_json(path, {'a': [1, 2.5, None]})
    assert json.loads(path.read_text()) == {'a': [1, 2.5, None]}
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'results.json'
    write_json(path, 'old')
    with pytest.raises(ValueError, match='Out of range float'):
        write_json(path, float('nan'))
    monkeypatch.setattr('os.replace', lambda *args: (_ for _ in ()).throw(OSError('disk full')))
    with pytest.raises(OSError, match='disk full'):
        write_json(path, 'new')
    assert json.loads(path.read_text()) == 'old'


def test_names_of_dumps(tmp_path):
    for value in (None, 'a.json', tmp_path / 'b.json'):
        assert check_dump(value) is value
    for value in ('a.pkl', 3, ''):
        with pytest.raises(ValueError, match=f'dump must be the path of a .json file or None, got {value!r}'):
            check_dump(value)
