"""Oracle: the network whose weights were saved."""

import logging
from pathlib import Path

import pytest
import torch
from mmengine.logging import MMLogger

from pedsearch.apis import build_reid_network, read_checkpoint
from tests.test_tools.reid_files import build, reid_config
from tests.toy_models import tiny_model_config

INPUTS = torch.randn(2, 3, 32, 16, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_network_embeds_as_the_saved_one(tmp_path: Path, prefix: str) -> None:
    cfg = reid_config(tmp_path)
    model = build(cfg)
    model.head.reset_memory(torch.randn(9, 64), torch.arange(9) % 3)  # memories do not matter, whatever their size
    weights = {prefix + name: value for name, value in model.state_dict().items()}
    torch.save(dict(state_dict=weights), tmp_path / 'weights.pth')
    for checkpoint in (tmp_path / 'weights.pth', read_checkpoint(tmp_path / 'weights.pth')):
        found = build_reid_network(cfg, checkpoint)
        assert not found.training
        torch.testing.assert_close(found.extract_feat(INPUTS), model.extract_feat(INPUTS))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    cfg = reid_config(tmp_path)
    bare = {name: value for name, value in build(cfg).state_dict().items() if not name.startswith('neck.')}
    with pytest.raises(ValueError, match=r'does not fit the model: \d missing \(first: neck.norm'):
        build_reid_network(cfg, bare)


@pytest.fixture
def told(caplog, monkeypatch):
    """What mmengine logs from level INFO."""
    logger = MMLogger.get_current_instance()
    before = logger.level
    monkeypatch.setattr(logger, 'handlers', [caplog.handler])
    logger.setLevel(logging.INFO)
    yield caplog
    logger.setLevel(before)


def test_initialising_is_not_told_parameter_by_parameter(tmp_path: Path, told) -> None:
    build_reid_network(reid_config(tmp_path))
    MMLogger.get_current_instance().info('after')
    assert told.messages == ['after']


def test_config_of_another_task_is_refused() -> None:
    with pytest.raises(ValueError, match='must be one of re-identification, got PersonSearchDetector with a roi_head; use'):
        build_reid_network(tiny_model_config('oim'))
