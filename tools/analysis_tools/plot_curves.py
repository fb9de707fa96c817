"""Plot what trainings logged, one chart per key, one line per run.

A run is a work dir, or one of its `.json` logs with a record per line, such as `vis_data/scalars.json`. What a work dir
logged before and after a resumption makes one line. With ``--group`` an argument is a folder of runs, say of several
seeds: its line is their mean, in a band from the lowest to the highest.
"""

import argparse
import json
import re
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('logs', nargs='+', type=Path, help='work dirs or .json logs')
    parser.add_argument('--group', action='store_true', help='arguments are folders of runs')
    parser.add_argument('--keys', nargs='+', required=True, help='such as loss, reid/mAP; "ari" also finds any/ari')
    parser.add_argument('--out', type=Path, required=True, help='picture to write (.png)')
    return parser.parse_args()


def read_records(log: Path) -> list[dict]:
    """Records of a log file, or of all of a work dir, oldest first."""
    files = [log] if log.is_file() else sorted(log.glob('**/vis_data/scalars.json')) or sorted(log.glob('*.json'))
    if not files:
        raise FileNotFoundError(f'{log} must be a log or a work dir with vis_data/scalars.json, got neither')
    try:
        return [json.loads(line) for file in files for line in file.read_text(encoding='utf-8').splitlines() if line]
    except ValueError as error:
        raise ValueError(f'{log} must hold one JSON record per line ({error}); give a work dir') from None


def curve(records: list[dict], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Epochs trained, rising, and values; a later record of the same place replaces an earlier one.

    Training records have iteration and epoch, hence the length of an epoch; the others have the epoch as their step.
    """
    length = max((record['iter'] / record['epoch'] for record in records if record.get('epoch') and 'iter' in record),
                 default=1)
    points = {record['iter'] / length if 'iter' in record else record.get('epoch', record.get('step', 0)): value
              for record in records for name, value in record.items() if name == key or name.endswith(f'/{key}')}
    return np.array(sorted(points)), np.array([points[place] for place in sorted(points)], dtype=float)


def join(curves: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, ...]:
    """Epochs that all curves have, mean, lowest and highest value there; a single curve is itself alone."""
    if len(curves) == 1:
        return curves[0]
    epochs = np.array(sorted(set.intersection(*(set(epochs) for epochs, _ in curves))))
    values = np.array([values[np.isin(places, epochs)] for places, values in curves])  # (runs, epochs)
    return epochs, values.mean(axis=0), values.min(axis=0), values.max(axis=0)


def runs_of(log: Path, group: bool) -> list[Path]:
    """The run itself, or the runs in a folder of them."""
    runs = sorted(path for path in log.iterdir() if path.is_dir()) if group and log.is_dir() else [log]
    if not runs:
        raise FileNotFoundError(f'{log} must be a folder of runs, got an empty one; leave --group out for work dirs')
    return runs


def run_name(log: Path) -> str:
    """Name of the work dir, behind the folders that mmengine makes in it."""
    folders = log.resolve().parts if log.is_dir() else log.resolve().parts[:-1]
    return next((name for name in reversed(folders) if name != 'vis_data' and not re.fullmatch(r'\d{8}_\d{6}', name)),
                str(log))


def draw(curves: dict[str, dict[str, tuple[np.ndarray, ...]]]) -> Figure:
    """Key -> run -> (epochs, values), or (epochs, values, lowest, highest)."""
    rows, columns = -(-len(curves) // 3), min(len(curves), 3)
    figure = Figure(figsize=(6 * columns, 4.4 * rows), dpi=120, layout='constrained')
    figure.get_layout_engine().set(w_pad=.15, h_pad=.12)
    for place, (key, runs) in enumerate(curves.items(), start=1):
        axes = figure.add_subplot(rows, columns, place)
        for name, (epochs, values, *band) in runs.items():
            line, = axes.plot(epochs, values, lw=2, marker='o' if len(epochs) <= 60 else None, ms=4.5, label=name)
            if band:
                axes.fill_between(epochs, *band, color=line.get_color(), alpha=.18, lw=0)
        axes.set_title(key, loc='left', fontsize=15, fontweight='bold')
        axes.set_xlabel('epoch', fontsize=13)
        axes.tick_params(labelsize=12)
        axes.grid(color='#e4e7eb')
        axes.spines[['top', 'right']].set_visible(False)
    figure.legend(*axes.get_legend_handles_labels(), loc='outside lower center', fontsize=12, frameon=False,
                  ncols=min(3, 2 * columns))
    return figure


def main() -> None:
    args = parse_args()
    runs = {log: [read_records(run) for run in runs_of(log, args.group)] for log in args.logs}
    names = {log: run_name(log) for log in runs}
    names = {log: name if list(names.values()).count(name) == 1 else str(log) for log, name in names.items()}
    curves = {key: {names[log]: join([curve(records, key) for records in group]) for log, group in runs.items()}
              for key in args.keys}
    for key, found in curves.items():
        if not any(len(epochs) for epochs, *_ in found.values()):
            known = sorted({name for group in runs.values() for records in group for record in records
                            for name in record})
            raise SystemExit(f'error: --keys must be logged by a run, got {key}; there are {", ".join(known)}')
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure = draw(curves)
    FigureCanvasAgg(figure).print_png(str(args.out))
    print(args.out)


if __name__ == '__main__':
    main()
