import numpy as np
import pytest
import torch

from pedsearch.functional.arrays import as_array, as_img_id


@pytest.mark.parametrize(('value', 'dtype', 'numbers'), [
    ([1, 2], np.int64, [1, 2]),
    ((1, 2.5), np.float64, [1, 2.5]),
    ([], np.float64, []),
    (3, np.int64, 3),
    ([[True], [False]], np.bool_, [[True], [False]]),
    (np.array([250, 255], np.uint8), np.uint8, [250, 255]),
    (np.array([.5], np.float16), np.float16, [.5]),
    ([np.array([1., 2.]), np.array([3., 4.])], np.float64, [[1, 2], [3, 4]]),
    (torch.tensor([[1, 2]]), np.int64, [[1, 2]]),
    (torch.tensor([True, False]), np.bool_, [True, False]),
    (torch.tensor(.25), np.float32, .25),
    (torch.tensor([.25], dtype=torch.float64), np.float64, [.25]),
    (torch.tensor([.25], dtype=torch.float16), np.float16, [.25]),
], ids=str)
def test_kind_and_numbers_are_kept(value, dtype, numbers):
    array = as_array(value, 'x')
    assert type(array) is np.ndarray
    assert array.dtype == dtype
    assert array.tolist() == numbers
    assert array.shape == np.shape(numbers)


def test_bfloat16_becomes_float32_without_loss():
    """1 + 2^-7 is the next number after 1 in bfloat16, 3e38 is beyond float16."""
    array = as_array(torch.tensor([1 + 2 ** -7, -1.5 * 2 ** 127], dtype=torch.bfloat16), 'x')
    assert array.dtype == np.float32
    assert array.tolist() == [1.0078125, -1.5 * 2 ** 127]


def test_tensors_of_a_graph_and_with_strides():
    weight = torch.arange(6.).reshape(2, 3).requires_grad_()
    assert as_array(2 * weight.T[::2], 'x').tolist() == [[0, 6], [4, 10]]
    assert as_array(torch.nn.Parameter(torch.ones(2)), 'x').tolist() == [1, 1]


@pytest.mark.parametrize(('value', 'kind'), [
    ('12', 'str'), (None, 'NoneType'), ({1: 2}, 'dict'), ({1, 2}, 'set'), (['1', '2'], 'list'), ([[1, 2], [3]], 'list'),
    ([None, 1], 'list'), (1j, 'complex'), (np.array(['2020-01-01'], 'M8[D]'), r'ndarray of datetime64\[D\]'), ((i for i in 'ab'), 'generator'),
])
def test_what_holds_no_plain_numbers(value, kind):
    text = f'^boxes must be an array of numbers, got {kind}; pass a NumPy array or a torch tensor$'
    with pytest.raises(TypeError, match=text):
        as_array(value, 'boxes')


@pytest.mark.parametrize('value', [3, -1, 'a.jpg', ('cam1', 3), None, np.int32(3)], ids=repr)
def test_an_image_id_stays_as_it_is(value):
    assert as_img_id(value, 'x') is value


@pytest.mark.parametrize('value', [torch.tensor(3), np.array(3), torch.tensor(3, dtype=torch.int32)], ids=repr)
def test_the_number_in_an_array_is_the_image_id(value):
    """Not the tensor: as a key of a dict it would equal nothing but itself."""
    assert {3: 'found'}[as_img_id(value, 'x')] == 'found'


@pytest.mark.parametrize(('value', 'kind'), [
    ([3], 'list'), ({}, 'dict'), (torch.tensor([3]), 'Tensor'), (np.array([3]), 'ndarray')])
def test_what_cannot_tell_images_apart(value, kind):
    with pytest.raises(TypeError, match=f'^x must be an image id such as an int or a file name, got {kind}$'):
        as_img_id(value, 'x')
