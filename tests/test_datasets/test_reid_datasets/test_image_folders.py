import os
import re

import pytest

from pedsearch.datasets.reid_datasets.image_folders import find_release, list_images, match_names

from .crop_files import write_pictures


def test_listing_is_sorted_and_passes_litter_over(tmp_path):
    write_pictures(tmp_path, ['b/2.PNG', 'b/10.jpg', 'a.webp', 'B/c/1.JPEG'])
    write_pictures(tmp_path, ['.hidden/1.jpg', '._a.jpg', 'b/Thumbs.db', 'read.me', 'jpg'])
    write_pictures(tmp_path.with_name('elsewhere'), ['x.jpg'])
    os.symlink(tmp_path.with_name('elsewhere'), tmp_path / 'link')
    assert list_images(str(tmp_path)) == ['B/c/1.JPEG', 'a.webp', 'b/10.jpg', 'b/2.PNG', 'link/x.jpg']


def test_release(tmp_path):
    (tmp_path / 'unpacked/train').mkdir(parents=True)
    assert find_release(str(tmp_path), ['other', 'unpacked'], ['train']) == 'unpacked'
    assert find_release(str(tmp_path / 'unpacked'), ['unpacked'], ['train']) == ''
    with pytest.raises(FileNotFoundError, match=r'must contain train, test \(also accepted below a or b\), got no such'):
        find_release(str(tmp_path), ['a', 'b'], ['train', 'test'])


def test_only_the_last_part_of_a_path_is_read():
    pattern = re.compile(r'(\d)_')
    assert [match[1] for match in match_names(['9_/1_a.jpg', '2_.jpg'], pattern.match, 'D_', 'x')] == ['1', '2']
    with pytest.raises(ValueError, match='images in x must be named D_, got 1 of 2 that are not, first: 9_/a1_b.jpg; rename'):
        match_names(['1_a.jpg', '9_/a1_b.jpg'], pattern.match, 'D_', 'x')
