"""Oracle: the network whose weights were saved."""

from pathlib import Path

import pytest
import torch

from pedsearch.apis import build_reid_network, read_checkpoint
from tests.test_tools.reid_files import build, reid_config
from tests.test_tools.test_model_converters.test_torchvision_backbone import Payload

INPUTS = torch.randn(2, 3, 32, 16, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_network_embeds_as_the_saved_one(tmp_path: Path, prefix: str) -> None:
    cfg = reid_config(tmp_path)
    model = build(cfg)
    model.head.reset_memory(torch.randn(9, 64), torch.arange(9) % 3)  # memories do not matter, whatever their size
    weights = {prefix + name: value for name, value in model.state_dict().items()}
    torch.save(dict(state_dict=weights), tmp_path / 'weights.pth')
    found = build_reid_network(cfg, read_checkpoint(tmp_path / 'weights.pth'))
    assert not found.training
    torch.testing.assert_close(found.extract_feat(INPUTS), model.extract_feat(INPUTS))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    cfg = reid_config(tmp_path)
    state = build(cfg).state_dict()
    bare = {name: value for name, value in state.items() if not name.startswith('neck.')}
    with pytest.raises(ValueError, match=r'does not fit the model: \d missing \(first: neck.norm'):
        build_reid_network(cfg, bare)
    with pytest.raises(ValueError, match=r'1 unexpected \(first: neck.other\); use the config of its training'):
        build_reid_network(cfg, dict(state, **{'neck.other': torch.ones(1)}))
    with pytest.raises(ValueError, match=r'1 misshaped \(first: pooling.p\)'):
        build_reid_network(cfg, dict(state, **{'pooling.p': torch.ones(5)}))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='none.pth does not exist'):
        read_checkpoint(tmp_path / 'none.pth')
    (tmp_path / 'x.pth').write_text('nothing')
    with pytest.raises(ValueError, match='checkpoint .*x.pth cannot be read as weights'):
        read_checkpoint(tmp_path / 'x.pth')
    torch.save(dict(meta=Payload()), tmp_path / 'x.pth')
    with pytest.raises(ValueError, match='checkpoint .*x.pth cannot be read as weights'):
        read_checkpoint(tmp_path / 'x.pth')
    assert not Path('opened').exists()
    torch.save([1], tmp_path / 'x.pth')
    with pytest.raises(ValueError, match='x.pth must hold a dict of weights, got list'):
        read_checkpoint(tmp_path / 'x.pth')
