"""Oracles: the model itself, and the files of a run that nobody stopped."""

import json

import numpy as np
import pytest
import torch

from pedsearch.apis.attribute_inferencer import AttributeInferencer
from pedsearch.datasets import PedestrianMultiModalDataset
from pedsearch.datasets.multimodal import AnnotationFile, template_captions
from tests.test_apis.attribute_runs import NAMES, write_attribute_run, write_noise_crops

from .tool_files import load_tool

FILES = 'crops.meta.json', 'crops.train.jsonl'


@pytest.fixture(scope='module')
def tool():
    return load_tool('annotate_crops')


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Folder with model and eleven crops, and the names of these."""
    folder = tmp_path_factory.mktemp('annotate')
    write_attribute_run(folder)
    return folder, write_noise_crops(folder / 'crops', 11)


def arguments(folder, out, *more: str) -> list[str]:
    return [str(folder / 'config.py'), str(folder / 'weights.pth'), str(folder / 'crops'), '--out', str(out), '--device',
            'cpu', '--batch-size', '4', *more]


@pytest.fixture(scope='module')
def finished(tool, run):
    folder, _ = run
    assert tool.main(arguments(folder, folder / 'whole')) == 0
    return folder / 'whole'


def test_labels_follow_the_probabilities(tool, run, tmp_path, capsys):
    folder, names = run
    assert tool.main(arguments(folder, tmp_path, '--high', '.6', '--low', '.2', '--captions', '3', '--seed', '5')) == 0
    assert 'crops left out, 1 too low' in capsys.readouterr().out
    assert [path.name for path in sorted(tmp_path.iterdir())] == list(FILES)
    images = AnnotationFile(str(tmp_path), 'crops').read('train')
    assert [image.img_path for image in images] == names
    probs = AttributeInferencer(folder / 'config.py', folder / 'weights.pth', 'cpu', 4).probabilities(
        [str(folder / 'crops' / name) for name in names])
    for number, (image, prob) in enumerate(zip(images, probs)):
        scores = image.attr_scores['look']
        np.testing.assert_allclose(scores, prob, atol=1e-4)
        assert image.attrs['look'] == [1 if score >= .6 else 0 if score <= .2 else -1 for score in scores]
        assert [caption.text for caption in image.captions] == [
            caption.text for caption in template_captions(NAMES, image.attrs['look'], 3, (5, 0, number))]
    labels = [value for image in images for value in image.attrs['look']]
    assert {-1, 0, 1} == set(labels)
    assert any(image.captions for image in images)
    dataset = PedestrianMultiModalDataset(str(tmp_path), 'crops', schema='look', img_root=str(folder / 'crops'))
    assert len(dataset) == len(names)


@pytest.mark.parametrize('cut', [0, 1, 5, 400])
def test_a_run_stopped_twice_ends_as_if_nobody_had_stopped_it(tool, run, finished, tmp_path, monkeypatch, cut):
    folder, _ = run
    journal, first, told, seen = tmp_path / 'crops.unfinished.jsonl', AttributeInferencer.probabilities, [], []

    def tell(self, images) -> np.ndarray:
        """Until the batch that ``stop_at`` says."""
        if len(told) == stop_at:
            seen.append(journal.read_bytes())  # what is left if all power fails now
            raise KeyboardInterrupt
        told.append(len(images))
        return first(self, images)

    monkeypatch.setattr(AttributeInferencer, 'probabilities', tell)
    stop_at = 2
    with pytest.raises(KeyboardInterrupt):
        tool.main(arguments(folder, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [journal.name]
    assert seen[0].count(b'\n') == 1 + 2
    left = seen[0][:len(seen[0]) - cut]  # a line was being written
    journal.write_bytes(left)
    whole = max(left.count(b'\n') - 1, 0)
    del told[:]
    stop_at = 1 if whole < 2 else 0
    with pytest.raises(KeyboardInterrupt):
        tool.main(arguments(folder, tmp_path))
    stop_at = None
    assert tool.main(arguments(folder, tmp_path)) == 0
    assert sum(told) == 11 - 4 * whole
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (finished / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == list(FILES)


def test_a_kill_after_the_files_changes_nothing(tool, run, finished, tmp_path, monkeypatch):
    folder, _ = run
    monkeypatch.setattr(tool.Journal, 'remove', lambda journal: None)
    assert tool.main(arguments(folder, tmp_path)) == 0
    monkeypatch.undo()
    monkeypatch.setattr(AttributeInferencer, 'probabilities', None)  # nothing is left to tell
    assert tool.main(arguments(folder, tmp_path)) == 0
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (finished / name).read_bytes()


def test_other_settings_do_not_go_on(tool, run, tmp_path, capsys):
    folder, _ = run
    journal = tmp_path / 'crops.unfinished.jsonl'
    journal.write_text(json.dumps(dict(checkpoint='x')) + '\n')
    assert tool.main(arguments(folder, tmp_path)) == 1
    assert 'must be of the same checkpoint, attributes, pipeline, batch_size to go on' in capsys.readouterr().err
    journal.write_text('x\n')
    assert tool.main(arguments(folder, tmp_path)) == 1
    assert 'must be what an unfinished run left, got other lines; delete it' in capsys.readouterr().err


def test_a_broken_crop_can_be_taken_away(tool, run, tmp_path, capsys):
    folder, _ = run
    write_noise_crops(folder / 'more', 5, seed=1)
    broken = folder / 'more/a/002.png'
    broken.write_bytes(broken.read_bytes()[:-30])
    command = arguments(folder, tmp_path)
    command[2] = str(folder / 'more')
    command[command.index('4')] = '2'
    assert tool.main(command) == 1
    assert 'a/002.png is truncated after' in capsys.readouterr().err
    broken.unlink()
    assert tool.main(command) == 0
    assert len(AnnotationFile(str(tmp_path), 'crops').read('train')) == 4


def test_what_is_wrong_is_told_first(tool, run, tmp_path, capsys):
    folder, _ = run

    def error(*more: str, **places: str) -> str:
        command = arguments(folder, tmp_path / 'out', *more)
        for place, value in places.items():
            command[dict(config=0, checkpoint=1, crops=2)[place]] = value
        assert tool.main(command) == 1
        told = capsys.readouterr().err
        assert told.count('\n') == 1
        return told

    assert 'thresholds must be 0 <= low < high <= 1, got low 0.3 and high 0.2' in error('--high', '.2')
    assert '--captions and --seed must be >= 0, got -1 and 0' in error('--captions', '-1')
    assert 'expected least height and width >= 1' in error('--aspect', '3', '2')
    assert 'there is no file none.pth; give a config file and a checkpoint' in error(checkpoint='none.pth')
    assert 'there is no folder none; give a folder of pictures' in error(crops='none')
    assert 'must hold crops that are large enough, got none among 12 pictures' in error('--min-height', '500')
    assert 'batch_size must be >= 1 and workers >= 0, got 4 and -1' in error('--workers', '-1')
    assert "attribute schema must be one of look in" in error('--schema', 'other')
    assert '--meta must be a file <name>.meta.json, got x.json' in error('--meta', 'x.json')
    assert 'x.meta.json does not exist' in error('--meta', str(tmp_path / 'x.meta.json'))
    (tmp_path / 'x.meta.json').write_text(json.dumps(dict(schema_version=1, attribute_schemas=dict(
        few=dict(names=['hat'])))))
    assert 'the model must tell the 1 attributes of few, got 5' in error(
        '--meta', str(tmp_path / 'x.meta.json'), '--schema', 'few')
    torch.save(dict(state_dict={}), tmp_path / 'empty.pth')
    assert 'does not fit the model' in error(checkpoint=str(tmp_path / 'empty.pth'))
    assert not (tmp_path / 'out').exists()
