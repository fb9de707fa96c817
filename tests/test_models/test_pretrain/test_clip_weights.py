"""Oracle: CLIP's own modules with random weights."""

import pytest
import torch
from clip.model import CLIP
from mmengine.registry import init_default_scope
from torch import nn

from pedsearch.models.pretrain import clip_image_weights, clip_weights, train_tokenizer
from pedsearch.registry import MODELS

WIDTH, EMBED = 64, 24
TEXTS = ['a man in a red coat', 'a woman with a bag']


def theirs() -> CLIP:
    """A narrow CLIP for 48 x 48 pixels whose norms and shifts do something."""
    torch.manual_seed(0)
    model = CLIP(EMBED, image_resolution=48, vision_layers=3, vision_width=WIDTH, vision_patch_size=16,
                 context_length=12, vocab_size=40, transformer_width=16, transformer_heads=2, transformer_layers=2)
    with torch.no_grad():
        for param in model.parameters():
            param += 0.1 * torch.randn_like(param)
        model.text_projection.normal_()
        model.positional_embedding.normal_()
    return model.float().eval()


def encoder(size: tuple[int, int]) -> dict:
    return dict(
        type='mmpretrain.VisionTransformer', img_size=size, patch_size=16, pre_norm=True,
        arch=dict(embed_dims=WIDTH, num_layers=3, num_heads=1, feedforward_channels=4 * WIDTH),
        norm_cfg=dict(type='LN', eps=1e-5), layer_cfgs=dict(act_cfg=dict(type='mmpretrain.QuickGELU')))


def ours(size: tuple[int, int]) -> nn.Module:
    init_default_scope('pedsearch')
    tower = MODELS.build(encoder(size))
    tower.eval()
    return tower


@pytest.mark.parametrize('whole', [True, False], ids=['whole model', 'image tower'])
def test_image_tower_of_clip(whole):
    model = theirs()
    tower = ours((48, 48))
    state = (model if whole else model.visual).state_dict()
    assert tower.load_state_dict(clip_image_weights(state)) == ([], [])
    images = torch.randn(2, 3, 48, 48)
    with torch.no_grad():
        torch.testing.assert_close(tower(images)[-1] @ model.visual.proj, model.visual(images), atol=1e-5, rtol=1e-4)


def test_positions_are_resized_to_tall_images():
    """CLIP with resized positions: 9 patches become 6 x 2 and, as many as before, 9 x 1."""
    model = theirs()
    for grid in ((6, 2), (9, 1)):
        tower = ours((16 * grid[0], 16 * grid[1]))
        assert tower.load_state_dict(clip_image_weights(model.state_dict(), grid)) == ([], [])
        images = torch.randn(2, 3, 16 * grid[0], 16 * grid[1])
        visual = theirs().visual
        old = visual.positional_embedding
        rest = nn.functional.interpolate(
            old[1:].detach().T.reshape(1, WIDTH, 3, 3), grid, mode='bicubic', align_corners=False)
        visual.positional_embedding = nn.Parameter(torch.cat([old[:1], rest.flatten(2)[0].T]))
        with torch.no_grad():
            torch.testing.assert_close(tower(images)[-1] @ visual.proj, visual(images), atol=1e-5, rtol=1e-4)


def test_a_whole_model_compares_images_and_sentences_as_clip_does():
    model, tokenizer = theirs(), train_tokenizer(TEXTS)
    model.token_embedding = nn.Embedding(tokenizer.vocab_size, 16)
    init_default_scope('pedsearch')
    other = MODELS.build(dict(
        type='TextSearchModel', image_encoder=encoder((48, 48)), image_dims=WIDTH, embed_dims=EMBED,
        objectives=dict(distribution=1.), tokenizer=tokenizer,
        text_encoder=dict(type='TextTransformer', context=12, width=16, num_layers=2, num_heads=2))).eval()
    missing, unexpected = other.load_state_dict(clip_weights(model.state_dict()), strict=False)
    assert ([name for name in missing if 'extra_state' not in name], unexpected) == ([], [])
    images = torch.randn(2, 3, 48, 48)
    ids, used = tokenizer.encode(TEXTS, 12)
    with torch.no_grad():
        wanted = model.visual(images)
        torch.testing.assert_close(other.extract_feat(images), wanted / wanted.norm(dim=1, keepdim=True), atol=1e-5,
                                   rtol=1e-4)
        x = model.token_embedding(ids) + model.positional_embedding
        x = model.ln_final(model.transformer(x.permute(1, 0, 2)).permute(1, 0, 2))
        wanted = x[torch.arange(2), used.sum(dim=1) - 1] @ model.text_projection  # the end of each text
        torch.testing.assert_close(other.extract_text_feat(TEXTS), wanted / wanted.norm(dim=1, keepdim=True),
                                   atol=1e-5, rtol=1e-4)


def test_other_files_are_errors():
    with pytest.raises(ValueError, match=r'with an image transformer \(class_embedding, ln_pre\), got conv1.weight...; '
                                         'take one of the ViT models'):
        clip_image_weights({'visual.conv1.weight': torch.ones(1)})
    with pytest.raises(ValueError, match='state_dict must be of a CLIP model with transformer.resblocks'):
        clip_weights({f'visual.{name}': value for name, value in theirs().visual.state_dict().items()})
