"""Oracle: CLIP's own image tower with random weights."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from clip.model import CLIP
from mmengine.registry import init_default_scope

from pedsearch.registry import MODELS

FOLDER = Path(__file__).parents[3] / 'tools/model_converters'


@pytest.fixture(scope='module')
def tool():
    sys.path.insert(0, str(FOLDER))
    spec = importlib.util.spec_from_file_location('clip_encoder', FOLDER / 'clip_encoder.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(FOLDER))


def small_clip() -> CLIP:
    torch.manual_seed(0)
    model = CLIP(24, image_resolution=48, vision_layers=2, vision_width=64, vision_patch_size=16, context_length=12,
                 vocab_size=40, transformer_width=16, transformer_heads=2, transformer_layers=1)
    torch.nn.init.normal_(model.text_projection)
    torch.nn.init.normal_(model.positional_embedding)
    return model.float().eval()


class Bare(torch.nn.Module):
    """The same weights in a module that TorchScript takes."""

    def __init__(self, model: CLIP) -> None:
        super().__init__()
        self.visual = torch.jit.trace(model.visual, torch.zeros(1, 3, 48, 48))
        self.ln_final = torch.nn.LayerNorm(16)
        for name in ('positional_embedding', 'text_projection', 'logit_scale'):
            setattr(self, name, getattr(model, name))
        self.token_embedding = model.token_embedding
        self.transformer = torch.jit.trace(model.transformer, torch.zeros(12, 1, 16))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.visual(x)


@pytest.mark.filterwarnings('ignore::torch.jit.TracerWarning')
@pytest.mark.filterwarnings('ignore:.torch.load. received a zip file:UserWarning')
@pytest.mark.parametrize('archive', [False, True], ids=['state dict', 'archive'])
def test_file_gives_a_model_with_clip_s_embeddings(tool, tmp_path, archive):
    model = small_clip()
    if archive:
        torch.jit.script(Bare(model)).save(tmp_path / 'clip.pt')
    else:
        torch.save(model.state_dict(), tmp_path / 'clip.pt')
    assert tool.main([str(tmp_path / 'clip.pt'), str(tmp_path / 'out.pth'), '--image-size', '48', '48']) == 0
    init_default_scope('pedsearch')
    other = MODELS.build(dict(
        type='ValPat', objectives=dict(views=1.), views=dict(embed_dims=4, queue_length=4), image_dims=64,
        image_encoder=dict(
            type='mmpretrain.VisionTransformer', img_size=(48, 48), patch_size=16, pre_norm=True,
            arch=dict(embed_dims=64, num_layers=2, num_heads=1, feedforward_channels=256),
            norm_cfg=dict(type='LN', eps=1e-5), layer_cfgs=dict(act_cfg=dict(type='mmpretrain.QuickGELU'))),
        init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'out.pth'))))
    other.init_weights()
    images = torch.randn(2, 3, 48, 48)
    other.eval()
    weights = torch.load(tmp_path / 'out.pth', weights_only=True)
    with torch.no_grad():
        neck = weights['state_dict']['image_neck.weight']
        wanted = model.visual(images)
        torch.testing.assert_close(other.pooled_feat(images) @ neck.T, wanted, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(other.momentum_encoders['image_encoder'](images)[-1] @ neck.T, wanted, atol=1e-5,
                                   rtol=1e-4)
    assert F.linear(torch.zeros(1, 64), neck).shape == (1, weights['meta']['embed_dims'])
    assert weights['meta']['input_size'] == (48, 48)


def test_positions_are_those_of_the_image_size(tool, tmp_path):
    torch.save(small_clip().state_dict(), tmp_path / 'clip.pt')
    assert tool.main([str(tmp_path / 'clip.pt'), str(tmp_path / 'out.pth'), '--image-size', '96', '32']) == 0
    content = torch.load(tmp_path / 'out.pth', weights_only=True)
    assert content['state_dict']['image_encoder.pos_embed'].shape == (1, 1 + 6 * 2, 64)
    assert content['meta']['input_size'] == (96, 32)


def test_normalisation_is_clip_s(tool):
    from clip.clip import _transform
    normalise = _transform(48).transforms[-1]
    assert pytest.approx([255 * value for value in normalise.mean]) == tool.MEAN
    assert pytest.approx([255 * value for value in normalise.std]) == tool.STD


def test_other_files_are_errors(tool, tmp_path, capsys):
    torch.save({'weight': torch.ones(1)}, tmp_path / 'other.pt')
    torch.save(small_clip().state_dict(), tmp_path / 'clip.pt')
    (tmp_path / 'text.pt').write_text('no weights')
    for name, text in (('none.pt', 'expected a weight file, found none'), ('text.pt', 'is no plain weight file'),
                       ('other.pt', 'the file must be of a whole CLIP model, got weight...')):
        assert tool.main([str(tmp_path / name), str(tmp_path / 'out.pth')]) == 1
        assert text in capsys.readouterr().err
    assert tool.main([str(tmp_path / 'clip.pt'), str(tmp_path / 'out.pth'), '--image-size', '50', '48']) == 1
    assert '--image-size must be multiples of the patches of 16 pixels, got (50, 48)' in capsys.readouterr().err
    assert not (tmp_path / 'out.pth').exists()
