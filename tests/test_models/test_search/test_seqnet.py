import torch

from tests.toy_models import tiny_model

PROPOSALS = torch.tensor([[100., 100, 140, 200], [104, 100, 144, 200], [300, 100, 340, 200], [310, 100, 350, 200],
                          [500, 100, 540, 200]])
FIRST_LOGITS = torch.tensor([[0, 3], [0, 2], [0, 1.5], [0, 1], [0, -.2]])
IMAGE = [(1000, 1000)]


def worked_example():
    """SeqNet's head with the network replaced by the numbers of the worked example."""
    head = tiny_model('seqnet').roi_head.eval()
    del head.first_classifier, head.embedding
    head.pool = lambda x, rois, shared_head=None: (rois, rois)
    head.first_classifier = lambda c5: (FIRST_LOGITS, torch.zeros(5, 4))
    deltas = torch.tensor([[.5, 0, 0, 0], [-1, .2, .5, -.25]])
    embeds = torch.tensor([[.6, .8], [1, 0]])
    head.deltas = lambda features: deltas
    head.embedding = lambda features: (embeds, torch.tensor([-4., 2.]))
    return head


def test_post_processing_of_worked_example():
    found, = worked_example().candidates((), [PROPOSALS], IMAGE)
    torch.testing.assert_close(found.bboxes, torch.tensor([[102, 100, 142, 200],
                                                           [293.896582, 104.438529, 338.103418, 199.561471]]))
    torch.testing.assert_close(found.scores, torch.tensor([.952574, .817574]), atol=1e-6, rtol=0)
    weighted = found.embeds * found.scores[:, None]
    torch.testing.assert_close(weighted, torch.tensor([[.571544, .762059], [.817574, 0]]), atol=1e-6, rtol=0)


def test_first_suppression_threshold_decides_who_survives():
    head = worked_example()
    head.test_cfg.first_nms_iou_thr = .7
    seen = []
    head.deltas = lambda features: seen.append(features[0]) or torch.zeros(len(features[0]), 4)
    head.embedding = lambda features: (torch.zeros(len(features[0]), 2), torch.zeros(len(features[0])))
    head.candidates((), [PROPOSALS], IMAGE)
    assert seen[0][:, 1].tolist() == [100, 300, 310]


def test_query_goes_first_and_suppresses_its_own_detection():
    head = worked_example()
    found, = head.candidates((), [PROPOSALS], IMAGE)
    around = found.around(torch.tensor([102., 98, 142, 202]), head.test_cfg.nms_iou_thr)
    assert found.embeds[around].tolist() == [[1, 0]]
