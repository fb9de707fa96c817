"""Pre-training on pedestrians, and models of images and texts."""

from .text_transformer import TextTransformer
from .tokenizers import Tokenizer, clip_tokenizer, saved_tokenizer, train_tokenizer, wordpiece_tokenizer

__all__ = [
    'TextTransformer', 'Tokenizer', 'clip_tokenizer', 'saved_tokenizer', 'train_tokenizer', 'wordpiece_tokenizer'
]
