import numpy as np
import pytest
from scipy.io import savemat

from pedsearch.datasets.search_datasets.mat_file import load_mat, numeric, struct_field, struct_rows


@pytest.fixture
def path(tmp_path, releases) -> str:
    rows = [dict(name='a', values=np.zeros((1, 0))), dict(name='b', values=np.array([[1, 300]], dtype=np.uint16))]
    savemat(tmp_path / 'x.mat', dict(
        many=releases.struct_array(rows), one=releases.struct_array(rows[1:]),
        cells=releases.cell_array([releases.struct_array([row]) for row in rows]), number=7, second=8))
    return str(tmp_path / 'x.mat')


@pytest.mark.parametrize(('variable', 'names'), [('many', ['a', 'b']), ('cells', ['a', 'b']), ('one', ['b'])])
def test_struct_arrays_cells_and_single_structs_read_alike(path, variable, names):
    rows = struct_rows(load_mat(path, [variable]), path)
    assert [struct_field(row, 'name', path) for row in rows] == names
    assert struct_field(rows[-1], 'values', path).tolist() == [1, 300]


def test_preferred_variable(path):
    assert load_mat(path, ['gone', 'number', 'second']) == 7
    assert load_mat(path, ['second', 'number']) == 8


def test_field_by_position(path):
    row = struct_rows(load_mat(path, ['one']), path)[0]
    assert struct_field(row, 'imname', path, 0) == 'b'
    with pytest.raises(ValueError, match=r"x\.mat must have a field 'box', got fields \['name', 'values'\]"):
        struct_field(row, 'box', path, 2)


def test_numbers_are_no_structs(path):
    with pytest.raises(ValueError, match=r'x\.mat must hold structs, got'):
        struct_rows(load_mat(path, ['number']), path)


def test_numbers_and_what_is_none(path):
    assert numeric(np.array([1, 300], dtype=np.uint16), 'here').tolist() == [1, 300]
    assert numeric(np.zeros((1, 0), dtype=object), 'here').shape == (1, 0)
    for value in ('box', np.array(['1', '2']), load_mat(path, ['one'])):
        with pytest.raises(ValueError, match='x.mat, s1.jpg must hold numbers, got .*; download the file again'):
            numeric(value, 'x.mat, s1.jpg')
