"""A transformer that makes one vector of a text.

Shape legend: N texts, L positions, W width.
"""

from collections.abc import Mapping

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from pedsearch.registry import MODELS

ACTIVATIONS = {'gelu': nn.functional.gelu, 'quick_gelu': lambda x: x * torch.sigmoid(1.702 * x)}


@MODELS.register_module()
class TextTransformer(BaseModule):
    """Word and position embeddings, transformer layers, and the vector at one position.

    Args:
        vocab_size: numbers of the tokenizer.
        context: L, the longest text.
        width: W.
        num_layers, num_heads: of the transformer.
        causal: a word sees those before it only, as in CLIP; else all, as in BERT.
        pre_norm: norms come before attention and perceptron and once more at the end, as in CLIP; else after them, and
            once after the embeddings, as in BERT.
        activation: 'gelu' or 'quick_gelu', as in CLIP.
        pool: 'end': the vector at the last mark of each text; 'start': at the first.
        dropout: of the layers.
        init_cfg: as in mmengine; None: normal weights of the widths that CLIP uses.

    Example:
        >>> encoder = TextTransformer(vocab_size=100, context=8, width=16, num_layers=1, num_heads=2)
        >>> ids = torch.randint(5, 100, (3, 8))
        >>> encoder(ids, torch.ones(3, 8, dtype=torch.bool)).shape
        torch.Size([3, 16])
    """

    def __init__(self, vocab_size: int, context: int = 77, width: int = 512, num_layers: int = 12, num_heads: int = 8,
                 causal: bool = True, pre_norm: bool = True, activation: str = 'quick_gelu', pool: str = 'end',
                 dropout: float = 0., init_cfg: dict | list | None = None) -> None:
        super().__init__(init_cfg)
        for name, value, allowed in (('activation', activation, ACTIVATIONS), ('pool', pool, ('end', 'start'))):
            if value not in allowed:
                raise ValueError(f'{name} must be one of {", ".join(map(repr, allowed))}, got {value!r}')
        if causal and pool == 'start':
            raise ValueError("pool='start' needs causal=False, got True; the first mark of a causal text sees no word")
        self.vocab_size = vocab_size
        self.context = context
        self.width = width
        self.causal = causal
        self.pool = pool
        self.token_embedding = nn.Embedding(vocab_size, width)
        self.position_embedding = nn.Parameter(torch.zeros(context, width))
        self.embedding_norm = nn.Identity() if pre_norm else nn.LayerNorm(width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, num_heads, 4 * width, dropout, ACTIVATIONS[activation],
                                       batch_first=True, norm_first=pre_norm) for _ in range(num_layers))
        self.norm = nn.LayerNorm(width) if pre_norm else nn.Identity()

    def init_weights(self) -> None:
        super().init_weights()
        if self.init_cfg:
            return
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.position_embedding, std=0.01)
        width, depth = self.width, len(self.layers)
        for layer in self.layers:
            nn.init.normal_(layer.self_attn.in_proj_weight, std=width**-0.5)
            nn.init.normal_(layer.linear1.weight, std=(2 * width)**-0.5)
            for last in (layer.self_attn.out_proj, layer.linear2):
                nn.init.normal_(last.weight, std=(2 * width * depth)**-0.5)

    def forward(self, ids: Tensor, used: Tensor) -> Tensor:
        """Vectors of texts.

        Args:
            ids (Tensor): (N, L) int64, L at most the longest text.
            used (Tensor): (N, L) bool, where a text is; it begins at 0 and has no gaps.

        Returns:
            Tensor: (N, W).

        Raises:
            ValueError: shapes do not fit.
        """
        if ids.ndim != 2 or used.shape != ids.shape or ids.size(1) > self.context:
            raise ValueError(f'ids and used must have one shape (N, L), L <= {self.context}, got '
                             f'{tuple(ids.shape)} and {tuple(used.shape)}; encode texts with this context')
        length = ids.size(1)
        x = self.embedding_norm(self.token_embedding(ids) + self.position_embedding[:length])
        hidden = None
        if self.causal:  # later positions are hidden, so what fills a row up is too
            hidden = torch.ones(length, length, dtype=torch.bool, device=ids.device).triu(1)
        for layer in self.layers:
            x = layer(x, src_mask=hidden, src_key_padding_mask=None if self.causal else ~used)
        x = self.norm(x)
        if self.pool == 'start':
            return x[:, 0]
        last = used.sum(dim=1) - 1
        return x.gather(1, last[:, None, None].expand(-1, 1, x.size(2)))[:, 0]


def clip_text_weights(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of CLIP's text tower under the names of :class:`TextTransformer`.

    Args:
        state_dict (Mapping[str, Tensor]): of a whole CLIP model, or of its text tower.

    Returns:
        dict[str, Tensor]: without the projection, which CLIP calls ``text_projection``.

    Raises:
        ValueError: there is no text tower.
    """
    parts = {'attn.': 'self_attn.', 'ln_1.': 'norm1.', 'ln_2.': 'norm2.', 'mlp.c_fc.': 'linear1.',
             'mlp.c_proj.': 'linear2.'}
    whole = {'token_embedding.weight': 'token_embedding.weight', 'positional_embedding': 'position_embedding',
             'ln_final.weight': 'norm.weight', 'ln_final.bias': 'norm.bias'}
    found = {}
    for name, value in state_dict.items():
        if name in whole:
            found[whole[name]] = value
        elif name.startswith('transformer.resblocks.'):
            number, rest = name.removeprefix('transformer.resblocks.').split('.', 1)
            for theirs, ours in parts.items():
                if rest.startswith(theirs):
                    found[f'layers.{number}.{ours}{rest.removeprefix(theirs)}'] = value
    if 'token_embedding.weight' not in found:
        raise ValueError('state_dict must be of a CLIP model with transformer.resblocks and token_embedding, got '
                         f'{", ".join(list(state_dict)[:3])}...')
    return found
