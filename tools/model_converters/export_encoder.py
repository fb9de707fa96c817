"""Take the encoders out of a checkpoint of pre-training, with all that the next training has to know.

The new file has weights ``image_encoder.*``, and where texts were learnt ``image_neck.*``, ``text_encoder.*``,
``text_neck.*`` and the vocabulary, and of attributes ``attribute_head.*``; momentum encoders, queues and what else only
pre-training needs is left out. Its meta says which backbone, input size, normalisation, vocabulary and attributes
belong to it.

A re-identification or attribute config starts from it with
``model.backbone.init_cfg=dict(type='Pretrained', checkpoint=OUT, prefix='image_encoder')``, one of text search with
``load_from=OUT``.

Example::

    python tools/model_converters/export_encoder.py configs/val_pat/val-pat_tiny_1xb64-12e_toy.py CHECKPOINT \
        --out encoder.pth
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.registry import DefaultScope
from weight_files import write_checkpoint

from pedsearch.apis import load_weights, read_checkpoint
from pedsearch.registry import MODELS

KEPT = 'image_encoder', 'image_neck', 'text_encoder', 'text_neck', 'attribute_head', '_extra_state'
LEFT_OUT = 'momentum_encoders.', 'views.', 'texts.', 'attributes.'


def input_size(cfg: Config) -> tuple[int, int] | None:
    """Height and width that the config tests with."""
    scales = [step['scale'] for step in cfg.test_dataloader.dataset.pipeline if 'scale' in step]
    return tuple(scales[-1][::-1]) if scales else None


def export(cfg: Config, checkpoint: str, out: Path) -> int:
    """Write the file; the number of weights."""
    if 'image_encoder' not in cfg.model:
        raise ValueError(f'the config must be one with an image_encoder, got {cfg.model.type}; take one of '
                         'pre-training')
    content = read_checkpoint(checkpoint)
    with DefaultScope.overwrite_default_scope('pedsearch'):
        model = MODELS.build(cfg.model)
    load_weights(model, content, LEFT_OUT)
    weights = {name: value for name, value in model.state_dict().items() if name.split('.')[0] in KEPT}
    processor, dataset = cfg.model.data_preprocessor, cfg.train_dataloader.dataset
    meta = dict(
        format='pedsearch-encoder', version=1, image_encoder=cfg.model.image_encoder.to_dict(),
        image_dims=cfg.model.image_dims, embed_dims=cfg.model.get('embed_dims'), input_size=input_size(cfg),
        mean=list(processor.mean), std=list(processor.std), bgr_to_rgb=bool(processor.get('bgr_to_rgb')),
        attribute_schema=dataset.get('schema'), config=Path(cfg.filename).name)
    if model.tokenizer is not None:
        meta.update(text_encoder=cfg.model.text_encoder.to_dict(), vocabulary=model.tokenizer.to_json(),
                    vocabulary_sha256=model.tokenizer.fingerprint)
    write_checkpoint(out, weights, meta)
    return len(weights)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config of pre-training')
    parser.add_argument('checkpoint', help='what it saved')
    parser.add_argument('--out', required=True, type=Path, help='new file')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='override config entries, key=value ...')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        cfg = Config.fromfile(args.config)
        cfg.merge_from_dict(args.cfg_options or {})
        num = export(cfg, args.checkpoint, args.out)
    except (ImportError, OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(f'{num} weights in {args.out}')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
