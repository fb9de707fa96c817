"""Describe a folder of unlabelled crops of people: attributes by a trained model, captions made of them.

OUT gets ``<name>.meta.json`` and ``<name>.train.jsonl``, which ``PedestrianMultiModalDataset`` reads with CROPS as
``img_root``. Crops that are too small, too wide or too tall are left out. An attribute is 1 where its probability is at
least --high, 0 where it is at most --low, else -1, unknown; probabilities are kept as ``attr_scores``.

Probabilities are saved batch by batch in ``<name>.unfinished.jsonl``. Started again after a stop, the tool goes on
there, and the files become the same byte for byte.

Example::

    python tools/annotate_crops.py CONFIG CHECKPOINT data/crops --out data/crops --name crops
"""

import argparse
import hashlib
import json
import os
import os.path as osp
import sys
from collections.abc import Sequence

import numpy as np
from mmengine.config import Config, DictAction
from rich.progress import track

from pedsearch.apis import AttributeInferencer
from pedsearch.datasets.multimodal import AnnotationFile, AttributeSchema, write_annotations
from pedsearch.datasets.multimodal.crop_annotation import (
    DIGITS,
    CropRule,
    annotate_crops,
    label_probabilities,
    select_crops,
)
from pedsearch.datasets.reid_datasets.image_folders import list_images


class Journal:
    """Probabilities of crops so far, in a file that survives a stop at any moment.

    The first line says what they were made with, each further one has the crops of one batch.

    Args:
        path (str): the file; made if absent.
        head (dict[str, str]): what must be the same to go on.

    State:
        probs: path of a crop -> probabilities.

    Raises:
        ValueError: the file was made with something else.
    """

    def __init__(self, path: str, head: dict[str, str]) -> None:
        self.path, self.probs = path, {}
        os.makedirs(osp.dirname(path) or '.', exist_ok=True)
        lines = []
        if osp.isfile(path):
            with open(path, 'rb') as file:
                content = file.read()
            whole = content.rfind(b'\n') + 1  # a stop may have cut the last line
            try:
                lines = [json.loads(line) for line in content[:whole].splitlines()]
            except ValueError:
                raise ValueError(f'{path} must be what an unfinished run left, got other lines; delete it') from None
            os.truncate(path, whole)
        if lines and lines[0] != head:
            other = [key for key in head if lines[0].get(key) != head[key]]
            raise ValueError(f'{path} must be of the same {", ".join(head)} to go on, got another {", ".join(other)}; '
                             'start it with those, or delete the file to begin anew')
        for line in lines[1:]:
            self.probs.update(line)
        self._file = open(path, 'a', encoding='utf-8')  # noqa: SIM115 - lives as long as the journal
        if not lines:
            self._write(head)

    def add(self, probs: dict[str, list[float]]) -> None:
        """Save a batch."""
        self.probs.update(probs)
        self._write(probs)

    def remove(self) -> None:
        """End the journal: what it held is written elsewhere."""
        self.close()
        os.remove(self.path)

    def close(self) -> None:
        self._file.close()

    def _write(self, entry: dict) -> None:
        self._file.write(json.dumps(entry, ensure_ascii=False) + '\n')
        self._file.flush()


def find_schema(cfg: Config, meta: str | None, name: str | None) -> tuple[str, AttributeSchema]:
    """Name and schema of what a model tells: those of a meta file, else those of the config's test data.

    Raises:
        FileNotFoundError, ValueError: there is no such file or schema.
    """
    dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    if meta is None and not {'data_root', 'name'} <= set(dataset):
        raise ValueError('test_dataloader.dataset of the config must have data_root, name and schema, got others; name '
                         'the attributes with --meta FILE')
    if meta is None:
        folder, beginning = dataset['data_root'], dataset['name']
    elif meta.endswith('.meta.json'):
        folder, beginning = osp.split(meta[:-len('.meta.json')])
    else:
        raise ValueError(f'--meta must be a file <name>.meta.json, got {meta}')
    name = name or dataset.get('schema')
    if name is None:
        raise ValueError('the model\'s attribute schema must be known, got none in the config; name it with --schema')
    return name, AnnotationFile(folder, beginning).schema(name)


def fingerprint(path: str) -> str:
    """SHA-256 of a file."""
    with open(path, 'rb') as file:
        return hashlib.sha256(file.read()).hexdigest()


