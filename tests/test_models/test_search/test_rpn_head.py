import torch
from mmengine.structures import InstanceData

from tests.processes import run_on_processes
from tests.toy_models import tiny_model

SIZES = [(96, 128), (32, 32)]  # the small image has fewer anchors than are asked for


def normalizers(sizes: list[tuple[int, int]]) -> tuple:
    """What the losses of the proposals are divided by, and the number of anchors that were sampled."""
    head = tiny_model('oim').rpn_head
    shapes = [(96 // 16, 128 // 16)]
    metas = [dict(img_shape=size, pad_shape=size, batch_input_shape=(96, 128)) for size in sizes]
    gts = [InstanceData(bboxes=torch.tensor([[2., 2, 20, 30]]), labels=torch.zeros(1, dtype=torch.long),
                        pids=torch.zeros(1, dtype=torch.long)) for _ in sizes]
    anchors, valid = head.get_anchors(shapes, metas, device='cpu')
    targets = head.get_targets(anchors, valid, gts, metas)
    return targets[4], sum(float(weights.sum()) for weights in targets[1])


def normalizers_of_a_rank(rank: int, world_size: int) -> tuple:
    return normalizers([SIZES[rank]])


def test_normalizer_is_the_mean_over_processes():
    average, sampled = normalizers(SIZES)
    assert average == sampled
    shares = run_on_processes(normalizers_of_a_rank, 2)
    assert shares[0][1] != shares[1][1]
    assert [share[0] for share in shares] == [average / 2] * 2
    assert shares[0][1] + shares[1][1] == sampled
