"""Oracles: the weights that were saved, and files that would leave a trace if anything in them were executed."""

import os
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from pedsearch.apis import check_backbone, check_start, load_weights, read_checkpoint
from tests.test_models.test_reid.gcl_batches import small_gcl


def network(seed: int) -> nn.Module:
    """Layers ``body`` and ``head``."""
    torch.manual_seed(seed)
    return nn.ModuleDict(dict(body=nn.Linear(3, 2), head=nn.Linear(2, 4)))


@pytest.mark.parametrize('prefix', ['', 'module.'])
@pytest.mark.parametrize('wrap', [lambda weights: weights, lambda weights: dict(state_dict=weights, meta=dict(epoch=1))])
def test_weights_are_those_saved_but_for_what_is_passed_over(tmp_path: Path, prefix: str, wrap) -> None:
    saved, head = network(0), network(1).head.weight.detach().clone()
    weights = {prefix + name: value for name, value in saved.state_dict().items()}
    weights[f'{prefix}head.weight'] = torch.zeros(7, 2)  # another size
    weights[f'{prefix}head.more'] = torch.zeros(1)
    del weights[f'{prefix}head.bias']
    torch.save(wrap(weights), tmp_path / 'x.pth')
    for checkpoint in (tmp_path / 'x.pth', str(tmp_path / 'x.pth'), read_checkpoint(tmp_path / 'x.pth')):
        model = network(1)
        load_weights(model, checkpoint, passed_over=['head.'])
        assert torch.equal(model.body.weight, saved.body.weight)
        assert torch.equal(model.body.bias, saved.body.bias)
        assert torch.equal(model.head.weight, head)


@pytest.mark.parametrize(('changes', 'message'), [
    ({'body.bias': None}, r'1 missing \(first: body.bias\)'),
    ({'head.memory': torch.ones(1), 'extra': torch.ones(1)}, r'2 unexpected \(first: head.memory\)'),
    ({'body.weight': torch.ones(5)}, r'1 misshaped \(first: body.weight\)'),
    ({'body.weight': 3}, r'1 misshaped \(first: body.weight\)'),
    ({'body.bias': None, 'head.bias': None, 3: torch.ones(1), 'body.weight': torch.ones(5)},
     r'2 missing \(first: body.bias\), 1 unexpected \(first: 3\), 1 misshaped \(first: body.weight\)'),
])
def test_weights_of_another_model_are_refused(tmp_path: Path, changes: dict, message: str) -> None:
    weights = {name: value for name, value in {**network(0).state_dict(), **changes}.items() if value is not None}
    torch.save(weights, tmp_path / 'x.pth')
    model = network(1)
    with pytest.raises(ValueError, match=f'checkpoint .*x.pth does not fit the model: {message}; use the config of its'):
        load_weights(model, tmp_path / 'x.pth')
    with pytest.raises(ValueError, match=f'^the checkpoint does not fit the model: {message}; use the config of its'):
        load_weights(model, weights)
    assert all(torch.equal(value, network(1).state_dict()[name]) for name, value in model.state_dict().items())


@pytest.mark.filterwarnings('ignore:Detected pickle protocol')
@pytest.mark.parametrize('before', [None, '0'])
def test_files_are_never_executed(tmp_path: Path, monkeypatch, before: str | None) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / 'sprung', )

    monkeypatch.delenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', raising=False)
    if before is not None:
        monkeypatch.setenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', before)
    torch.save(dict(state_dict=Trap()), tmp_path / 'trap.pth')
    (tmp_path / 'legacy.pth').write_bytes(pickle.dumps(Trap()))
    (tmp_path / 'text.pth').write_text('hello')
    (tmp_path / 'empty.pth').touch()
    with pytest.raises(ValueError, match=r'\(Unsupported global: GLOBAL \S+ was not an allowed global by default\)'):
        read_checkpoint(tmp_path / 'trap.pth')
    for name in ('trap', 'legacy', 'text', 'empty'):
        with pytest.raises(ValueError, match=f'^checkpoint .*{name}.pth cannot be read as weights .* training saved$'):
            read_checkpoint(tmp_path / f'{name}.pth')
    assert not (tmp_path / 'sprung').exists()
    assert os.environ.get('TORCH_FORCE_WEIGHTS_ONLY_LOAD') == before


def test_files_without_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='^checkpoint .*none.pth does not exist$'):
        read_checkpoint(tmp_path / 'none.pth')
    torch.save([1], tmp_path / 'x.pth')
    with pytest.raises(ValueError, match='checkpoint .*x.pth must hold a dict of weights, got list'):
        read_checkpoint(tmp_path / 'x.pth')
    torch.save(dict(state_dict=[1]), tmp_path / 'x.pth')
    with pytest.raises(ValueError, match='checkpoint .*x.pth must hold a dict of weights, got list'):
        load_weights(network(0), tmp_path / 'x.pth')


