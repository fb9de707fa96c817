"""Small releases of crops on disk: noise pictures under the names of the real ones."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

MARKET = {
    'bounding_box_train': ['0007_c3s3_077419_03.jpg', '0002_c1s1_000451_03.jpg', '0002_c2s1_000301_01.jpg.jpg',
                           '0007_c1s6_028546_04.jpg', '-1_c1s1_000401_03.jpg'],
    'query': ['0001_c1s1_001051_00.jpg', '0003_c6s1_009671_00.jpg'],
    'bounding_box_test': ['0001_c2s1_000301_00.jpg', '0000_c4s3_000151_01.jpg', '-1_c2s1_000401_03.jpg',
                          '0003_c5s1_015996_02.jpg', '0001_c1s1_002301_02.jpg'],
}
DUKE = {
    'bounding_box_train': ['0005_c2_f0046985.jpg', '0001_c8_f0046182.jpg'],
    'query': ['0005_c1_f0046985.jpg'],
    'bounding_box_test': ['0005_c8_f0051341.jpg', '7139_c1_f0051341.jpg'],
}
MSMT17 = {
    'train': ['0001/0001_000_15_0303morning_0015_0.jpg 1', '0000/0000_004_01_0303morning_0020_0_ex.jpg 0'],
    'val': ['0000/0000_001_02_0113noon_0008_1.jpg 0'],
    'query': ['0000/0000_000_03_0303morning_0008_0.jpg 0'],
    'gallery': ['0002/0002_000_12_0303morning_0008_0.jpg 2', '0000/0000_001_11_0114noon_0008_0.jpg 0'],
}


def write_pictures(root: Path, names: Iterable[str]) -> Path:
    """Write a picture of 4 x 8 pixels under each name."""
    rng = np.random.default_rng(0)
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode('.jpg', rng.integers(0, 256, (8, 4, 3), dtype=np.uint8))[1].tobytes())
    return root


def write_named(root: Path, release: dict[str, list[str]]) -> Path:
    """Write Market-1501 or DukeMTMC-reID, with the litter that real copies collect."""
    write_pictures(root, [f'{folder}/{name}' for folder, names in release.items() for name in names])
    for folder in release:
        (root / folder / 'Thumbs.db').write_bytes(b'litter')
        (root / folder / '._0001_c1s1_001051_00.jpg').write_bytes(b'litter')
    return root


def write_msmt17(root: Path, train: str = 'train', test: str = 'test') -> Path:
    for name, lines in MSMT17.items():
        folder = root / (train if name in ('train', 'val') else test)
        write_pictures(folder, [line.split()[0] for line in lines])
        (root / f'list_{name}.txt').write_text('\n'.join(lines) + '\n')
    return root


def tell(dataset) -> list[tuple]:
    """(place below the root, pid, camid) of each sample."""
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    return [(str(Path(info['img_path']).relative_to(dataset.data_root)), info['pid'], info['camid']) for info in infos]
