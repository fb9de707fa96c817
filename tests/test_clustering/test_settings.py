import numpy as np
import pytest
import torch

from pedsearch.clustering.settings import check_eps, check_ratio


@pytest.mark.parametrize(('eps', 'expected'), [
    (.6, .6), (0, 0), (np.float64(.5), .5), (torch.tensor(.5), .5), ([.6], [.6]), ((.5, 0), [.5, 0]),
    (np.array([.5, .25]), [.5, .25]), (torch.tensor([.5, .25]), [.5, .25])], ids=repr)
def test_radii(eps, expected):
    radii = check_eps(eps)
    assert radii.dtype == np.float64
    assert radii.tolist() == expected


@pytest.mark.parametrize('eps', [1, 1., 1.5, -.1, np.nan, np.inf, [.5, 1], [.5, np.nan]], ids=repr)
def test_radii_out_of_range(eps):
    with pytest.raises(ValueError, match=r'^eps must be in \[0, 1\), got .*; pairs that the graph does not store have the '
                                         'distance 1, so a larger radius would join all points$'):
        check_eps(eps)


@pytest.mark.parametrize('eps', ['.5', None, [], True, [[.5]], {.5}], ids=repr)
def test_what_is_no_radius(eps):
    with pytest.raises(ValueError, match='^eps must be a number or a sequence of numbers, got '):
        check_eps(eps)


def test_ratios():
    assert check_ratio(1, 'ratio') == 1.0
    for value in (0, -.1, 1.1, np.inf):
        with pytest.raises(ValueError, match=r'^ratio must be in \(0, 1\], got '):
            check_ratio(value, 'ratio')
    for value in (np.nan, '1', None, True):
        with pytest.raises(ValueError, match='^ratio must be a number, got '):
            check_ratio(value, 'ratio')
