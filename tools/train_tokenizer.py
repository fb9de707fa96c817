"""Learn a vocabulary of the captions of a training split.

Example::

    python tools/train_tokenizer.py data/toy_crops toy --out data/toy_crops/words.json
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pedsearch.datasets.multimodal import AnnotationFile
from pedsearch.models.pretrain import train_tokenizer


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', help='where the annotation files are')
    parser.add_argument('name', help='how they begin')
    parser.add_argument('--out', required=True, type=Path, help='new file')
    parser.add_argument('--split', default='train')
    parser.add_argument('--vocab-size', type=int, default=1000, help='at most, with five marks')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        images = AnnotationFile(args.folder, args.name).read(args.split)
        texts = [caption.text for image in images for caption in image.captions]
        tokenizer = train_tokenizer(texts, args.vocab_size)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        tokenizer.save(args.out)
    except (ImportError, OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    longest = max(len(tokenizer.rules.encode(text).ids) for text in texts) + 2
    print(f'{tokenizer.vocab_size} words of {len(texts)} captions in {args.out}; the longest caption takes {longest} '
          'places')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
