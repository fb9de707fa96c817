"""Search for the person in a box of one image among all people of a folder of images."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import mmcv
from mmengine.utils import ProgressBar

from pedsearch.apis import GalleryIndex, PersonSearchInferencer
from pedsearch.visualization import Answer, RankedQuery, View, draw_sheet

SUFFIXES = {'.bmp', '.jpeg', '.jpg', '.png', '.webp'}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--query', required=True, help='image that shows the person')
    parser.add_argument('--bbox', type=float, nargs=4, required=True, metavar=('X1', 'Y1', 'X2', 'Y2'),
                        help='the person in it: corners in pixels')
    parser.add_argument('--gallery', type=Path, required=True, help='folder of images to search, with its sub-folders')
    parser.add_argument('--index', type=Path,
                        help='.npz file that keeps the people of the gallery; read if it exists, else written')
    parser.add_argument('--out', type=Path, help='picture of the answers to write (.png)')
    parser.add_argument('--scenes', action='store_true', help='draw whole scenes instead of crops')
    parser.add_argument('--topk', type=int, default=8, help='number of answers')
    parser.add_argument('--batch-size', type=int, default=1, help='images per forward pass')
    parser.add_argument('--device', help="such as 'cpu' or 'cuda:0'; default: the first accelerator, or the CPU")
    return parser.parse_args()


def list_images(folder: Path) -> list[Path]:
    """All images below a folder, sorted."""
    if not folder.is_dir():
        raise FileNotFoundError(f'gallery folder {folder} does not exist')
    images = sorted(path for path in folder.rglob('*') if path.suffix.lower() in SUFFIXES)
    if not images:
        raise ValueError(f'gallery folder {folder} must hold images ({", ".join(sorted(SUFFIXES))}), got none')
    return images


def counted(images: list[Path]) -> Iterator[Path]:
    """The images, with a progress bar."""
    bar = ProgressBar(len(images), file=sys.stderr)
    for image in images:
        yield image
        bar.update()
    sys.stderr.write('\n')


def load_or_make_index(inferencer: PersonSearchInferencer, args: argparse.Namespace) -> GalleryIndex:
    if args.index is not None and args.index.exists():
        return GalleryIndex.load(args.index)
    index = inferencer.index(counted(list_images(args.gallery)), args.batch_size)
    if args.index is not None:
        index.save(args.index)
    return index


def main() -> None:
    args = parse_args()
    inferencer = PersonSearchInferencer(args.config, args.checkpoint, args.device)
    index = load_or_make_index(inferencer, args)
    hits = inferencer.search(args.query, args.bbox, index, args.topk)
    for rank, hit in enumerate(hits, start=1):
        print(f'{rank:>3}  {hit.score:.3f}  {hit.image}  ' + ' '.join(f'{value:.0f}' for value in hit.bbox))
    if args.out is not None:
        answers = [Answer(hit.image, hit.bbox, hit.score) for hit in hits]
        row = RankedQuery(View(args.query, args.bbox), answers)
        shown = min(args.topk, 3) if args.scenes else args.topk
        title = f'Best answers among {len(index)} people in {len(index.images)} images'
        picture = draw_sheet(title, [('', [row])], shown, args.scenes)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        mmcv.imwrite(picture[..., ::-1], str(args.out))


if __name__ == '__main__':
    try:
        main()
    except (FileNotFoundError, TypeError, ValueError) as error:
        sys.exit(f'error: {error}')
