"""One network for pictures of people and one for sentences, side by side.

Shape legend: B images, T texts, H x W network input, C channels of the backbone's last map, W width of the text
encoder, D embedding dimensions.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.dist import get_world_size
from mmengine.model import BaseModel
from torch import Tensor, nn

from pedsearch.registry import MODELS, TASK_UTILS
from pedsearch.structures import ReIDDataSample

from ..layers import cross_process_batch_norms, split_batch_norms
from .tokenizers import Tokenizer


class ImageTextModel(BaseModel):
    """Image encoder and text encoder, each with a linear projection to embeddings that are compared.

    Without a text encoder it is an image encoder, whose pooled output is the embedding.

    Args:
        image_encoder: any backbone; of its maps the last one (B, C, h, w) is used.
        text_encoder: a :class:`~pedsearch.models.pretrain.TextTransformer`, whose ``vocab_size`` the tokenizer sets;
            None: images only.
        tokenizer: for example ``dict(type='clip_tokenizer')``; needed with a text encoder.
        image_dims: C.
        embed_dims: D.
        pooling: (B, C, h, w) -> (B, C); None: the mean.
        bn_splits: as in :class:`~pedsearch.models.reid.ReIDModel`.
        data_preprocessor, init_cfg: as in mmengine.

    State:
        vocabulary () uint8 values of the tokenizer's JSON in a checkpoint: a model is loaded with its own words only.
    """

    def __init__(self, image_encoder: dict, image_dims: int, embed_dims: int = 256, text_encoder: dict | None = None,
                 tokenizer: dict | Tokenizer | None = None, pooling: dict | None = None, bn_splits: int = 1,
                 data_preprocessor: dict | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(data_preprocessor, init_cfg)
        if text_encoder is not None and tokenizer is None:
            raise ValueError("a text encoder needs a tokenizer, got none; set tokenizer=dict(type='clip_tokenizer') or "
                             "dict(type='saved_tokenizer', file=...), which tools/train_tokenizer.py writes")
        self.image_encoder = MODELS.build(image_encoder)
        self.pooling = MODELS.build(pooling or dict(type='mmpretrain.GlobalAveragePooling'))
        self.image_neck = self.text_encoder = self.text_neck = self.tokenizer = self.attribute_head = None
        if text_encoder is not None:
            self.image_neck = nn.Linear(image_dims, embed_dims)
            self.tokenizer = TASK_UTILS.build(tokenizer) if isinstance(tokenizer, dict) else tokenizer
            self.text_encoder = MODELS.build(dict(text_encoder, vocab_size=self.tokenizer.vocab_size))
            self.text_neck = nn.Linear(self.text_encoder.width, embed_dims)
        if bn_splits > 1:
            split_batch_norms(self, bn_splits)
        elif get_world_size() > 1:
            cross_process_batch_norms(self)

    def forward(self, inputs: Tensor | list[Tensor], data_samples: list[ReIDDataSample] | None = None,
                mode: str = 'tensor') -> Tensor | dict[str, Tensor] | list[ReIDDataSample]:
        """Image embeddings ('tensor'), losses ('loss') or samples with embeddings ('predict').

        Args:
            inputs (Tensor | list[Tensor]): (B, 3, H, W) preprocessed images, in training a list of views of them.
            data_samples (list[ReIDDataSample], optional): B.
            mode (str): see above.
        """
        if mode == 'tensor':
            return self.extract_feat(inputs)
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        raise ValueError(f"mode must be 'tensor', 'loss' or 'predict', got {mode!r}")

    def pooled_feat(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C)."""
        return pool_maps(self.image_encoder(images), self.pooling)

    def extract_feat(self, images: Tensor, data_samples: list[ReIDDataSample] | None = None) -> Tensor:
        """(B, 3, H, W) -> (B, D), without texts (B, C), L2-normalised, to be compared with texts and with images."""
        return self.embed(self.pooled_feat(images))

    def embed(self, pooled: Tensor) -> Tensor:
        """(B, C) -> (B, D), without texts (B, C), L2-normalised."""
        return F.normalize((pooled if self.image_neck is None else self.image_neck(pooled)).float(), dim=1)

    def tokenize(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """T sentences as the text encoder takes them, ids and where a text is, (T, L) each."""
        if self.text_encoder is None:
            raise ValueError('this model has no text encoder; take one that was trained with texts')
        device = self.text_neck.weight.device
        return tuple(part.to(device, non_blocking=True)
                     for part in self.tokenizer.encode(texts, self.text_encoder.context))

    def extract_text_feat(self, texts: Sequence[str]) -> Tensor:
        """T sentences -> (T, D), L2-normalised."""
        return F.normalize(self.text_neck(self.text_encoder(*self.tokenize(texts))).float(), dim=1)

    def predict(self, images: Tensor, data_samples: list[ReIDDataSample]) -> list[ReIDDataSample]:
        """The samples, each with ``feat`` (D,), and where it has captions with ``text_feats`` (captions, D); with
        ``attribute_probs`` (A,) where the model tells attributes.
        """
        pooled = self.pooled_feat(images)
        texts = [[caption.text for caption in sample.get('captions', [])] for sample in data_samples]
        if self.text_encoder is not None and any(texts):
            text_feats = self.extract_text_feat([text for of_image in texts for text in of_image])
            for sample, part in zip(data_samples, text_feats.split([len(of_image) for of_image in texts])):
                sample.set_data(dict(text_feats=part))
        for sample, feat in zip(data_samples, self.embed(pooled)):
            sample.feat = feat
        self.predict_attributes(pooled, data_samples)
        return data_samples

    def predict_attributes(self, pooled: Tensor, data_samples: list[ReIDDataSample]) -> None:
        """Set ``attribute_probs`` (A,) where the model has :attr:`attribute_head`."""
        if self.attribute_head is not None:
            for sample, probs in zip(data_samples, self.attribute_head(pooled).float().sigmoid()):
                sample.set_data(dict(attribute_probs=probs))

    def get_extra_state(self) -> Tensor:
        """The vocabulary, which belongs to the weights."""
        text = self.tokenizer.to_json() if self.tokenizer is not None else ''
        return torch.tensor(list(text.encode()), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Compare the vocabulary of a checkpoint with the model's.

        Raises:
            ValueError: it is another one.
        """
        stored = bytes(state.cpu().tolist()).decode()
        if self.tokenizer is not None and stored and stored != self.tokenizer.to_json():
            raise ValueError('the checkpoint must have the vocabulary of the model, got '
                             f'{Tokenizer.from_json(stored).fingerprint[:12]} and {self.tokenizer.fingerprint[:12]}; '
                             'give the tokenizer that the checkpoint was trained with')


def pool_maps(maps: Tensor | Sequence[Tensor], pooling: nn.Module) -> Tensor:
    """Output of a backbone, (B, C, h, w) or (B, C) or several of which the last counts -> (B, C)."""
    maps = maps[-1] if isinstance(maps, (tuple, list)) else maps
    return maps if maps.ndim == 2 else pooling(maps)


def captions_of(data_samples: Sequence[ReIDDataSample]) -> list[str]:
    """The caption that each training sample drew.

    Raises:
        ValueError: a sample has none.
    """
    for sample in data_samples:
        if not sample.get('caption'):
            raise ValueError(f'every training sample must have a caption, got none for {sample.get("img_path")}; put '
                             'PickCaption into the pipeline and set needs_captions=True in the dataset')
    return [sample.caption for sample in data_samples]


def column(data_samples: Sequence[ReIDDataSample], key: str, device: torch.device) -> Tensor:
    """One integer of every sample (B,), -1 where it has none."""
    return torch.tensor([sample.get(key, -1) for sample in data_samples], device=device)


def attributes_of(data_samples: Sequence[ReIDDataSample], device: torch.device) -> Tensor:
    """Attributes (B, A) of every sample.

    Raises:
        ValueError: a sample has none.
    """
    without = [sample.get('img_path') for sample in data_samples if 'attributes' not in sample]
    if without:
        raise ValueError(f'every training sample must have attributes, got none for {without[0]}; set schema in the '
                         'dataset')
    return torch.stack([sample.attributes for sample in data_samples]).to(device)
