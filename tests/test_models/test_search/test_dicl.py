import math

import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.search.regions import RoISamples
from pedsearch.models.search.siamese_detector import SiameseFeatures
from pedsearch.structures import BACKGROUND
from tests.test_models.host_traffic import host_traffic
from tests.test_models.test_search.weak_batches import (
    BOXES,
    GTS,
    PROPOSALS,
    SIZES,
    gradient_sizes,
    ground_truth,
    images,
    loss_step,
    rois_of,
    separate_branches,
)
from tests.toy_models import batch, scene, tiny_model


@pytest.fixture(scope='module')
def model():
    return tiny_model('dicl').eval()


@pytest.fixture
def release(model):
    """The head of the preset that follows the released code; what a test adds to it is taken away again."""
    saved, rules = dict(model.roi_head.__dict__), dict(model.roi_head.test_cfg)
    yield model.roi_head
    model.roi_head.__dict__.clear()
    model.roi_head.__dict__.update(saved)
    model.roi_head.test_cfg.clear()
    model.roi_head.test_cfg.update(rules)
    model.roi_head._pending.take()


def both_branches(head, x: SiameseFeatures, rois: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit embeddings (R, D) of regions and of crops, one region at a time."""
    search, instance = [], []
    for roi in rois[:, None]:
        for maps, embeds in ((head.roi_extractor(x[-1], roi), search), (x.crop_maps(roi), instance)):
            embed = head.fc_embed.weight @ head.deform(maps).flatten() + head.fc_embed.bias
            embeds.append(embed / embed.norm())
    return torch.stack(search), torch.stack(instance)


def test_test_embedding_is_the_mean_of_both_branches(release):
    """O-16."""
    release.crop_embeds = lambda x, rois: torch.tensor([[.6, .8]])
    rois, search, query = torch.zeros(1, 5), torch.tensor([[1., 0]]), torch.tensor([1., 0])
    mean = release._mean(None, rois, search)
    torch.testing.assert_close(mean, torch.tensor([[.8, .4]]))
    assert mean.norm().item() == pytest.approx(math.cos(.5 * math.acos(.6)), abs=1e-6)
    assert (mean @ query).item() == pytest.approx(.8)
    release.test_cfg.normalize_embeds = True
    assert (release._mean(None, rois, search) @ query).item() == pytest.approx(.894427, abs=1e-6)
    assert (release._mean(None, rois, search) @ query).item() * .8 == pytest.approx(.715542, abs=1e-6)
    release.instance_branch = False  # O-26
    assert torch.equal(release._mean(None, rois, search), search)


def test_query_embedding_and_box_feats_are_of_the_scaled_box(model, release):
    one = scene([[2 * x for x in box] for box in BOXES], [0, 1, 2], [[2 * x for x in BOXES[1]]], seed=1, scale=.5)
    with torch.no_grad():
        result, = model.test_step(batch(one))
        data = model.data_preprocessor(batch(one), False)
        x = model.extract_feat(data['inputs'])
        rois = torch.tensor([[0., *box] for box in BOXES])
        search, instance = both_branches(release, x, rois)
        feats = model.extract_box_feats(data['inputs'], data['data_samples'])
    torch.testing.assert_close(result.query_instances.embeds, ((search + instance) / 2)[1:2], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(feats, F.normalize(search + instance, dim=1), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize('use', ['release', 'normalized'])
def test_crops_of_reported_people_only_give_what_crops_of_all_give(model, release, use):
    """Images with queries and without; the queries suppress detections, so that others become their companions."""
    release.test_cfg.update(score_thr=0., nms_iou_thr=.3, max_per_img=3, normalize_embeds=use == 'normalized')
    cropped, plain = [], release.crop_embeds
    release.crop_embeds = lambda x, rois: cropped.append(len(rois)) or plain(x, rois)

    def predict(*some: dict) -> list:
        with torch.no_grad():
            return [one.clone() for one in model.test_step(batch(*some))]

    first, _, last = predict(*(scene([], [], seed=seed) for seed in (1, 2, 3)))
    beside = [[[x1 + shift * (x2 - x1), y1, x2 + shift * (x2 - x1), y2]  # a query suppresses one, not what that one did
               for x1, y1, x2, y2 in one.pred_instances.bboxes[:2].tolist() for shift in (-.4, .4)] for one in (first, last)]
    scenes = [scene([], [], beside[0], seed=1), scene([], [], seed=2), scene([], [], beside[1], seed=3)]
    cropped.clear()
    late = predict(*scenes)
    of_reported = cropped[0]
    cropped.clear()
    candidates = release.candidates

    def embed_all(x, proposals, image_sizes):
        found = candidates(x, proposals, image_sizes)
        for index, one in enumerate(found):
            one.embeds = release._mean(x, F.pad(one.regions, (1, 0), value=index), one.embeds)
        return found

    release.candidates, release.embed_late = embed_all, lambda x, found, queries: found
    every = predict(*scenes)
    assert 3 * 3 < of_reported < sum(cropped[:3])
    for a, b in zip(late, every):
        for key in ('bboxes', 'scores', 'embeds'):
            torch.testing.assert_close(a.pred_instances[key], b.pred_instances[key], atol=1e-4, rtol=1e-4)
    for index in (0, 2):
        a, b = late[index].query_instances, every[index].query_instances
        torch.testing.assert_close(a.embeds, b.embeds, atol=1e-4, rtol=1e-4)
        assert max(len(context) for context in a.context_embeds) > 0
        for one, other in zip(a.context_embeds, b.context_embeds):
            torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_no_proposals(model, release):
    with torch.no_grad():
        x = model.extract_feat(images())
        none = [torch.zeros(0, 4)] * 2
        found = release.embed_late(x, release.candidates(x, none, SIZES), none)
    assert [one.embeds.shape for one in found] == [(0, 16)] * 2


def test_nobody_to_crop_keeps_a_graph(model, release):
    """Another process may have people, and both exchange the gradients of their rows."""
    embeds = release.crop_embeds(model.extract_feat(images()), torch.zeros(0, 5))
    assert embeds.shape == (0, 16)
    assert embeds.requires_grad


@pytest.mark.parametrize('preset', ['', '_clean'])
def test_losses_are_those_of_slow_loops(preset):
    """Which crop belongs to which region, what the mean enters, which background there is."""
    model = tiny_model('dicl', preset=preset).eval()
    head = model.roi_head
    head.reset_memory(head.memory_feats(), torch.tensor([0, 1, 2, 3, 0, 1]))
    x = model.extract_feat(images())
    losses = {name: loss.detach() for name, loss in head.roi_losses(x, PROPOSALS, GTS, SIZES).items()}
    with torch.no_grad():
        samples = head.sample(PROPOSALS, GTS)
        p_all, _ = both_branches(head, x, samples.rois)
        _, q_all = both_branches(head, x, rois_of(GTS))
        p = [p_all[i] for i in range(len(p_all)) if samples.pids[i] != BACKGROUND]
        q = [q_all[samples.gt_inds[i]] for i in range(len(p_all)) if samples.pids[i] != BACKGROUND]
        n, slots = len(p), torch.tensor([4, 0, 2, 4, 0, 4, 5, 5])
        assert n == 8
        sim = sum(1 - float(a @ b) for a, b in zip(p, q)) / n
        kl = 0.
        for i in range(n):
            a, b = (torch.softmax(torch.stack([rows[i] @ row for row in rows]), 0) for rows in (p, q))
            kl += float(((a - b) * (a / b).log()).sum()) / (n if preset else n * n)
        m = [(a + b) / 2 for a, b in zip(p, q)]
        people = torch.stack([row / row.norm() for row in m] if preset else m)
        assert losses['sim'].item() == pytest.approx(sim, rel=1e-4)
        assert losses['kl'].item() == pytest.approx(kl, rel=1e-2)
        torch.testing.assert_close(losses['reid'], head.memory.loss(torch.stack(m), slots), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(losses['context'], head.context_loss(people, p_all[~samples.is_person], slots),
                                   rtol=1e-4, atol=1e-5)
    (written, ids, _), = head._pending.take()
    torch.testing.assert_close(written, torch.stack(m), atol=1e-5, rtol=1e-4)
    assert ids.tolist() == slots.tolist()


def test_which_loss_reaches_which_branch(model, release):
    """O-30: contrast reaches both, detection the scene alone."""
    x, scene_maps, crop_maps = separate_branches(model)
    losses = release.roi_losses(x, PROPOSALS, GTS, SIZES)
    reached = {name: [size > 0 for size in gradient_sizes(loss, scene_maps, crop_maps)] for name, loss in losses.items()}
    contrast = dict.fromkeys(('sim', 'kl', 'reid', 'context'), [True, True])
    assert reached == dict(cls=[True, False], bbox=[True, False], **contrast)


@pytest.mark.parametrize('branch', ['scene', 'crops'])
def test_each_branch_alone_trains_the_backbone(model, release, branch):
    """O-30."""
    x = model.extract_feat(images())
    crops_of = x.crop_maps
    if branch == 'scene':
        x = SiameseFeatures(x, lambda rois: crops_of(rois).detach())
    else:
        x = SiameseFeatures((x[-1].detach(), ), crops_of)
    losses = release.roi_losses(x, PROPOSALS, GTS, SIZES)
    weight = model.backbone.layer3[0].downsample[0].weight
    for name in ('sim', 'kl', 'reid'):
        assert gradient_sizes(losses[name], weight)[0] > 0, name


@pytest.mark.parametrize('prob', [0., 1.])
def test_hiding_nobody_is_a_run_without_hiding(prob):
    """O-30."""
    losses = []
    for occlusion in ('settings', None):
        model = tiny_model('dicl').train()
        model.occlusion = type(model.occlusion)(prob=prob, grid=(7, 3)) if occlusion else None
        losses.append(loss_step(model, scene(BOXES, [-1] * 3, seed=1)))
    same = [torch.equal(losses[0][name], losses[1][name]) for name in ('loss_cls', 'loss_sim', 'loss_reid', 'loss_context')]
    assert same == [prob == 0.] * 4


def test_without_instance_branch_nothing_is_cropped(release):
    release.instance_branch = False

    def no_crops(rois):
        raise AssertionError('cropped')

    maps = torch.randn(2, 64, 6, 8)
    losses = release.roi_losses(SiameseFeatures((maps, ), no_crops), PROPOSALS, GTS, SIZES)
    assert set(losses) == {'cls', 'bbox', 'reid', 'context'}
    embeds = release.embed(SiameseFeatures((maps, ), no_crops), rois_of(GTS))
    torch.testing.assert_close(embeds.norm(dim=1), torch.ones(4))


def test_box_coder(release):
    """O-23."""
    delta = release.bbox_coder.encode(torch.tensor([[10., 20, 50, 120]]), torch.tensor([[14., 25, 58, 135]]))
    torch.testing.assert_close(delta, torch.tensor([[1.5, 1., .476551, .476551]]), atol=1e-5, rtol=0)


class TestPresets:
    """Each switch of the two presets changes what it names, and nothing else differs."""

    @pytest.fixture(scope='class')
    def heads(self):
        return [tiny_model('dicl', preset=preset).eval() for preset in ('', '_clean')]

    def test_switches(self, heads):
        values = [(model.neck.offset_init, model.occlusion.stop_at_small, model.roi_head.memory.eps,
                   model.roi_head.skip_single_label, model.roi_head.unit_mean, model.roi_head.consistency_reduction,
                   model.roi_head.test_cfg.normalize_embeds) for model in heads]
        assert values == [('xavier', True, 1e-6, True, False, 'element', False),
                          ('zero', False, 0., False, True, 'row', True)]

    def losses(self, heads, proposals=PROPOSALS, gts=GTS, labels=range(6)) -> list[dict]:
        result = []
        for model in heads:
            model.roi_head.reset_memory(model.roi_head.memory_feats(), torch.tensor(list(labels)))
            x = heads[0].extract_feat(images())
            model.roi_head.load_state_dict(heads[0].roi_head.state_dict())
            with torch.no_grad():
                result.append(model.roi_head.roi_losses(x, proposals, gts, SIZES))
            model.roi_head._pending.take()
        return result

    def test_consistency_of_the_release_shrinks_with_the_number_of_people(self, heads):
        release, clean = self.losses(heads)
        torch.testing.assert_close(8 * release['kl'], clean['kl'])
        for name in ('cls', 'bbox', 'sim'):
            assert torch.equal(release[name], clean[name])

    def test_context_of_the_release_has_shorter_people(self, heads):
        release, clean = self.losses(heads)
        assert release['context'] != clean['context']

    def test_release_skips_a_batch_of_one_cluster(self, heads):
        release, clean = self.losses(heads, labels=[0] * 6)
        assert release['context'] == 0
        assert clean['context'] > 0

    def test_release_bounds_the_memory_loss(self, heads):
        """A person at its opposite: 14 = ln 1e6, or all of the 40 that the temperature makes of it."""
        values = []
        for model in heads:
            memory = model.roi_head.memory
            memory.reset(torch.tensor([[1.] + [0] * 15, [-1.] + [0] * 15]), torch.tensor([0, 1]))
            values.append(memory.loss(torch.tensor([[-1.] + [0] * 15]), torch.tensor([0])).item())
        assert values == pytest.approx([math.log(1e6), 40.], abs=1e-3)

    def test_test_embeddings_of_clean_are_unit_vectors(self, heads):
        with torch.no_grad():
            norms = [model.roi_head.embed(model.extract_feat(images()), rois_of(GTS)).norm(dim=1) for model in heads]
        assert (norms[0] < .9999).all()
        torch.testing.assert_close(norms[1], torch.ones(4))


def test_loss_arithmetic_waits_for_no_device():
    """Everything behind the maps of regions and crops, forward and backward."""
    head = tiny_model('dicl', preset='_clean').roi_head.train()
    head.reset_memory(head.memory_feats(), torch.tensor([0, 1, 2, 3, 0, 1]))
    samples = head.sample(PROPOSALS, GTS)
    count = head.memory._count_clusters
    head.to('meta')
    count._labels, count._version = head.memory.labels, head.memory.labels._version
    moved = {name: getattr(samples, name).to('meta') for name in ('rois', 'pids', 'deltas', 'gt_inds')}
    gts = [ground_truth(gt.bboxes.tolist(), gt.slots.tolist()).to('meta') for gt in GTS]
    maps, crops = (torch.zeros(rows, 64, 7, 3, device='meta', requires_grad=True) for rows in (11, 4))
    head.sample = lambda proposals, gts: RoISamples(**moved, sizes=samples.sizes)
    head.region_maps, head.deform = lambda x, rois: maps, torch.nn.Identity()
    with host_traffic() as counts:
        losses = head.roi_losses(SiameseFeatures((maps, ), lambda rois: crops), PROPOSALS, gts, SIZES)
        sum(losses.values()).backward()
    assert not counts
