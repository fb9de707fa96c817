"""One caption of several, and captions of mirrored photos."""

import re

import numpy as np
from mmcv.transforms import BaseTransform

from pedsearch.registry import TRANSFORMS

from ..multimodal.annotations import caption_group

_SIDES = re.compile(r'\b(left|right)\b', re.IGNORECASE)


def swap_sides(text: str) -> str:
    """Say "left" for "right" and the other way round.

    Example:
        >>> swap_sides('Left hand up, a bag on the right.')
        'Right hand up, a bag on the left.'
    """

    def other(match: re.Match) -> str:
        word = match[0]
        swapped = 'right' if word.lower() == 'left' else 'left'
        return swapped.upper() if word.isupper() else swapped.capitalize() if word[0].isupper() else swapped

    return _SIDES.sub(other, text)


@TRANSFORMS.register_module()
class PickCaption(BaseTransform):
    """Set ``caption`` and ``text_group``: one of ``captions``, drawn anew at every visit, or '' and -1.

    Where ``flip`` is set the photo is mirrored, and the caption says left for right; its group is that of the
    new text, or where the annotations give groups, one of its own. Stands behind the transform that mirrors.
    """

    def transform(self, results: dict) -> dict:
        captions = results['captions']
        if not captions:
            results.update(caption='', text_group=-1)
            return results
        caption = captions[np.random.randint(len(captions))]
        text, group = caption.text, caption.group
        if results.get('flip'):
            text = swap_sides(text)
            if text != caption.text:
                group = caption_group(text) if group == caption_group(caption.text) else group ^ 1 << 62
        results.update(caption=text, text_group=group)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
