"""Oracles: the file that ``tools/extract_features.py`` writes, and a sorted loop over its rows."""

import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from pedsearch.apis import GalleryIndex, ReIDInferencer
from pedsearch.evaluation import FeatureTable, read_features
from pedsearch.registry import INFERENCERS
from tests.test_tools.reid_files import SIZE, write_run

TOOL = Path(__file__).parents[2] / 'tools/extract_features.py'


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    """``config.py``, ``weights.pth`` and crops."""
    folder = tmp_path_factory.mktemp('reid')
    write_run(folder)
    return folder


@pytest.fixture(scope='module')
def table(folder: Path) -> FeatureTable:
    """Test images and their features."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('CUDA_VISIBLE_DEVICES', '')
        patch.setenv('LOCAL_RANK', '0')
        patch.setattr(sys, 'argv', [str(TOOL), str(folder / 'config.py'), str(folder / 'weights.pth'), '--out',
                                    str(folder / 'test.npz'), '--batch-size', '4'])
        runpy.run_path(str(TOOL), run_name='__main__')
    return read_features(folder / 'test.npz')


@pytest.fixture(scope='module')
def inferencer(folder: Path) -> ReIDInferencer:
    return ReIDInferencer(folder / 'config.py', folder / 'weights.pth', device='cpu', batch_size=4)


@pytest.fixture(scope='module')
def gallery(table: FeatureTable) -> list[str]:
    return table.img_paths[~table.is_query].tolist()


def test_embeddings_are_those_of_the_command(folder: Path, inferencer: ReIDInferencer, table: FeatureTable) -> None:
    paths = table.img_paths.tolist()
    built = INFERENCERS.build(dict(type='ReIDInferencer', config_or_model=str(folder / 'config.py'),
                                   checkpoint=str(folder / 'weights.pth'), device='cpu', batch_size=100))
    for found in (inferencer.embed(paths), inferencer.embed(map(Path, paths)), built.embed(paths)):
        assert found.dtype == np.float32
        assert found.shape == (15, 64)
        assert np.abs(found - table.feats).max() <= 1e-6
        assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-6)
    assert np.abs(table.feats[0] - table.feats[1]).max() > 1e-2


def test_array_is_the_file_it_was_read_from(inferencer: ReIDInferencer, gallery: list) -> None:
    arrays = [cv2.imread(path) for path in gallery]
    assert np.array_equal(inferencer.embed(arrays), inferencer.embed(gallery))
    assert np.array_equal(inferencer.embed(np.stack(arrays)), inferencer.embed(gallery))
    swapped = inferencer.embed([image[..., ::-1] for image in arrays])
    assert np.abs(swapped - inferencer.embed(gallery)).max() > 1e-2
    assert np.array_equal(inferencer.embed([gallery[0]] * 3), inferencer.embed([arrays[0]] * 3))


def test_rows_have_length_one_whatever_the_model_gives(folder: Path, table: FeatureTable, gallery: list,
                                                       monkeypatch) -> None:
    long = ReIDInferencer(folder / 'config.py', folder / 'weights.pth', device='cpu')
    extract = long.model.extract_feat
    monkeypatch.setattr(long.model, 'extract_feat', lambda *args: 5 * extract(*args).half())
    assert np.abs(long.embed(gallery) - table.feats[~table.is_query]).max() < 1e-3
    assert np.linalg.norm(long.embed(gallery), axis=1) == pytest.approx(1, abs=1e-6)


def test_search_is_a_sorted_loop(inferencer: ReIDInferencer, table: FeatureTable, gallery: list) -> None:
    index = inferencer.index(gallery)
    rows = np.flatnonzero(~table.is_query)
    for query in np.flatnonzero(table.is_query):
        scored = sorted(((float(table.feats[query] @ table.feats[row]), table.img_paths[row]) for row in rows), reverse=True)
        hits = inferencer.search(table.img_paths[query], index, topk=5)
        assert [hit.image for hit in hits] == [path for _, path in scored[:5]]
        assert [hit.score for hit in hits] == pytest.approx([score for score, _ in scored[:5]], abs=1e-6)
        assert hits == inferencer.search(cv2.imread(table.img_paths[query]), index, topk=5)


def test_index_survives_its_file(inferencer: ReIDInferencer, gallery: list, tmp_path: Path) -> None:
    index = inferencer.index(iter(gallery))
    index.save(tmp_path / 'index.npz')
    again = GalleryIndex.load(tmp_path / 'index.npz')
    assert inferencer.search(gallery[2], again) == inferencer.search(gallery[2], index)


def test_crop_fills_its_image(inferencer: ReIDInferencer, gallery: list) -> None:
    images = [cv2.imread(gallery[0]), np.zeros((50, 20, 3), np.uint8), gallery[1]]
    index = inferencer.index(images)
    assert index.images == ['0', '1', gallery[1]]
    assert index.bboxes.tolist() == [[0, 0, SIZE[1], SIZE[0]], [0, 0, 20, 50], [0, 0, SIZE[1], SIZE[0]]]
    assert index.scores.tolist() == [1, 1, 1]
    assert index.image_inds.tolist() == [0, 1, 2]
    assert np.array_equal(index.embeds, inferencer.embed(images))


def test_query_is_left_out_unless_asked_for(inferencer: ReIDInferencer, gallery: list) -> None:
    index = inferencer.index(gallery)
    same = str(Path(gallery[0]).parent / '..' / Path(gallery[0]).parent.name / Path(gallery[0]).name)
    assert sorted(hit.image for hit in inferencer.search(same, index, topk=99)) == sorted(gallery[1:])
    best, *others = inferencer.search(same, index, topk=99, leave_out_query=False)
    assert best.image == gallery[0]
    assert best.score == pytest.approx(1, abs=1e-6)
    assert len(others) == len(gallery) - 1


def test_model_with_config_is_taken_as_it_is(folder: Path, inferencer: ReIDInferencer, gallery: list) -> None:
    model = inferencer.build_model(folder / 'weights.pth').train()
    model.cfg = inferencer.cfg
    again = ReIDInferencer(model, device='cpu')
    assert again.model is model
    assert np.allclose(again.embed(gallery), inferencer.embed(gallery), atol=1e-6)
    torch.nn.init.zeros_(model.backbone.conv1.weight)
    model.head.reset_memory(torch.randn(9, 64), torch.arange(9) % 3)  # another size than in the file
    reloaded = ReIDInferencer(model, folder / 'weights.pth', device='cpu')
    assert np.allclose(reloaded.embed(gallery), inferencer.embed(gallery), atol=1e-6)


def test_without_checkpoint_the_weights_are_those_training_starts_from(folder: Path, inferencer: ReIDInferencer,
                                                                       gallery: list, tmp_path: Path) -> None:
    torch.save(dict(state_dict=inferencer.model.backbone.state_dict()), tmp_path / 'backbone.pth')
    cfg = Config.fromfile(folder / 'config.py')
    cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'backbone.pth'))
    assert np.allclose(ReIDInferencer(cfg, device='cpu').embed(gallery), inferencer.embed(gallery), atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_device_changes_rounding_only(folder: Path, inferencer: ReIDInferencer, gallery: list) -> None:
    on_gpu = ReIDInferencer(folder / 'config.py', folder / 'weights.pth', device='cuda')
    assert np.allclose(on_gpu.embed(gallery), inferencer.embed(gallery), atol=1e-3)


def test_mistakes_are_named(folder: Path, inferencer: ReIDInferencer, gallery: list, tmp_path: Path) -> None:
    config, weights = folder / 'config.py', torch.load(folder / 'weights.pth', weights_only=True)['state_dict']
    with pytest.raises(ValueError, match='batch_size must be >= 1, got 0'):
        ReIDInferencer(config, batch_size=0)
    with pytest.raises(FileNotFoundError, match='checkpoint .*none.pth does not exist'):
        ReIDInferencer(config, tmp_path / 'none.pth')
    torch.save(dict(weights, **{'pooling.p': torch.ones(5)}), tmp_path / 'other.pth')
    with pytest.raises(ValueError, match=r'checkpoint .*other.pth does not fit the model: 1 misshaped \(first: pooling.p\)'):
        ReIDInferencer(config, tmp_path / 'other.pth')
    for images, message in (([], 'images must hold at least one image, got none'),
                            (gallery[0], 'got one str; put it into a list'),
                            ([gallery[0], 'none.png'], 'image none.png does not exist'),
                            ([gallery[0], 7], 'an image must be a path or a NumPy array, got int')):
        for call in (inferencer.embed, inferencer.index):
            with pytest.raises((TypeError, ValueError, FileNotFoundError), match=message):
                call(images)
    (tmp_path / 'cut.png').write_bytes(Path(gallery[0]).read_bytes()[:200])
    (tmp_path / 'text.png').write_text('no picture')
    with pytest.raises(ValueError, match='image .*cut.png is truncated after 200 bytes'):
        inferencer.embed([tmp_path / 'cut.png'])
    with pytest.raises(ValueError, match='image .*text.png .* cannot be decoded'):
        inferencer.search(tmp_path / 'text.png', inferencer.index(gallery))
    with pytest.raises(ValueError, match='every image must be listed once, got .* repeated'):
        inferencer.index([gallery[0], *gallery])
    with pytest.raises(ValueError, match=r'embed must have shape \(2,\) like the index, got \(64,\); make both'):
        inferencer.search(gallery[0], GalleryIndex(['a'], [0], [[0, 0, 1, 1]], [1], [[1, 0]]))
