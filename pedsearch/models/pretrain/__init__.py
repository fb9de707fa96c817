"""Pre-training on pedestrians, and models of images and texts."""

from .attribute_model import AttributeModel
from .clip_weights import clip_image_weights, clip_weights
from .image_text import ImageTextModel
from .text_search import TextSearchModel
from .text_transformer import TextTransformer
from .tokenizers import Tokenizer, clip_tokenizer, saved_tokenizer, train_tokenizer, wordpiece_tokenizer
from .val_pat import TextObjective, ValPat, ViewObjective
from .views_preprocessor import ViewsDataPreprocessor

__all__ = [
    'AttributeModel', 'ImageTextModel', 'TextObjective', 'TextSearchModel', 'TextTransformer', 'Tokenizer', 'ValPat',
    'ViewObjective', 'ViewsDataPreprocessor', 'clip_image_weights', 'clip_tokenizer', 'clip_weights',
    'saved_tokenizer', 'train_tokenizer', 'wordpiece_tokenizer'
]
