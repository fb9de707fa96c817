import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from pedsearch.datasets.transforms import LoadImage, LoadSearchAnnotations
from pedsearch.datasets.transforms.loading import is_truncated
from pedsearch.registry import TRANSFORMS


@pytest.fixture(scope='module')
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def encode(picture: np.ndarray, kind: str) -> bytes:
    if kind == 'jpeg with thumbnail':
        thumbnail, buffer = io.BytesIO(), io.BytesIO()
        Image.fromarray(picture[:16, :16]).save(thumbnail, 'JPEG')
        # The end marker of the thumbnail must not pass for that of the picture.
        Image.fromarray(picture).save(buffer, 'JPEG', comment=thumbnail.getvalue())
        return buffer.getvalue()
    if kind == 'progressive jpeg':
        return cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    return cv2.imencode(f'.{kind}', picture)[1].tobytes()


@pytest.mark.parametrize('kind', ['jpg', 'progressive jpeg', 'jpeg with thumbnail', 'png'])
def test_truncation_is_seen_at_every_length(picture, kind, tmp_path):
    data = encode(picture, kind)
    assert not is_truncated(data)
    assert not is_truncated(data + b'\0' * 100)
    path = tmp_path / 'cut.jpg'
    for length in (0, 1, 2, 5, 100, len(data) // 3, len(data) // 2, len(data) - 200, len(data) - 2):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match=r'image .*cut\.jpg (is truncated after|\(\d+ bytes\) cannot be decoded)'):
            LoadImage().transform(dict(img_path=str(path)))


@pytest.mark.parametrize('kind', ['jpg', 'progressive jpeg', 'jpeg with thumbnail', 'png'])
def test_truncation_is_seen_without_decoding(picture, kind):
    data = encode(picture, kind)
    # The last third of each file is picture data, in the file with a thumbnail too.
    assert all(is_truncated(data[:length]) for length in range(2 * len(data) // 3, len(data) - 8))


def test_interrupted_download_padded_with_zeros(picture):
    data = encode(picture, 'jpg')
    assert is_truncated(data[:len(data) // 2] + b'\0' * (len(data) // 2))


def test_image_of_another_size_than_annotated(picture, tmp_path):
    path = str(tmp_path / 'a.png')
    cv2.imwrite(path, picture)
    with pytest.raises(ValueError, match=r'a\.png must be 61x40 pixels as annotated, got 60x40; correct the annotation'):
        LoadImage().transform(dict(img_path=path, height=40, width=61))


def test_missing_file_and_other_content(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'image .*gone\.jpg does not exist; check data_root'):
        LoadImage().transform(dict(img_path=str(tmp_path / 'gone.jpg')))
    path = tmp_path / 'text.jpg'
    path.write_text('no picture')
    with pytest.raises(ValueError, match=r'text\.jpg \(10 bytes\) cannot be decoded; expected a JPEG or PNG'):
        LoadImage().transform(dict(img_path=str(path)))


def test_loaded_fields(picture, tmp_path):
    path = str(tmp_path / 'a.png')
    cv2.imwrite(path, picture)
    results = LoadImage(to_float32=True).transform(dict(img_path=path))
    assert results['img'].dtype == np.float32
    assert np.array_equal(results['img'], picture)
    assert results['ori_shape'] == results['img_shape'] == (40, 60) == (results['height'], results['width'])


UNUSUAL = {
    'grey.jpg': Image.new('L', (4, 6), 200),
    'grey.png': Image.new('L', (4, 6), 200),
    'cmyk.jpg': Image.new('CMYK', (4, 6), (0, 55, 55, 0)),
    'deep.png': Image.fromarray(np.full((6, 4), 200 * 257, dtype=np.uint16)),
    'transparent.png': Image.new('RGBA', (4, 6), (200, 200, 200, 0)),
    'palette.png': Image.new('RGB', (4, 6), (200, 200, 200)).quantize(2),
    'one_pixel.jpg': Image.new('RGB', (1, 1), (200, 200, 200)),
    'one_pixel.png': Image.new('L', (1, 1), 200),
}


@pytest.mark.parametrize('name', UNUSUAL)
def test_unusual_pictures_become_three_channels(tmp_path, name):
    picture = UNUSUAL[name]
    picture.save(tmp_path / name)
    img = LoadImage().transform(dict(img_path=str(tmp_path / name)))['img']
    assert img.dtype == np.uint8
    assert img.shape == (*picture.size[::-1], 3)
    color = (200, 200, 255) if name == 'cmyk.jpg' else (200, 200, 200)  # BGR; ink over white: 255 - 55 = 200
    assert np.abs(img.astype(int) - color).max() <= 2


@pytest.mark.parametrize('content', [b'', b'\0' * 50, b'GIF89a', b'\xff\xd8 cut', b'\x89PNG\r\n\x1a\n cut'])
def test_broken_files_give_one_line(tmp_path, content):
    path = tmp_path / 'broken.jpg'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'image .*broken\.jpg (is truncated|\(\d+ bytes\) cannot be decoded)') as caught:
        LoadImage().transform(dict(img_path=str(path)))
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('num', [0, 2])
def test_annotations(num):
    instances = [dict(bbox=[1, 2, 3 + i, 4], bbox_label=0, ignore_flag=i, pid=7 - i) for i in range(num)]
    queries = [dict(query_id=4, bbox=[1, 2, 3, 4], pid=7)] * num
    results = LoadSearchAnnotations().transform(dict(instances=instances, queries=queries))
    assert results['gt_bboxes'].tensor.tolist() == [[1, 2, 3, 4], [1, 2, 4, 4]][:num]
    assert results['gt_bboxes'].tensor.shape == (num, 4) == results['query_bboxes'].shape
    assert results['gt_pids'].tolist() == [7, 6][:num]
    assert results['gt_pids'].dtype == np.int64
    assert results['gt_ignore_flags'].tolist() == [False, True][:num]
    assert results['query_ids'].tolist() == [4] * num
    assert results['query_ids'].dtype == np.int64
    assert 'query_ids' not in LoadSearchAnnotations().transform(dict(instances=instances))


@pytest.mark.parametrize(('flags', 'slots'), [([], []), ([0, 0], [5, 6]), ([1, 0, 1, 0], [-1, 5, -1, 6]), ([1], [-1])])
def test_slots_pass_over_ignored_boxes(flags, slots):
    instances = [dict(bbox=[1, 2, 3, 4], bbox_label=0, ignore_flag=flag, pid=3) for flag in flags]
    results = LoadSearchAnnotations().transform(dict(instances=instances, first_slot=5))
    assert results['gt_slots'].tolist() == slots
    assert results['gt_slots'].dtype == np.int64
    assert 'gt_slots' not in LoadSearchAnnotations().transform(dict(instances=instances))


@pytest.mark.parametrize('dataset', ['cuhk_sysu', 'prw'])
@pytest.mark.parametrize(('size', 'resized'), [((1080, 1920), (844, 1500)), ((576, 720), (900, 1125))])
def test_resize_of_the_configs(dataset, size, resized):  # search.md O-27
    cfg = Config.fromfile(Path(__file__).parents[3] / f'configs/_base_/datasets/{dataset}.py')
    for pipeline in (cfg.train_pipeline, cfg.test_pipeline):
        (step, ) = [step for step in pipeline if step.type == 'mmdet.Resize']
        assert step == dict(type='mmdet.Resize', scale=(1500, 900), keep_ratio=True)
        results = TRANSFORMS.build(step).transform(dict(img=np.zeros((*size, 3), np.uint8)))
        assert results['img'].shape[:2] == results['img_shape'] == resized
