"""Oracles: what a text may depend on, and CLIP's tower built of its own parts."""

import pytest
import torch
from torch import nn

from pedsearch.models.pretrain import TextTransformer
from pedsearch.models.pretrain.text_transformer import clip_text_weights


def texts(lengths: list[int], context: int = 10, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(5, 50, (len(lengths), context), generator=torch.Generator().manual_seed(seed))
    used = torch.arange(context) < torch.tensor(lengths)[:, None]
    return ids, used


def build(**changes) -> TextTransformer:
    torch.manual_seed(0)
    encoder = TextTransformer(**{**dict(vocab_size=50, context=10, width=16, num_layers=2, num_heads=2), **changes})
    encoder.init_weights()
    return encoder.eval()


STYLES = [dict(), dict(causal=False, pre_norm=False, activation='gelu', pool='start')]


@pytest.mark.parametrize('style', STYLES, ids=['clip', 'bert'])
def test_what_fills_a_row_up_does_not_count(style):
    encoder = build(**style)
    ids, used = texts([4, 10, 7])
    expected = encoder(ids, used)
    torch.testing.assert_close(encoder(ids.where(used, torch.tensor(0)), used), expected)
    torch.testing.assert_close(encoder(ids[:1, :4], used[:1, :4]), expected[:1])
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(encoder(ids[order], used[order]), expected[order])


@pytest.mark.parametrize('style', STYLES, ids=['clip', 'bert'])
@pytest.mark.parametrize('place', [1, 5])
def test_every_word_counts(style, place):
    encoder = build(**style)
    ids, used = texts([6])
    changed = ids.clone()
    changed[0, place] = (ids[0, place] + 1) % 50
    assert (encoder(changed, used) - encoder(ids, used)).abs().max() > 1e-4


class Quick(nn.Module):

    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


def test_weights_of_clip_give_its_vectors():
    """The tower as CLIP describes it, from torch's attention."""
    torch.manual_seed(0)
    width, depth, heads = 16, 2, 2
    state = {'token_embedding.weight': torch.randn(50, width), 'positional_embedding': torch.randn(10, width),
             'ln_final.weight': torch.rand(width), 'ln_final.bias': torch.randn(width), 'logit_scale': torch.ones(()),
             'visual.conv1.weight': torch.ones(1), 'text_projection': torch.randn(width, width)}
    blocks = []
    for number in range(depth):
        block = nn.ModuleDict({
            'attn': nn.MultiheadAttention(width, heads, batch_first=True), 'ln_1': nn.LayerNorm(width),
            'ln_2': nn.LayerNorm(width), 'mlp': nn.ModuleDict({
                'c_fc': nn.Linear(width, 4 * width), 'gelu': Quick(), 'c_proj': nn.Linear(4 * width, width)})})
        blocks.append(block)
        state.update({f'transformer.resblocks.{number}.{name}': value for name, value in block.state_dict().items()})
    encoder = build()
    assert encoder.load_state_dict(clip_text_weights(state)) == ([], [])
    ids, used = texts([5, 10])
    x = state['token_embedding.weight'][ids] + state['positional_embedding']
    mask = torch.full((10, 10), -torch.inf).triu(1)
    for block in blocks:
        y = block['ln_1'](x)
        x = x + block['attn'](y, y, y, attn_mask=mask, need_weights=False)[0]
        mlp = block['mlp']
        x = x + mlp['c_proj'](mlp['gelu'](mlp['c_fc'](block['ln_2'](x))))
    x = nn.functional.layer_norm(x, (width, ), state['ln_final.weight'], state['ln_final.bias'])
    torch.testing.assert_close(encoder(ids, used), x[torch.arange(2), used.sum(1) - 1], atol=1e-5, rtol=1e-4)


def test_gradients_reach_everything():
    encoder = build().train()
    encoder(*texts([5, 10])).square().sum().backward()
    assert all(param.grad is not None for param in encoder.parameters())


def test_bad_settings():
    with pytest.raises(ValueError, match="activation must be one of 'gelu', 'quick_gelu', got 'relu'"):
        build(activation='relu')
    with pytest.raises(ValueError, match="pool='start' needs causal=False"):
        build(pool='start')
    with pytest.raises(ValueError, match=r'must have one shape \(N, L\), L <= 10, got \(1, 12\)'):
        build()(*texts([5], context=12))
    with pytest.raises(ValueError, match=r'state_dict must be of a CLIP model'):
        clip_text_weights({'weight': torch.ones(1)})
