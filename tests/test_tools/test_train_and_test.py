"""The command line, start to end, on block scenes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.scene_files import write_block_scenes
from tests.toy_runs import run_config

ROOT = Path(__file__).parents[2]


def run(tool: str, *args: object, module: tuple = ()) -> subprocess.CompletedProcess:
    command = [sys.executable, '-W', 'ignore', *module, ROOT / 'tools' / tool, *args]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=ROOT)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A work dir with a config and what ``tools/train.py`` left there."""
    folder = tmp_path_factory.mktemp('cli')
    cfg = run_config('oim', write_block_scenes(folder / 'scenes'), folder / 'run', batch_size=4, epochs=2)
    cfg.model.test_cfg.rcnn.score_thr = 0.
    cfg.test_evaluator.score_thr = cfg.test_evaluator.det_score_thr = 0.
    cfg.log_level = 'INFO'
    cfg.dump(folder / 'config.py')
    result = run('train.py', folder / 'config.py', '--work-dir', folder / 'run')
    assert result.returncode == 0, result.stderr
    return folder


def metrics_of(output: str) -> str:
    return output.split('person search, in percent')[1]


def test_train_writes_checkpoints(trained):
    assert (trained / 'run' / 'iter_4.pth').exists()
    assert (trained / 'run' / 'last_checkpoint').read_text().endswith('iter_4.pth')


def test_test_prints_a_table_and_draws(trained):
    result = run('test.py', trained / 'config.py', trained / 'run' / 'iter_4.pth', '--work-dir', trained / 'run',
                 '--out', trained / 'ranked.json', '--show-dir', trained / 'show')
    assert result.returncode == 0, result.stderr
    table = metrics_of(result.stdout + result.stderr)
    assert 'mAP' in table
    assert 'control' in table
    dump = json.loads((trained / 'ranked.json').read_text())
    assert set(dump['evaluations']) == {'primary', 'control'}
    assert Image.open(trained / 'show' / 'ranked_gallery.png').size[0] > 200


def test_two_processes_print_the_table_of_one(trained):
    args = (trained / 'config.py', trained / 'run' / 'iter_4.pth')
    one = run('test.py', *args, '--work-dir', trained / 'one', '--out', trained / 'one.json')
    two = run('test.py', *args, '--work-dir', trained / 'two', '--out', trained / 'two.json', '--launcher', 'pytorch',
              module=('-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2'))
    assert two.returncode == 0, two.stderr
    one_metrics, two_metrics = (json.loads((trained / name).read_text())['metrics'] for name in ('one.json', 'two.json'))
    assert two_metrics == pytest.approx(one_metrics, abs=1e-6)
    assert one.returncode == 0


def test_annotated_boxes_are_the_upper_bound(trained):
    result = run('test.py', trained / 'config.py', trained / 'run' / 'iter_4.pth', '--work-dir', trained / 'gt',
                 '--use-gt-boxes', '--out', trained / 'gt.json')
    assert result.returncode == 0, result.stderr
    metrics = json.loads((trained / 'gt.json').read_text())['metrics']
    assert metrics['det_recall'] == metrics['det_AP'] == 1


def test_checkpoint_that_runs_code_is_refused(trained, tmp_path):
    from tests.test_tools.test_model_converters.test_torchvision_backbone import Payload
    torch.save(dict(state_dict={}, meta=Payload()), tmp_path / 'bad.pth')
    result = run('test.py', trained / 'config.py', tmp_path / 'bad.pth', '--work-dir', tmp_path)
    assert result.returncode != 0
    assert 'bad.pth cannot be read as weights (Unsupported global: GLOBAL io.open' in result.stderr
    assert not (ROOT / 'opened').exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason='tells what happens without a GPU')
def test_mixed_precision_needs_a_gpu(trained):
    result = run('train.py', trained / 'config.py', '--work-dir', trained / 'x', '--amp')
    assert result.returncode != 0
    assert '--amp needs a GPU, got none; leave it out' in result.stderr


@pytest.mark.parametrize(('tool', 'args', 'line'), [
    ('train.py', ['no.py'], 'error: there is no config file no.py; those of pedsearch are in configs/'),
    ('test.py', ['no.py', 'no.pth'], 'error: there is no file no.py; give a config file and a checkpoint'),
])
def test_missing_files_get_one_line(tool, args, line):
    result = run(tool, *args)
    assert result.returncode == 1
    assert result.stderr.strip().splitlines()[-1] == line
    assert 'Traceback' not in result.stderr


def test_auto_scale_lr_needs_its_base(trained):
    result = run('train.py', trained / 'config.py', '--work-dir', trained / 'x', '--auto-scale-lr', '--cfg-options',
                 'auto_scale_lr._delete_=True')
    assert result.returncode != 0
    assert '--auto-scale-lr needs auto_scale_lr.base_batch_size in the config' in result.stderr
