"""VAL-PAT's objectives one by one and together, at equal iterations, carried to three tasks on toy crops.

    python benchmarks/val_pat_ablation.py --out ablation            # seeds 1, 2, 3; two processes of one thread
    python benchmarks/val_pat_ablation.py --out ablation --seeds 1

S: views, C: texts, M: attributes. Each union of them pre-trains the tiny encoder; its export starts unsupervised
re-identification, attribute recognition and search by sentences, each with the config of its folder, on people that no
training has seen; "none" starts them from random weights. The figures are those of the last epoch. The folder keeps
what is done: a second call goes on, and draws table and plot again. The data are those of configs/val_pat/README.md.
"""

import argparse
import json
import os
import runpy
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
OBJECTIVES = dict(S='views', C='texts', M='attributes')
SUBSETS = 'none', 'S', 'C', 'M', 'SC', 'SM', 'CM', 'SCM'
PRETRAINING = 'val_pat/val-pat_tiny_1xb64-12e_toy.py'
FIGURES = {'reid/mAP': 're-identification, mAP', 'attribute/mA': 'attributes, mA', 'text/R@1': 'sentences, R@1'}


# -- one cell of the table --------------------------------------------------------------------------------------------


def train(config: str, folder: Path, seed: int, changes: Mapping, test: bool = True) -> dict[str, float]:
    """Train and test a config; its figures and the seconds that training took."""
    from mmengine.config import Config
    from mmengine.runner import Runner

    cfg = Config.fromfile(ROOT / 'configs' / config)
    cfg.merge_from_dict(dict(changes, work_dir=str(folder), randomness=dict(seed=seed), log_level='WARNING',
                             experiment_name=f'{folder.parent.name}_{folder.name}'))
    cfg.train_cfg.val_begin = cfg.train_cfg.max_epochs + 1  # once, below
    runner = Runner.from_cfg(cfg)
    start = time.perf_counter()
    runner.train()
    found = dict(seconds=time.perf_counter() - start)
    return dict(found, **{name: float(value) for name, value in runner.val().items()}) if test else found


def pretrain(subset: str, folder: Path, seed: int) -> tuple[Path, dict[str, float]]:
    """Pre-train with some objectives; the exported encoder and what pre-training took."""
    from mmengine.config import Config

    cfg = Config.fromfile(ROOT / 'configs' / PRETRAINING)
    changes = {f'model.objectives.{name}': cfg.model.objectives[name] * (letter in subset)
               for letter, name in OBJECTIVES.items()}
    if 'S' not in subset:  # one view is enough
        pipeline = cfg.train_dataloader.dataset.pipeline
        views = next(place for place, step in enumerate(pipeline) if step['type'] == 'PhotoViews')
        pipeline[views].pipelines = pipeline[views].pipelines[:1]
        changes['train_dataloader.dataset.pipeline'] = pipeline
    found = train(PRETRAINING, folder / 'pretraining', seed, changes, test=False)
    sys.path.insert(0, str(ROOT / 'tools/model_converters'))
    export = runpy.run_path(str(ROOT / 'tools/model_converters/export_encoder.py'))['export']
    cfg.merge_from_dict({name: value for name, value in changes.items() if name.startswith('model.')})
    checkpoint = (folder / 'pretraining/last_checkpoint').read_text()
    export(cfg, checkpoint, folder / 'encoder.pth')
    return folder / 'encoder.pth', found


def fill_cell(subset: str, seed: int, out: Path) -> None:
    """Pre-train, carry to the three tasks, write the figures."""
    import torch

    torch.set_num_threads(1)
    folder = out / f'{subset}_{seed}'
    encoder, result = (None, {}) if subset == 'none' else pretrain(subset, folder, seed)
    start = 'model.backbone.init_cfg', 'model.image_encoder.init_cfg', 'load_from'
    configs = ('cluster_contrast/cluster-contrast_r18-half_1xb64-6e_toy.py',
               'attributes/attributes_r18-half_1xb64-6e_toy.py', 'text_search/text-search_tiny_1xb64-8e_toy.py')
    result = dict(pretraining=result)
    for config, key in zip(configs, start):
        entry = key if encoder is None or key == 'load_from' else f'{key}.checkpoint'
        changes = {entry: encoder and str(encoder)}
        result.update(train(config, folder / Path(config).parent.name, seed, changes))
    path = folder / 'figures.json'
    path.with_suffix('.part').write_text(json.dumps(result, indent=1))
    os.replace(path.with_suffix('.part'), path)


