import subprocess
import sys
from pathlib import Path

from PIL import Image

from tests.toy_runs import run_config

ROOT = Path(__file__).parents[1]


def test_demo_renders_trains_searches_and_draws_and_can_be_called_again(tmp_path):
    cfg = run_config('seqnet', tmp_path / 'toy', tmp_path / 'run', batch_size=4, epochs=1)
    cfg.model.roi_head.memory.num_ids = 12
    cfg.model.test_cfg.rcnn.score_thr = 0.
    cfg.test_evaluator.score_thr = cfg.test_evaluator.det_score_thr = 0.
    cfg.dump(tmp_path / 'config.py')
    command = [sys.executable, '-W', 'ignore', ROOT / 'demo' / 'demo.py', '--preset', 'tiny', '--config',
               tmp_path / 'config.py', '--data', tmp_path / 'toy', '--work-dir', tmp_path / 'run']
    outputs = []
    for _ in range(2):
        result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        outputs.append(result.stdout[result.stdout.index('mAP   top-1'):].splitlines()[:3])
    assert outputs[0][1].startswith('person search')
    assert outputs[0][2].startswith('random embeddings')
    assert outputs[1] == outputs[0]  # the second call finds everything there and trains no more
    assert 'already there' in result.stdout
    assert Image.open(tmp_path / 'run' / 'ranked_gallery.png').size[0] > 200