class Parts(nn.Module):

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.neck = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), nn.Linear(3, 3)


@pytest.mark.parametrize('wrap', [lambda weights: weights, lambda weights: dict(state_dict=weights),
                                  lambda weights: {f'module.{name}': weight for name, weight in weights.items()}])
def test_a_backbone_alone_is_enough(tmp_path, wrap):
    weights = {name: weight for name, weight in Parts().state_dict().items() if name.startswith('backbone.')}
    torch.save(wrap(weights), tmp_path / 'backbone.pth')
    check_backbone(Parts(), tmp_path / 'backbone.pth')


@pytest.mark.parametrize(('change', 'count', 'first'), [
    (lambda weights: {name.replace('backbone', 'base'): weight for name, weight in weights.items()}, 6,
     'backbone.0.weight'),
    (lambda weights: dict(weights, **{'backbone.0.bias': torch.ones(4)}), 1, 'backbone.0.bias'),
])
def test_a_backbone_of_other_names_or_shapes_is_refused(tmp_path, change, count, first):
    torch.save(change(Parts().state_dict()), tmp_path / 'other.pth')
    with pytest.raises(ValueError, match=rf'other.pth does not fit the model: {count} weights of the backbone are missing '
                                         rf'or of another shape \(first: {first}\); use the config'):
        check_backbone(Parts(), tmp_path / 'other.pth')


def gcl_checkpoint(path: Path, stage: str, **changes) -> str:
    """A checkpoint as training writes it."""
    state = {**small_gcl(stage=stage).state_dict(), **changes}
    state = {name: value for name, value in state.items() if value is not None}
    torch.save(dict(state_dict=state, optimizer=dict.fromkeys(small_gcl(stage=stage).optimized_parts(), {})), path)
    return str(path)


def test_a_stage_starts_from_what_it_needs(tmp_path):
    base = {name: None for name in small_gcl().state_dict() if name.split('.')[0] in ('generator', 'discriminator')}
    warmup, joint = small_gcl(stage='warmup'), small_gcl()
    check_start(warmup, gcl_checkpoint(tmp_path / 'base.pth', 'warmup', **base), resume=False)
    check_start(joint, gcl_checkpoint(tmp_path / 'warmup.pth', 'warmup'), resume=False)
    with pytest.raises(ValueError, match='weights of the generator are missing or of another shape'):
        check_start(joint, str(tmp_path / 'base.pth'), resume=False)
    narrow = gcl_checkpoint(tmp_path / 'narrow.pth', 'warmup', **{'neck.embedding.weight': torch.zeros(8, 32)})
    with pytest.raises(ValueError, match=r'1 weights of the neck are missing .*first: neck.embedding.weight'):
        check_start(warmup, narrow, resume=False)
    with pytest.raises(ValueError, match='starts from backbone, pooling, neck of an earlier one, got no checkpoint'):
        check_start(warmup, None, resume=False)
    check_start(warmup, None, resume=True)


def test_a_stage_does_not_go_on_from_another(tmp_path):
    warmup = gcl_checkpoint(tmp_path / 'warmup.pth', 'warmup')
    check_start(small_gcl(stage='warmup'), warmup, resume=True)
    with pytest.raises(ValueError, match='must be of a training of discriminator, encoder, generator to go on from it, '
                                         'got one of discriminator, generator; a stage starts with load_from'):
        check_start(small_gcl(), warmup, resume=True)


def test_pretrained_weights_of_a_part_must_be_there(tmp_path):
    model = small_gcl()
    model.backbone.init_cfg = dict(type='Pretrained', checkpoint='https://host/weights.pth')
    check_start(model, None, resume=True)  # whether it can be fetched is seen later
    model.backbone.init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'encoder.pth'))
    for resume in (False, True):  # mmengine initialises weights even where a checkpoint replaces them
        with pytest.raises(FileNotFoundError, match=r'checkpoint .*encoder.pth of backbone does not exist; name another'):
            check_start(model, None, resume=resume)


def test_an_image_encoder_is_a_backbone(tmp_path):
    class Holder(torch.nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.image_encoder, self.text_encoder = torch.nn.Linear(width, 2), torch.nn.Linear(3, 2)

    path = str(tmp_path / 'encoder.pth')
    torch.save(dict(state_dict={f'image_encoder.{name}': value
                                for name, value in Holder(4).image_encoder.state_dict().items()}), path)
    check_backbone(Holder(4), path)
    with pytest.raises(ValueError, match=r'1 weights of the image_encoder are missing .*first: image_encoder.weight'):
        check_backbone(Holder(5), path)
