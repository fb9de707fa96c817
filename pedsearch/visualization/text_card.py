"""A sentence as a picture, to stand where a query's picture stands."""

import numpy as np
from PIL import Image, ImageDraw

from .drawing import INK, PAPER, font


def text_card(text: str, size: tuple[int, int]) -> np.ndarray:
    """Draw a sentence, broken into lines between words, in the largest letters in which it fits.

    Args:
        text (str): the sentence; what does not fit in the smallest letters ends in an ellipsis.
        size (tuple[int, int]): height and width in pixels.

    Returns:
        numpy.ndarray: (height, width, 3) uint8 RGB.
    """
    height, width = size
    card = Image.new('RGB', (width, height), PAPER)
    draw = ImageDraw.Draw(card)
    for points in range(18, 8, -1):
        letters, step = font(points), int(1.3 * points)
        room = max(1, (height - 12) // step)
        lines = _broken(text.split(), letters, width - 12)
        fits = len(lines) <= room and all(letters.getlength(line) <= width - 12 for line in lines)
        if fits or points == 9:
            break
    if len(lines) > room:
        lines = [*lines[:room - 1], lines[room - 1] + ' …']
    for number, line in enumerate(lines):
        draw.text((6, 6 + number * step), line, INK, letters)
    return np.asarray(card)


def _broken(words: list[str], letters, width: int) -> list[str]:  # noqa: ANN001 - a font of Pillow
    lines = ['']
    for word in words:
        longer = f'{lines[-1]} {word}'.strip()
        if lines[-1] and letters.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