def tell(inferencer: AttributeInferencer, root: str, names: Sequence[str], journal: Journal) -> None:
    """Probabilities of all crops that the journal has not yet.

    Batches are cut from what is left; a stop leaves whole batches, so they are the same as without it.
    """
    left = [name for name in names if name not in journal.probs]
    size = inferencer.batch_size
    for start in track(range(0, len(left), size), description='batches'):
        batch = left[start:start + size]
        probs = inferencer.probabilities([osp.join(root, name) for name in batch]).astype(np.float64).round(DIGITS)
        journal.add(dict(zip(batch, probs.tolist())))


def run(args: argparse.Namespace) -> str:
    """Everything; what to tell the user at the end."""
    rule = CropRule(args.min_height, args.min_width, *args.aspect)
    label_probabilities(np.zeros(0), args.high, args.low)  # says what is wrong with them before hours of work
    if args.captions < 0 or args.seed < 0:
        raise ValueError(f'--captions and --seed must be >= 0, got {args.captions} and {args.seed}')
    for path in (args.config, args.checkpoint):
        if not osp.isfile(path):
            raise FileNotFoundError(f'there is no file {path}; give a config file and a checkpoint')
    if not osp.isdir(args.crops):
        raise FileNotFoundError(f'there is no folder {args.crops}; give a folder of pictures')
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    schema_name, schema = find_schema(cfg, args.meta, args.schema)
    inferencer = AttributeInferencer(cfg, args.checkpoint, args.device, args.batch_size, args.workers)
    if inferencer.num_attributes != len(schema.names):
        raise ValueError(f'the model must tell the {len(schema.names)} attributes of {schema_name}, got '
                         f'{inferencer.num_attributes}; name the schema of its training')
    listed = list_images(args.crops)
    names, left_out = select_crops(args.crops, track(listed, description='sizes'), rule)
    if not names:
        raise ValueError(f'{args.crops} must hold crops that are large enough, got none among {len(listed)} pictures; '
                         'lower --min-height and --min-width or widen --aspect')
    pipeline = json.dumps(cfg.test_dataloader.dataset.pipeline, default=str, sort_keys=True)
    journal = Journal(osp.join(args.out, f'{args.name}.unfinished.jsonl'), dict(
        checkpoint=fingerprint(args.checkpoint), attributes=','.join(schema.names), pipeline=pipeline,
        batch_size=str(args.batch_size)))
    try:
        tell(inferencer, args.crops, names, journal)
        images = annotate_crops({name: journal.probs[name] for name in names}, schema_name, schema.names,
                                args.captions, args.seed, args.high, args.low)
        write_annotations(args.out, args.name, images, {schema_name: schema}, license='see the crops')
    finally:
        journal.close()
    journal.remove()
    reasons = ''.join(f', {count} {reason}' for reason, count in sorted(left_out.items()))
    known = np.mean([value >= 0 for image in images for value in image.attrs[schema_name]])
    return (f'{len(images)} crops described in {args.out}, {sum(len(image.captions) for image in images)} captions, '
            f'{100 * known:.0f} % of the labels known; {sum(left_out.values())} crops left out{reasons}')


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config of a model that tells attributes')
    parser.add_argument('checkpoint', help='its weights')
    parser.add_argument('crops', help='folder of pictures of one person each, nested or not')
    parser.add_argument('--out', required=True, help='folder for the annotation files')
    parser.add_argument('--name', default='crops', help='how they begin; default: %(default)s')
    parser.add_argument('--meta', help='<name>.meta.json that names the attributes; default: of the test data')
    parser.add_argument('--schema', help='attribute schema in it; default: of the config\'s test data')
    parser.add_argument('--min-height', type=int, default=80, help='in pixels; default: %(default)s')
    parser.add_argument('--min-width', type=int, default=32, help='in pixels; default: %(default)s')
    parser.add_argument('--aspect', type=float, nargs=2, default=(1.2, 4.0), metavar=('LEAST', 'GREATEST'),
                        help='height / width; default: 1.2 4')
    parser.add_argument('--high', type=float, default=0.7, help='probability that means yes; default: %(default)s')
    parser.add_argument('--low', type=float, default=0.3, help='probability that means no; default: %(default)s')
    parser.add_argument('--captions', type=int, default=2,
                        help='captions drawn for a crop, equal ones once; default: %(default)s')
    parser.add_argument('--seed', type=int, default=0, help='decides the words; default: %(default)s')
    parser.add_argument('--batch-size', type=int, default=64, help='crops per forward pass; default: %(default)s')
    parser.add_argument('--workers', type=int, default=0, help='threads that read pictures; default: %(default)s')
    parser.add_argument('--device', help='for example cpu or cuda:0; default: the first accelerator there is')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='override config entries, key=value ...')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    try:
        message = run(parse_args(argv))
    except (OSError, TypeError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(message)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
