r"""Search for a person, shown in a box of one image or described by a sentence, among all people of a folder of images.

Example::

    python tools/search.py CONFIG CHECKPOINT --gallery FOLDER --query a.jpg --bbox 10 20 60 160
    python tools/search.py CONFIG CHECKPOINT --gallery FOLDER --text 'a woman in a red coat' \
        --text-model configs/val_pat/val-pat_tiny_1xb64-12e_toy.py TEXT.pth
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import mmcv
from rich.console import Console
from rich.progress import track

from pedsearch.apis import GalleryIndex, PersonSearchInferencer, SearchHit, TextSearchInferencer
from pedsearch.visualization import CROP_SIZE, SCENE_SIZE, Answer, RankedQuery, View, draw_sheet, text_card

SUFFIXES = {'.bmp', '.jpeg', '.jpg', '.png', '.webp'}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file of a person search model; for a sentence, it finds the boxes')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--query', help='image that shows the person')
    parser.add_argument('--bbox', type=float, nargs=4, metavar=('X1', 'Y1', 'X2', 'Y2'),
                        help='the person in it: corners in pixels')
    parser.add_argument('--text', help='a sentence that describes the person')
    parser.add_argument('--text-model', nargs=2, metavar=('CONFIG', 'CHECKPOINT'),
                        help='model with a text encoder, which understands it')
    parser.add_argument('--gallery', type=Path, required=True, help='folder of images to search, with its sub-folders')
    parser.add_argument('--index', type=Path,
                        help='.npz file that keeps the people of the gallery; read if it exists, else written')
    parser.add_argument('--out', type=Path, help='picture of the answers to write (.png)')
    parser.add_argument('--scenes', action='store_true', help='draw whole scenes instead of crops')
    parser.add_argument('--topk', type=int, default=8, help='number of answers')
    parser.add_argument('--batch-size', type=int, default=1, help='images per forward pass')
    parser.add_argument('--device', help="such as 'cpu' or 'cuda:0'; default: the first accelerator, or the CPU")
    args = parser.parse_args()
    shown, described = bool(args.query and args.bbox), bool(args.text and args.text_model)
    if shown == described or bool(args.query or args.bbox) and bool(args.text or args.text_model):
        parser.error('give either --query and --bbox, or --text and --text-model')
    if args.out is not None and args.out.suffix.lower() not in SUFFIXES:
        parser.error(f'--out must be a picture ({", ".join(sorted(SUFFIXES))}), got {args.out}')
    return args


def list_images(folder: Path) -> list[Path]:
    """All images below a folder, sorted."""
    if not folder.is_dir():
        raise FileNotFoundError(f'gallery folder {folder} does not exist')
    images = sorted(path for path in folder.rglob('*') if path.suffix.lower() in SUFFIXES)
    if not images:
        raise ValueError(f'gallery folder {folder} must hold images ({", ".join(sorted(SUFFIXES))}), got none')
    return images


def counted(images: list[Path]) -> Iterable[Path]:
    """The images, with a progress bar."""
    return track(images, 'gallery', console=Console(stderr=True))


def load_or_make_index(args: argparse.Namespace, make: Callable[[list[Path]], GalleryIndex]) -> GalleryIndex:
    if args.index is not None and args.index.exists():
        return GalleryIndex.load(args.index)
    index = make(list_images(args.gallery))
    if args.index is not None:
        index.save(args.index)
    return index


def search_box(args: argparse.Namespace) -> tuple[GalleryIndex, list[SearchHit], View]:
    """Index, answers, and the query's picture."""
    inferencer = PersonSearchInferencer(args.config, args.checkpoint, args.device)
    index = load_or_make_index(args, lambda images: inferencer.index(counted(images), args.batch_size))
    return index, inferencer.search(args.query, args.bbox, index, args.topk), View(args.query, args.bbox)


def search_text(args: argparse.Namespace) -> tuple[GalleryIndex, list[SearchHit], View]:
    """Index, answers, and the sentence as a picture."""
    inferencer = TextSearchInferencer(*args.text_model, args.device)

    def make(images: list[Path]) -> GalleryIndex:
        return inferencer.index_scenes(PersonSearchInferencer(args.config, args.checkpoint, args.device),
                                       counted(images))

    index = load_or_make_index(args, make)
    card = text_card(args.text, SCENE_SIZE if args.scenes else CROP_SIZE)
    return index, inferencer.search_text(args.text, index, args.topk), View(card)


def main() -> None:
    args = parse_args()
    index, hits, query = search_text(args) if args.text else search_box(args)
    for rank, hit in enumerate(hits, start=1):
        print(f'{rank:>3}  {hit.score:.3f}  {hit.image}  ' + ' '.join(f'{value:.0f}' for value in hit.bbox))
    if args.out is not None:
        answers = [Answer(hit.image, hit.bbox, hit.score) for hit in hits]
        row = RankedQuery(query, answers)
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
