"""Compare a dataset on disk with what its authors published and say what is missing or wrong."""

import os.path as osp
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image, UnidentifiedImageError

from pedsearch.structures import UNLABELED

from .reid_datasets import CropDataset, Market1501Dataset, MSMT17Dataset, ReIDDataset
from .reid_datasets.crop_dataset import present_parts
from .search_datasets import CUHKSYSUDataset, PRWDataset, SearchDataset, SearchSceneDataset
from .search_datasets.cuhk_sysu import GALLERY_SIZES
from .search_datasets.scene_file import load_json
from .split_dataset import SplitDataset, list_files
from .transforms.loading import is_truncated

CUHK_SYSU_COUNTS = dict(
    train=dict(images=11206, boxes=55272, labelled_boxes=15080, ids=5532),
    test=dict(images=6978, boxes=40871, labelled_boxes=8345, ids=2900, queries=2900))
"""Published counts of CUHK-SYSU."""

PRW_COUNTS = dict(
    train=dict(images=5704, boxes=18048, labelled_boxes=14907, ids=483),
    test=dict(images=6112, boxes=25062, labelled_boxes=19127, ids=544, queries=2057))
"""Counts of PRW v16.04.20."""

MARKET1501_COUNTS = dict(
    train=dict(images=12936, ids=751, cameras=6),
    query=dict(images=3368, ids=750, cameras=6),
    gallery=dict(images=15913, ids=750, cameras=6, distractors=2798))
"""Published counts of Market-1501, junk left out; distractors are images of nobody who is searched for."""

MSMT17_COUNTS = dict(
    train=dict(images=32621, ids=1041, cameras=15),
    query=dict(images=11659, ids=3060, cameras=15),
    gallery=dict(images=82161, ids=3060, cameras=15, distractors=0))
"""Published counts of MSMT17, the same for both versions; training with the validation list."""

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


def check_market1501(data_root: str, images: bool = False, counts: Mapping = MARKET1501_COUNTS) -> list[Finding]:
    """Check Market-1501; arguments as :func:`check_cuhk_sysu`, ``counts`` of each part."""
    return check_files(data_root, []) or _check_parts(partial(Market1501Dataset, data_root), counts, images)


def check_msmt17(data_root: str, images: bool = False, counts: Mapping = MSMT17_COUNTS) -> list[Finding]:
    """Check MSMT17, the version that is there; arguments as :func:`check_market1501`."""
    return check_files(data_root, []) or _check_parts(partial(MSMT17Dataset, data_root), counts, images)


def check_crops(data_root: str, images: bool = False) -> list[Finding]:
    """Check own crops, for which nobody published counts; arguments as :func:`check_market1501`.

    A split of which there is nothing at all is passed over.
    """
    parts = present_parts(data_root)
    splits = [split for split, names in dict(train={'train'}, test={'query', 'gallery'}).items() if parts & names]
    build = partial(CropDataset, data_root)
    findings = check_files(data_root, []) or _check_parts(build, {}, images, splits or ['train'])
    if len(splits) == 2 and all(finding.ok for finding in findings):
        people = [set(build(split=split, check_files=False).identities) for split in splits]
        findings.append(Finding(True, f'{len(people[0] & people[1])} identities occur in both splits'))
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


def count_parts(dataset: ReIDDataset) -> dict[str, dict[str, int]]:
    """Count images, identities and cameras of each part of a split, and what else matters for training or testing.

    Returns:
        dict[str, dict[str, int]]: ``train``: also images without identity and identities seen by several cameras.
        ``query`` and ``gallery``: identities that are searched for; distractors of the gallery show nobody of them.
    """
    pids, camids = dataset.pids, dataset.camids
    if dataset.split == 'train':
        places = np.unique(np.stack([pids, camids])[:, (pids != UNLABELED) & (camids >= 0)], axis=1)  # (2, places)
        spread = np.unique(places[0], return_counts=True)[1] > 1
        return dict(train=dict(
            images=len(pids), ids=dataset.num_ids, cameras=dataset.num_cameras,
            images_without_identity=int((pids == UNLABELED).sum()), ids_in_several_cameras=int(spread.sum())))
    is_query = np.array([dataset.get_data_info(index)['is_query'] for index in range(len(dataset))])
    searched = np.isin(pids, pids[is_query])
    parts = dict(query=is_query, gallery=~is_query)
    counts = {
        name: dict(
            images=int(part.sum()),
            ids=len(np.unique(pids[part & searched])),
            cameras=len(np.unique(camids[part & (camids >= 0)])))
        for name, part in parts.items()
    }
    counts['gallery']['distractors'] = int((~searched).sum())
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


def _check_parts(dataset_type: partial, counts: Mapping, images: bool,
                 splits: Sequence[str] = ('train', 'test')) -> list[Finding]:
    findings = []
    for split in splits:
        try:
            dataset = dataset_type(split=split, check_files=False)
        except (ValueError, OSError) as error:
            findings.append(Finding(False, f'{split}: {error}'))
            continue
        for part, found in count_parts(dataset).items():
            findings += compare_counts(part, found, counts.get(part, {}))
        findings += _check_images(dataset, images)
    return findings


def _check_images(dataset: SplitDataset, read: bool) -> list[Finding]:
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
