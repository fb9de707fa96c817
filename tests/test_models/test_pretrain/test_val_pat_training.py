"""Whole trainings of VAL-PAT: interrupted ones, and on two processes."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from pedsearch.datasets.multimodal import AttributeSchema, Caption, DescribedImage, write_annotations
from pedsearch.models.pretrain import train_tokenizer
from tests.processes import run_on_processes
from tests.toy_models import CONFIGS
from tests.toy_runs import train

from .described_batches import DIMS, NUM_ATTRIBUTES, TEXTS


@pytest.fixture(scope='module')
def root(tmp_path_factory) -> Path:
    """Sixteen pictures with sentences, attributes and a vocabulary."""
    root = tmp_path_factory.mktemp('described')
    rng = np.random.default_rng(0)
    images = []
    for number in range(16):
        Image.fromarray(rng.integers(0, 256, (40, 20, 3), dtype=np.uint8)).save(root / f'{number}.png')
        captions = tuple(Caption(TEXTS[(number + shift) % len(TEXTS)]) for shift in (0, 7))
        images.append(DescribedImage(number, f'{number}.png', 'train', number // 2, 0, captions,
                                     dict(look=rng.integers(-1, 2, NUM_ATTRIBUTES).tolist())))
    write_annotations(str(root), 'noise', images, dict(look=AttributeSchema(tuple('abcde'))))
    train_tokenizer(TEXTS).save(root / 'words.json')
    return root


def val_pat_run(root: Path, work_dir: Path, batch_size: int = 8, optimizer: dict | None = None, **overrides) -> Config:
    """Four epochs of two steps with every kind of state: queues, momentum encoders, distillation, temperature."""
    cfg = Config.fromfile(CONFIGS / 'val_pat/val-pat_tiny_1xb64-12e_toy.py')
    cfg.model.update(
        image_encoder=dict(type='ReIDResNet', depth=18, stem_channels=4, base_channels=4), image_dims=DIMS,
        embed_dims=8, views=dict(embed_dims=8, queue_length=16),
        texts=dict(queue_length=16, distillation=.4, ramp_iters=5),
        attributes=dict(num_attributes=NUM_ATTRIBUTES, weighting='deepmar'),
        text_encoder=dict(type='TextTransformer', context=12, width=16, num_layers=1, num_heads=2),
        tokenizer=dict(type='saved_tokenizer', file=str(root / 'words.json')))
    cfg.train_dataloader.dataset.update(data_root=str(root), name='noise', schema='look')
    cfg.train_dataloader.batch_size = batch_size
    cfg.train_dataloader.sampler.global_batch_size = 8
    cfg.train_cfg = dict(type='ResumableEpochLoop', max_epochs=4)
    cfg.param_scheduler = dict(type='CosineAnnealingLR', eta_min=1e-6, by_epoch=False, end=8)
    cfg.optim_wrapper.optimizer = optimizer or cfg.optim_wrapper.optimizer
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks.checkpoint.update(interval=1, max_keep_ckpts=-1)
    cfg.work_dir = str(work_dir)
    cfg.log_level = 'WARNING'
    cfg.merge_from_dict(overrides)
    return cfg


@pytest.fixture(scope='module')
def whole(root, tmp_path_factory) -> tuple:
    work_dir = tmp_path_factory.mktemp('whole')
    return work_dir, *train(val_pat_run(root, work_dir))


def test_a_run_fills_its_queues(whole):
    _, losses, state = whole
    assert len(losses) == 8
    assert set(losses[0]) >= {'loss_views', 'loss_texts', 'loss_attributes'}
    assert state['texts.iterations'] == 8
    for name in ('views.queue', 'texts.images', 'texts.texts'):
        assert (state[f'{name}.feats'].norm(dim=1) > .99).all()
    assert (state['attributes.positive_rates'] > 0).all()


@pytest.mark.parametrize('iteration', [1, 4])
def test_a_resumed_run_is_the_same_to_the_last_bit(whole, root, tmp_path, iteration):
    work_dir, losses, state = whole
    cfg = val_pat_run(root, tmp_path, resume=True, load_from=str(work_dir / f'iter_{iteration}.pth'))
    resumed_losses, resumed = train(cfg)
    assert resumed_losses == losses[iteration:]
    for name, value in state.items():
        assert torch.equal(resumed[name], value), name


def test_a_killed_run_resumes_to_the_same_end(whole, root, tmp_path):
    _, losses, state = whole
    script = ('from pathlib import Path\n'
              'from tests.test_models.test_pretrain.test_val_pat_training import train, val_pat_run\n'
              f'train(val_pat_run(Path({str(root)!r}), Path({str(tmp_path)!r})))')
    process = subprocess.Popen([sys.executable, '-W', 'ignore', '-c', script])
    while not (tmp_path / 'iter_2.pth').exists():
        assert process.poll() is None
        time.sleep(.02)
    process.kill()  # SIGKILL
    process.wait()
    resumed_losses, resumed = train(val_pat_run(root, tmp_path, resume=True))
    assert resumed_losses[-1] == pytest.approx(losses[-1], rel=1e-5)  # the number of threads may be another there
    torch.testing.assert_close(resumed['texts.temperature'], state['texts.temperature'])
    torch.testing.assert_close(resumed['texts.images.feats'], state['texts.images.feats'], rtol=1e-3, atol=1e-4)


def train_plainly(rank: int, world_size: int, root: str, work_dir: str) -> tuple:
    """With plain SGD: AdamW turns rounding errors into larger ones."""
    launcher = dict(launcher='pytorch') if world_size > 1 else {}
    sgd = dict(type='SGD', lr=1e-4, weight_decay=0.)
    return train(val_pat_run(Path(root), Path(work_dir), 8 // world_size, sgd, **launcher))


def test_two_processes_equal_one(root, tmp_path):
    losses, state = train_plainly(0, 1, str(root), str(tmp_path / 'one'))
    two = run_on_processes(train_plainly, 2, str(root), str(tmp_path / 'two'))
    for step, wanted in enumerate(losses):
        both = {name: (two[0][0][step][name] + two[1][0][step][name]) / 2 for name in wanted}
        assert both == pytest.approx(wanted, rel=1e-5 if step == 0 else 2e-3, abs=1e-5)
    for name in ('views.queue.feats', 'texts.images.feats', 'texts.texts.keys', 'texts.temperature'):
        assert torch.equal(two[0][1][name], two[1][1][name]), name
    assert torch.equal(two[0][1]['texts.texts.keys'], state['texts.texts.keys'])
