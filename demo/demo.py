"""The main job, start to end: render toy scenes, train SeqNet on them, find people who were never seen before.

Everything is drawn from one seed, runs on a CPU and needs no download. Interrupted, it goes on where it stopped.
"""

import argparse
import json
import time
from pathlib import Path

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from PIL import Image

from pedsearch.mesh.scene_writer import write_toy_scenes
from pedsearch.mesh.toy_world import PRESETS
from pedsearch.visualization import draw_ranked_galleries

ROOT = Path(__file__).parents[1]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--config', type=Path, default=ROOT / 'configs/seqnet/seqnet_r18-half_1xb4-12e_toy.py')
    parser.add_argument('--preset', choices=sorted(PRESETS), default='demo', help='size of the toy world')
    parser.add_argument('--data', type=Path, default=ROOT / 'data/toy', help='folder of the toy scenes')
    parser.add_argument('--work-dir', type=Path, help='folder of logs, checkpoints, pictures; default: '
                        'work_dirs/<name of the config>')
    parser.add_argument('--seed', type=int, default=1, help='seed of the training')
    return parser.parse_args()


def render(preset: str, folder: Path) -> None:
    """Write the toy scenes unless they are there."""
    start = time.perf_counter()
    print('1/3  rendering toy scenes ...', flush=True)
    fresh = write_toy_scenes(PRESETS[preset], folder, workers=2)
    print(f'     {folder}: ' + (f'{time.perf_counter() - start:.0f} s' if fresh else 'already there'), flush=True)


def load_config(args: argparse.Namespace) -> Config:
    cfg = Config.fromfile(args.config)
    cfg.work_dir = str(args.work_dir or ROOT / 'work_dirs' / args.config.stem)
    cfg.train_dataloader.dataset.data_root = cfg.test_dataloader.dataset.data_root = str(args.data)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.test_evaluator.dump = str(Path(cfg.work_dir, 'ranked.json'))
    cfg.randomness.seed = args.seed
    cfg.resume = True
    cfg.log_level = 'ERROR'  # one line per epoch is enough here; scalars are written to the work dir all the same
    return cfg


def print_table(metrics: dict[str, float]) -> None:
    """Detection and search accuracy in percent, the control below."""
    percent = {name.removeprefix('search/'): 100 * value for name, value in metrics.items()}
    print(f'\n{"":24}{"mAP":>8}{"top-1":>8}{"top-5":>8}{"top-10":>8}')
    for title, suffix in (('person search', ''), ('random embeddings', '_control')):
        row = [percent[name + suffix] for name in ('mAP', 'top1', 'top5', 'top10')]
        print(f'{title:24}' + ''.join(f'{value:8.1f}' for value in row))
    print(f'\ndetection               AP {percent["det_AP"]:.1f}, recall {percent["det_recall"]:.1f}')
    print(f'mAP is {metrics["search/mAP"] / metrics["search/mAP_control"]:.1f} times the control: the same boxes with '
          'random embeddings\n')


class EpochLine(Hook):
    """Prints one line after each epoch."""

    def before_train(self, runner: Runner) -> None:
        self.start = time.perf_counter()

    def after_train_epoch(self, runner: Runner) -> None:
        loss = runner.message_hub.get_scalar('train/loss').mean(len(runner.train_dataloader))
        minutes = (time.perf_counter() - self.start) / 60
        print(f'     epoch {runner.epoch + 1:2d}/{runner.max_epochs}   loss {loss:6.2f}   {minutes:4.1f} minutes',
              flush=True)


def draw(runner: Runner, dump: Path) -> None:
    """Pictures of the best and the worst queries beside the dump of the test."""
    per_query = json.loads(dump.read_text())['evaluations']['primary']
    for name, scenes in (('ranked_gallery.png', False), ('ranked_scenes.png', True)):
        picture = draw_ranked_galleries(runner.test_dataloader.dataset, per_query, scenes=scenes)
        Image.fromarray(picture).save(dump.with_name(name))
        print(f'picture: {dump.with_name(name)}')


def main() -> None:
    args = parse_args()
    render(args.preset, args.data)
    cfg = load_config(args)
    runner = Runner.from_cfg(cfg)

    runner.register_hook(EpochLine())

    print('2/3  training ...', flush=True)
    runner.train()

    print('3/3  searching for people who were not in the training set ...', flush=True)
    metrics = runner.test()
    print_table(metrics)
    draw(runner, Path(cfg.test_evaluator.dump))


if __name__ == '__main__':
    main()
