"""Oracle: a plain loop, image by image, in evaluation mode."""

import pytest
import torch
from mmengine.model import BaseModel, MMDistributedDataParallel
from mmengine.structures import BaseDataElement, InstanceData
from rich.progress import Progress
from torch import nn
from torch.utils.data import Dataset

from pedsearch.engine import extract_features
from tests.processes import run_on_processes

SIZE = (6, 4)


class Pictures(Dataset):
    """Noise; tells by ``read`` which images were asked for."""

    def __init__(self, count: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.images = torch.randint(0, 256, (count, 3, *SIZE), generator=generator, dtype=torch.uint8)
        self.read = []

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict:
        self.read.append(index)
        return dict(inputs=self.images[index], data_samples=BaseDataElement(metainfo=dict(sample_idx=index)))


class Embedder(BaseModel):
    """Linear map and a batch norm with statistics of its own; one part stays in evaluation mode whatever happens."""

    def __init__(self) -> None:
        super().__init__(dict(type='ImgDataPreprocessor', mean=[120., 110., 100.], std=[60., 55., 50.], bgr_to_rgb=True))
        generator = torch.Generator().manual_seed(1)
        self.weight = nn.Parameter(torch.randn(5, 3 * SIZE[0] * SIZE[1], generator=generator))
        self.norm = nn.BatchNorm1d(5)
        self.norm.running_mean.fill_(.3)
        self.norm.running_var.fill_(2.)
        self.frozen = nn.Dropout().eval()
        self.batch_sizes = []

    def extract_feat(self, inputs: torch.Tensor, data_samples: list) -> torch.Tensor:
        assert not self.training
        assert not torch.is_grad_enabled()
        assert len(data_samples) == len(inputs)
        self.batch_sizes.append(len(inputs))
        return self.norm(inputs.flatten(1) @ self.weight.T).double()

    def forward(self, inputs: torch.Tensor, data_samples: list | None = None, mode: str = 'tensor') -> None:
        raise AssertionError('features come from extract_feat')


def plain_features(model: Embedder, dataset: Pictures) -> torch.Tensor:
    rows = []
    for image in dataset.images:
        pixels = (image.flip(0).float() - torch.tensor([120., 110., 100.])[:, None, None]) \
            / torch.tensor([60., 55., 50.])[:, None, None]
        row = model.weight.detach() @ pixels.flatten()
        rows.append((row - .3) / (2. + model.norm.eps)**.5)
    return torch.stack(rows)


@pytest.mark.parametrize(('batch_size', 'num_workers'), [(64, 0), (3, 0), (4, 2)])
def test_features_are_those_of_a_plain_loop(batch_size: int, num_workers: int) -> None:
    model, dataset = Embedder(), Pictures(10)
    model.train()
    model.frozen.eval()
    state, random_state = {name: value.clone() for name, value in model.state_dict().items()}, torch.get_rng_state()
    feats = extract_features(model, dataset, batch_size, num_workers)
    assert feats.dtype == torch.float32
    assert not feats.requires_grad
    torch.testing.assert_close(feats, plain_features(model, dataset), rtol=1e-5, atol=1e-5)
    assert sum(model.batch_sizes) == 10
    assert max(model.batch_sizes) == min(batch_size, 10)
    assert (model.training, model.norm.training, model.frozen.training) == (True, True, False)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random_state)


def on_rank(rank: int, world_size: int, count: int) -> tuple:
    dataset, model = Pictures(count), Embedder()
    feats = extract_features(MMDistributedDataParallel(model), dataset, batch_size=3)
    return feats, dataset.read


@pytest.mark.parametrize('count', [10, 2])
def test_processes_share_the_images_and_get_the_result_of_one(count: int) -> None:
    one = extract_features(Embedder(), Pictures(count), batch_size=3)
    found = run_on_processes(on_rank, 2, count)
    assert all(torch.equal(feats, one) for feats, _ in found)
    assert sorted(index for _, read in found for index in read) == list(range(count))
    assert [len(read) for _, read in found] == {10: [6, 4], 2: [2, 0]}[count]  # whole batches of three


def test_progress_counts_images() -> None:
    with Progress(disable=True) as progress:
        extract_features(Embedder(), Pictures(10), batch_size=4, progress=progress)
    task, = progress.tasks
    assert task.finished
    assert task.total == 10


