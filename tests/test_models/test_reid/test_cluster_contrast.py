import torch
import torch.nn.functional as F

from tests.test_models.test_reid.reid_batches import DIMS, images, samples_of, small_model

HEAD = dict(type='ClusterContrastHead', memory=dict(type='ClusterMemory', temperature=.1, momentum=.2))


def test_memory_starts_at_the_means_and_moves_only_when_told():
    model = small_model(HEAD)
    feats = F.normalize(torch.randn(6, DIMS), dim=1)
    model.head.reset_memory(feats, torch.tensor([0, 1, 0, 1, -1, 1]))
    expected = torch.stack([feats[[0, 2]].mean(dim=0), feats[[1, 3, 5]].mean(dim=0)])
    before = model.head.memory.centroids.clone()
    torch.testing.assert_close(before, F.normalize(expected, dim=1))

    model.train()
    loss = model(images(4), samples_of([1, 0, 1, 1]), mode='loss')['loss_contrast']
    model.train()
    embeds = F.normalize(model.neck(model.pooled_feat(images(4))), dim=1)
    torch.testing.assert_close(loss, F.cross_entropy(embeds @ before.T / .1, torch.tensor([1, 0, 1, 1])))
    assert torch.equal(model.head.memory.centroids, before)

    model.head.update_memory()
    row = before[1]
    for embed in embeds[[0, 2, 3]]:
        row = F.normalize(.2 * row + .8 * embed, dim=0)
    torch.testing.assert_close(model.head.memory.centroids[1], row, atol=1e-5, rtol=1e-4)
    after = model.head.memory.centroids.clone()
    model.head.update_memory()  # nothing is pending
    assert torch.equal(model.head.memory.centroids, after)
