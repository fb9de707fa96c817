import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from pedsearch.evaluation import FeatureTable, read_features, write_features

COLUMNS = ('feats', 'img_paths', 'pids', 'camids', 'is_query', 'labels')
INFOS = [
    dict(img_path='a/ä b.jpg', pid=4, camid=1, is_query=True, sample_idx=0),
    dict(img_path='', pid=-1, camid=-1, is_query=False),
    dict(img_path='c.jpg', pid=2, camid=0, label=7),
]


def table() -> FeatureTable:
    return FeatureTable.of(torch.arange(6.).reshape(3, 2).to(torch.bfloat16), INFOS)


def test_table_holds_what_the_samples_say() -> None:
    found = table()
    assert [getattr(found, name).tolist() for name in COLUMNS] == [
        [[0, 1], [2, 3], [4, 5]], ['a/ä b.jpg', '', 'c.jpg'], [4, -1, 2], [1, -1, 0], [True, False, False], [-1, -1, 7]]
    assert found.feats.dtype == np.float32
    assert len(found) == 3
    assert found.select(np.array([2, 0])).pids.tolist() == [2, 4]
    assert found.select(found.is_query).img_paths.tolist() == ['a/ä b.jpg']


def test_file_gives_back_the_table(tmp_path: Path) -> None:
    path = tmp_path / 'deep' / 'features.npz'
    write_features(path, table())
    found = read_features(path)
    for name in COLUMNS:
        before, after = getattr(table(), name), getattr(found, name)
        assert before.dtype == after.dtype
        assert np.array_equal(before, after)
    first = path.read_bytes()
    write_features(path, found)
    assert path.read_bytes() == first
    assert [entry.name for entry in path.parent.iterdir()] == ['features.npz']


def test_failure_leaves_the_old_file(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / 'features.npz'
    write_features(path, table())
    before = path.read_bytes()

    def fail(file: io.BufferedWriter, **arrays: np.ndarray) -> None:
        file.write(b'half')
        raise OSError('disk is full')

    monkeypatch.setattr(np, 'savez', fail)
    with pytest.raises(OSError, match='disk is full'):
        write_features(path, table())
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ['features.npz']


def test_columns_must_fit() -> None:
    with pytest.raises(ValueError, match=r"all others \(N,\), got {'feats': \(2, 2\), 'img_paths': \(3,\)"):
        FeatureTable.of(np.eye(2), INFOS)
    with pytest.raises(ValueError, match=r"feats must have shape \(N, D\)"):
        FeatureTable.of(np.ones(3), INFOS)
    with pytest.raises(ValueError, match='must be finite, got 1 rows with NaN'):
        FeatureTable.of([[1, np.nan], [1, 1], [1, 1]], INFOS)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / 'x.npz'
    with pytest.raises(FileNotFoundError, match='x.npz do not exist; write them with tools/extract_features.py'):
        read_features(path)
    for content in (b'', b'nothing', pickle.dumps([1])):
        path.write_bytes(content)
        with pytest.raises(ValueError, match='x.npz holds no features'):
            read_features(path)
    np.savez(path, feats=np.eye(2))
    with pytest.raises(ValueError, match='x.npz holds no features'):
        read_features(path)
    columns = {name: getattr(table(), name) for name in COLUMNS}
    np.savez(path, format='pedsearch-features 2', **columns)
    with pytest.raises(ValueError, match="must have the format 'pedsearch-features 1', got 'pedsearch-features 2'"):
        read_features(path)
    np.savez(path, format='pedsearch-features 1', **{**columns, 'img_paths': columns['img_paths'].astype(object)})
    with pytest.raises(ValueError, match='x.npz holds no features .*allow_pickle=False'):
        read_features(path)
    with pytest.raises(ValueError, match='features go into a .npz file, got .*x.json'):
        write_features(tmp_path / 'x.json', table())