def test_mode_is_restored_after_a_failure() -> None:
    model, dataset = Embedder().train(), Pictures(4)
    model.weight.data[0, 0] = float('nan')
    with pytest.raises(ValueError, match='must be finite, got NaN or infinity for 4 of 4 images, first: 0'):
        extract_features(model, dataset)
    assert model.training
    model.extract_feat = lambda inputs, data_samples: inputs
    with pytest.raises(ValueError, match=r'extract_feat must give \(4, D\) for 4 images, got \(4, 3, 6, 4\)'):
        extract_features(model, dataset)
    assert model.training


@pytest.mark.parametrize(('count', 'batch_size'), [(0, 4), (3, 0)])
def test_nothing_to_do_is_refused(count: int, batch_size: int) -> None:
    with pytest.raises(ValueError, match=f'got batch_size {batch_size} and {count} images'):
        extract_features(Embedder(), Pictures(count), batch_size)


class Scenes(Pictures):
    """Noise with up to three boxes, or none; every third picture is empty."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        generator = torch.Generator().manual_seed(2)
        self.bboxes = [torch.rand(index % 3, 4, generator=generator) for index in range(count)]

    def __getitem__(self, index: int) -> dict:
        item = super().__getitem__(index)
        item['data_samples'].gt_instances = InstanceData(bboxes=self.bboxes[index])
        return item


class BoxEmbedder(Embedder):
    """A box as its corners, a map of the picture's pixels, and both multiplied."""

    def extract_box_feats(self, inputs: torch.Tensor, data_samples: list) -> torch.Tensor:
        assert not self.training
        self.batch_sizes.append(len(inputs))
        means = inputs.flatten(1).mean(dim=1)
        return torch.cat([torch.cat([sample.gt_instances.bboxes, mean * sample.gt_instances.bboxes], dim=1)
                          for mean, sample in zip(means, data_samples)])

    def extract_feat(self, inputs: torch.Tensor, data_samples: list) -> None:
        raise AssertionError('features of boxes come from extract_box_feats')


def plain_box_features(dataset: Scenes) -> torch.Tensor:
    rows = []
    for image, bboxes in zip(dataset.images, dataset.bboxes):
        mean = ((image.flip(0).float() - torch.tensor([120., 110., 100.])[:, None, None])
                / torch.tensor([60., 55., 50.])[:, None, None]).mean()
        rows += [[*box, *(mean * box)] for box in bboxes]
    return torch.tensor(rows)


@pytest.mark.parametrize(('batch_size', 'num_workers'), [(64, 0), (1, 0), (3, 0), (4, 2)])
def test_boxes_come_image_after_image(batch_size: int, num_workers: int) -> None:
    model, dataset = BoxEmbedder().train(), Scenes(11)
    with Progress(disable=True) as progress:
        feats = extract_features(model, dataset, batch_size, num_workers, progress, boxes=True)
    torch.testing.assert_close(feats, plain_box_features(dataset), rtol=1e-5, atol=1e-6)
    assert model.training
    task, = progress.tasks
    assert task.finished
    assert task.total == 11, 'progress counts images'
    assert sum(model.batch_sizes) == (11 if batch_size > 1 else 7), 'batches without boxes are passed over'


def boxes_on_rank(rank: int, world_size: int, count: int) -> torch.Tensor:
    return extract_features(MMDistributedDataParallel(BoxEmbedder()), Scenes(count), batch_size=2, boxes=True)


@pytest.mark.parametrize('count', [11, 2])  # of two images the first is empty; the second process has none
def test_processes_share_the_boxes_and_get_the_result_of_one(count: int) -> None:
    one = extract_features(BoxEmbedder(), Scenes(count), batch_size=3, boxes=True)
    for feats in run_on_processes(boxes_on_rank, 2, count):
        torch.testing.assert_close(feats, one, rtol=1e-6, atol=1e-7)


def test_bad_features_of_boxes() -> None:
    model, dataset = BoxEmbedder(), Scenes(6)
    dataset.bboxes[4][0, 0] = float('nan')
    with pytest.raises(ValueError, match='must be finite, got NaN or infinity for 1 of 6 boxes, first: 3'):
        extract_features(model, dataset, boxes=True)
    model.extract_box_feats = lambda inputs, data_samples: inputs.flatten(1)
    with pytest.raises(ValueError, match=r'extract_box_feats must give \(1, D\) for 1 boxes, got \(2, 72\)'):
        extract_features(model, dataset, batch_size=2, boxes=True)


def test_no_boxes_at_all() -> None:
    with pytest.raises(ValueError, match='expected a dataset with boxes, got none in 1 images; annotate people, or'):
        extract_features(BoxEmbedder(), Scenes(1), boxes=True)
