"""Compare a dataset on disk with what its authors published and say what is missing or wrong."""

import os.path as osp
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from PIL import Image, UnidentifiedImageError

from pedsearch.structures import UNLABELED

from .search_datasets import CUHKSYSUDataset, PRWDataset, SearchDataset, SearchSceneDataset
from .search_datasets.cuhk_sysu import GALLERY_SIZES
from .search_datasets.scene_file import load_json
from .search_datasets.search_dataset import list_files
from .transforms.loading import is_truncated

CUHK_SYSU_COUNTS = dict(
    train=dict(images=11206, boxes=55272, labelled_boxes=15080, ids=5532),
    test=dict(images=6978, boxes=40871, labelled_boxes=8345, ids=2900, queries=2900))
"""Published counts of CUHK-SYSU."""

PRW_COUNTS = dict(
    train=dict(images=5704, boxes=18048, labelled_boxes=14907, ids=483),
    test=dict(images=6112, boxes=25062, labelled_boxes=19127, ids=544, queries=2057))
"""Counts of PRW v16.04.20."""

_NUM_NAMED = 5
_EXIF_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)


@dataclass(frozen=True)
class Finding:
    """One line of a report; ``ok`` is False where something has to be repaired."""

    ok: bool
    text: str


def check_cuhk_sysu(data_root: str, images: bool = False, counts: Mapping = CUHK_SYSU_COUNTS) -> list[Finding]:
    """Check CUHK-SYSU.

    Args:
        data_root (str): Folder of the release.
        images (bool): Read every picture too. Default: False.
        counts (Mapping): Expected counts of each split.
    """
    files = ['Images.mat', 'pool.mat', 'test/train_test/Train.mat']
    files += [f'test/train_test/TestG{size}.mat' for size in GALLERY_SIZES]
    findings = check_files(data_root, [f'annotation/{name}' for name in files])
    return findings + _check_splits(partial(CUHKSYSUDataset, data_root), counts, images)


def check_prw(data_root: str, images: bool = False, counts: Mapping = PRW_COUNTS) -> list[Finding]:
    """Check PRW; arguments as :func:`check_cuhk_sysu`."""
    findings = check_files(data_root, ['frame_train.mat', 'frame_test.mat', 'query_info.txt'])
    return findings + _check_splits(partial(PRWDataset, data_root), counts, images)


def check_scenes(data_root: str, images: bool = False) -> list[Finding]:
    """Check own data in the scene format, for which nobody published counts; arguments as :func:`check_cuhk_sysu`."""
    files = ['annotations/train.json', 'annotations/test.json']
    findings = check_files(data_root, files)
    findings += _check_splits(partial(SearchSceneDataset, data_root), dict(train={}, test={}), images)
    if all(finding.ok for finding in findings):
        people = [{a.get('person_id') for a in load_json(osp.join(data_root, name))['annotations']} for name in files]
        shared = [pid for pid in people[0] & people[1] if pid is not None and pid >= 0]
        findings.append(Finding(True, f'{len(shared)} identities occur in both splits'))
    return findings


def check_files(data_root: str, names: Sequence[str]) -> list[Finding]:
    """Say which of the named files are missing below ``data_root``."""
    if not osp.isdir(data_root):
        return [Finding(False, f'folder {data_root} does not exist')]
    return [Finding(False, f'file {name} is missing') for name in names if not osp.isfile(osp.join(data_root, name))]


def compare_counts(split: str, found: Mapping[str, int], expected: Mapping[str, int]) -> list[Finding]:
    """One finding per count; a count nobody expects is only told."""
    findings = []
    for name, number in found.items():
        wanted = expected.get(name, number)
        difference = '' if number == wanted else f', expected {wanted} ({number - wanted:+d})'
        findings.append(Finding(number == wanted, f'{split}: {number} {name.replace("_", " ")}{difference}'))
    return findings


def count_split(dataset: SearchDataset) -> dict[str, int]:
    """Count images, boxes, labelled boxes, identities, and for a test split the queries of the primary protocol."""
    pids = [i['pid'] for k in range(len(dataset)) for i in dataset.get_data_info(k)['instances']]
    counts = dict(
        images=len(dataset),
        boxes=dataset.num_boxes,
        labelled_boxes=sum(pid != UNLABELED for pid in pids),
        ids=dataset.num_ids)
    if dataset.split == 'test':
        counts['queries'] = len(next(iter(dataset.protocols.values())))
    return counts


def inspect_image(img_path: str, size: tuple[int, int] | None = None) -> str | None:
    """Say what is wrong with a picture file, or None.

    Args:
        img_path (str): The file.
        size (tuple[int, int] | None): Annotated (height, width).
    """
    name = osp.basename(img_path)
    with open(img_path, 'rb') as file:
        if is_truncated(file.read()):
            return f'{name} is truncated'
    try:
        with Image.open(img_path) as image:
            width, height = image.size
            if image.getexif().get(_EXIF_ORIENTATION) in _TURNED:
                width, height = height, width
    except (UnidentifiedImageError, OSError):
        return f'{name} is no picture'
    if size is not None and size != (height, width):
        return f'{name} is {width}x{height}, annotated as {size[1]}x{size[0]}'
    return None


def _check_splits(dataset_type: partial, counts: Mapping, images: bool) -> list[Finding]:
    findings = []
    for split, expected in counts.items():
        try:
            dataset = dataset_type(split=split, check_files=False)
        except (ValueError, OSError) as error:
            findings.append(Finding(False, f'{split}: {error}'))
            continue
        findings += compare_counts(split, count_split(dataset), expected)
        findings += _check_images(dataset, images)
    return findings


def _check_images(dataset: SearchDataset, read: bool) -> list[Finding]:
    samples = [dataset.get_data_info(index) for index in range(len(dataset))]
    folder = dataset.data_prefix['img_path']
    sizes = {osp.relpath(s['img_path'], folder): (s['height'], s['width']) if 'height' in s else None for s in samples}
    present = sorted(sizes.keys() & list_files(folder, list(sizes)))
    findings = _list_findings(f'{dataset.split}: images missing in {folder}', sorted(sizes.keys() - set(present)))
    if read:
        with ThreadPoolExecutor() as pool:
            faults = pool.map(lambda name: inspect_image(osp.join(folder, name), sizes[name]), present)
        findings += _list_findings(f'{dataset.split}: damaged images', [fault for fault in faults if fault])
    return findings


def _list_findings(title: str, names: Sequence[str]) -> list[Finding]:
    if not names:
        return []
    rest = f' and {len(names) - _NUM_NAMED} more' if len(names) > _NUM_NAMED else ''
    return [Finding(False, f'{title}: {", ".join(names[:_NUM_NAMED])}{rest}')]
