import re

from pedsearch.datasets.reid_datasets import Crop
from pedsearch.datasets.reid_datasets.named_crops import read_named_crops

from .crop_files import write_pictures


def test_parts_and_groups(tmp_path):
    write_pictures(tmp_path / 'Release', ['query/c4_p7.jpg', 'bounding_box_test/c1_p7.png', 'bounding_box_test/c2_p8.png'])
    pattern = re.compile(r'c(?P<camera>\d)_p(?P<pid>\d)')
    assert read_named_crops(str(tmp_path), 'test', 'Release', pattern, 'cC_pP') == [
        Crop('Release/query/c4_p7.jpg', 7, 3, True), Crop('Release/bounding_box_test/c1_p7.png', 7, 0),
        Crop('Release/bounding_box_test/c2_p8.png', 8, 1)]