# -- all of them ------------------------------------------------------------------------------------------------------


def start_cell(subset: str, seed: int, args: argparse.Namespace) -> None:
    """Fill a cell in a process of its own."""
    log = args.out / f'{subset}_{seed}.log'
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, 'w') as file:
        code = subprocess.run([sys.executable, '-W', 'ignore', __file__, '--out', str(args.out), '--cell', subset,
                               str(seed)], cwd=ROOT, stdout=file, stderr=file,
                              env=dict(os.environ, OMP_NUM_THREADS='1')).returncode
    if code:
        raise RuntimeError(f'{subset} with seed {seed} stopped with exit status {code}; see {log}')


def draw(cells: dict[str, list[dict]], path: Path) -> None:
    """A panel for each task: a dot for each seed, a line at the mean."""
    import matplotlib
    matplotlib.use('agg')
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(FIGURES), figsize=(11, 3.2), constrained_layout=True)
    for axis, (name, title) in zip(axes, FIGURES.items()):
        for place, (subset, results) in enumerate(cells.items()):
            values = [100 * result[name] for result in results]
            colour = '0.6' if subset == 'none' else f'C{len(subset) - 1}'
            axis.plot([place] * len(values), values, 'o', color=colour, alpha=.6, markersize=5)
            axis.hlines(statistics.mean(values), place - .35, place + .35, color=colour, linewidth=2.5)
        axis.set_xticks(range(len(cells)), ['–' if subset == 'none' else subset for subset in cells])
        axis.set_title(f'{title} (%)', fontsize=10)
        axis.spines[['top', 'right']].set_visible(False)
        axis.grid(axis='y', color='0.9')
        axis.set_axisbelow(True)
    figure.savefig(path, dpi=130)


def report(args: argparse.Namespace) -> None:
    """Print the table and draw the plot of what is done."""
    cells = {subset: [json.loads(path.read_text()) for seed in args.seeds
                      if (path := args.out / f'{subset}_{seed}/figures.json').is_file()] for subset in SUBSETS}
    cells = {subset: results for subset, results in cells.items() if results}
    print('| pre-training | ' + ' | '.join(FIGURES.values()) + ' | seconds of pre-training | seeds |')
    print('|---' * (len(FIGURES) + 3) + '|')
    for subset, results in cells.items():
        row = []
        for name in FIGURES:
            values = [100 * result[name] for result in results]
            spread = f' ± {statistics.stdev(values):.1f}' if len(values) > 1 else ''
            row.append(f'{statistics.mean(values):.1f}{spread}')
        took = statistics.mean(result['pretraining'].get('seconds', 0.) for result in results)
        print(f'| {subset} | ' + ' | '.join(row) + f' | {took:.0f} | {len(results)} |')
    draw(cells, args.out / 'ablation.png')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, required=True, help='folder for everything')
    parser.add_argument('--seeds', type=int, nargs='+', default=[1, 2, 3])
    parser.add_argument('--workers', type=int, default=2, help='processes side by side, one thread each')
    parser.add_argument('--cell', nargs=2, metavar=('SUBSET', 'SEED'), help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.out = args.out.resolve()
    if args.cell:
        fill_cell(args.cell[0], int(args.cell[1]), args.out)
        return
    start = time.perf_counter()
    missing = [(subset, seed) for seed in args.seeds for subset in SUBSETS
               if not (args.out / f'{subset}_{seed}/figures.json').is_file()]
    with ThreadPoolExecutor(args.workers) as pool:
        list(pool.map(lambda cell: start_cell(*cell, args), missing))
    report(args)
    print(f'{len(missing)} cells in {(time.perf_counter() - start) / 60:.1f} minutes')


if __name__ == '__main__':
    main()
