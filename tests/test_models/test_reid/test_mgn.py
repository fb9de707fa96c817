"""Oracles: published sizes, slow loops over branches and stripes, and what a loss may reach."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import init_default_scope
from torch import nn

from pedsearch.models.losses import batch_hard_triplet_loss, circle_logits
from pedsearch.models.reid import MGNHead, MGNPooling, MGNResNet, ReIDModel, ReIDResNet
from pedsearch.registry import MODELS
from tests.test_models.test_reid.reid_batches import samples_of

LABELS, CHANNELS, WIDTH = [0, 0, 1, 1, 2, 2], 32, 4


def model(branch_norm: bool = False, **head) -> ReIDModel:
    init_default_scope('pedsearch')
    torch.manual_seed(0)
    return MODELS.build(dict(
        type='ReIDModel', embed_dims=8 * WIDTH, head=dict(type='MGNHead', num_classes=3, **head),
        backbone=dict(type='MGNResNet', depth=18, stem_channels=4, base_channels=4, branch_norm=branch_norm),
        pooling=dict(type='MGNPooling', in_channels=CHANNELS, out_channels=WIDTH)))


def images(num: int = 6, seed: int = 0, height: int = 96) -> torch.Tensor:
    return torch.randn(num, 3, height, 32, generator=torch.Generator().manual_seed(seed))


def maps(height: int = 6, num: int = 2) -> torch.Tensor:
    return torch.rand(num, 3 * CHANNELS, height, 2, generator=torch.Generator().manual_seed(1)) + .1


def feats(seed: int) -> torch.Tensor:
    return torch.randn(6, 8 * WIDTH, generator=torch.Generator().manual_seed(seed))


def test_parameters_and_shapes_at_full_size():
    net, normed, pooling = MGNResNet(50), MGNResNet(50, branch_norm=True), MGNPooling(2048)
    head = MGNHead(2048, num_classes=751)
    blocks = 5 * 1_117_184 + 14_964_736  # the rest of the third stage, and the fourth
    count = [sum(p.numel() for p in part.parameters()) for part in (net, normed, pooling, head)]
    assert count == [23_508_032 + 2 * blocks, 23_508_032 + 2 * blocks + 2 * 3 * 2048, 8 * 2048 * 256 + 8,
                     8 * 256 * 751]
    net.eval()
    with torch.no_grad():
        found, = net(torch.zeros(1, 3, 384, 128))
        assert found.shape == (1, 3 * 2048, 24, 8)
        assert pooling(found).shape == (1, 2048)


def plain_resnet(net: MGNResNet) -> ReIDResNet:
    """The branch that has the usual names, as a ResNet of its own."""
    plain = ReIDResNet(18, stem_channels=4, base_channels=4)
    plain.load_state_dict({name: value for name, value in net.state_dict().items() if not name.startswith('branch')})
    plain.eval()
    return plain


def test_every_branch_begins_as_the_resnet():
    net = model().backbone
    with torch.no_grad():
        net.layer4[0].conv1.weight.normal_()
    net.init_weights()
    wanted = plain_resnet(net)(images())[-1]
    net.eval()
    found, = net(images())
    assert wanted.shape == (6, CHANNELS, 6, 2)
    for part in found.chunk(3, dim=1):
        torch.testing.assert_close(part, wanted)


def test_a_branch_has_the_last_layers_of_its_own():
    net = model().eval().backbone
    before, = net(images())
    with torch.no_grad():
        net.branches[0][0].conv1.weight.add_(.1)  # second block of the third stage
        net.branches[1][-1].conv1.weight.add_(.1)
    moved = [not torch.equal(a, b) for a, b in zip(before.chunk(3, dim=1), net(images())[0].chunk(3, dim=1))]
    assert moved == [False, True, True]
    plain = plain_resnet(net)
    torch.testing.assert_close(net(images())[0][:, :CHANNELS], plain(images())[-1])
    with torch.no_grad():
        net.layer3[0].conv1.weight.add_(.1)
    assert all(not torch.equal(a, b) for a, b in zip(before.chunk(3, dim=1), net(images())[0].chunk(3, dim=1)))


def test_weights_of_an_encoder_reach_every_branch(tmp_path):
    torch.manual_seed(3)
    plain = ReIDResNet(18, stem_channels=4, base_channels=4)
    state = {f'image_encoder.{name}': value for name, value in plain.state_dict().items()}
    torch.save(dict(state_dict=state | {'text_neck.weight': torch.ones(1)}), tmp_path / 'encoder.pth')
    net = MODELS.build(dict(
        type='MGNResNet', depth=18, stem_channels=4, base_channels=4,
        init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'encoder.pth'), prefix='image_encoder')))
    net.init_weights()
    plain.eval(), net.eval()
    with torch.no_grad():
        for part in net(images())[0].chunk(3, dim=1):
            assert torch.equal(part, plain(images())[-1])


def test_norm_of_branches_is_one_of_each():
    net = model(branch_norm=True).train().backbone
    with torch.no_grad():
        found, = net(images())
        net.branch_norm = nn.Identity()
        bare, = net(images())
    mean, var = bare.mean(dim=(0, 2, 3), keepdim=True), bare.var(dim=(0, 2, 3), keepdim=True, correction=0)
    torch.testing.assert_close(found, (bare - mean) / (var + 1e-5).sqrt(), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize('height', [6, 8, 4])
def test_stripes_equal_a_slow_loop(height):
    pooling, x = MGNPooling(CHANNELS, WIDTH), maps(height)
    rows = {6: [(0, 3), (3, 6), (0, 2), (2, 4), (4, 6)], 8: [(0, 4), (4, 8), (0, 3), (3, 6), (6, 8)],
            4: [(0, 2), (2, 4), (0, 2), (2, 3), (3, 4)]}[height]
    places = [(0, (0, height)), (1, (0, height)), (2, (0, height)), *zip((1, 1, 2, 2, 2), rows)]
    with torch.no_grad():
        for number, part in enumerate(pooling.poolings):
            part.p.fill_(1 + number / 2)
        expected = []
        for (branch, (top, end)), pool, reduction in zip(places, pooling.poolings, pooling.reductions):
            feature = torch.empty(2, CHANNELS)
            for image in range(2):
                for channel in range(CHANNELS):
                    cells = x[image, branch * CHANNELS + channel, top:end].flatten().tolist()
                    power = pool.p.item()
                    feature[image, channel] = (sum(cell**power for cell in cells) / len(cells))**(1 / power)
            expected.append(feature @ reduction.weight.T)
        torch.testing.assert_close(pooling(x), torch.cat(expected, dim=1), atol=1e-5, rtol=1e-4)


def test_a_stripe_is_seen_by_its_own_features():
    pooling, x = MGNPooling(CHANNELS, WIDTH), maps()
    changed = x.clone()
    changed[:, CHANNELS:2 * CHANNELS, :3] += 1  # upper half of the second branch
    with torch.no_grad():
        moved = (pooling(changed) - pooling(x)).abs().amax(dim=0).view(8, WIDTH).amax(dim=1) > 1e-6
    assert moved.tolist() == [False, True, False, True, False, False, False, False]


@pytest.mark.parametrize('stripes', [False, True])
def test_losses_are_means_over_features(stripes):
    head = MGNHead(8 * WIDTH, num_classes=4, stripe_triplet=stripes)
    before, behind, labels = feats(0), feats(1), torch.tensor(LABELS)
    losses = head.loss(before, behind, samples_of(LABELS))
    part = lambda x, first, last: x[:, first * WIDTH:last * WIDTH]  # noqa: E731
    ids = [F.cross_entropy(part(behind, i, i + 1) @ head.classifiers[i].weight.T, labels, label_smoothing=.1)
           for i in range(8)]
    torch.testing.assert_close(losses['loss_id'], torch.stack(ids).mean())
    groups = [(0, 1), (1, 2), (2, 3)] + ([(3, 5), (5, 8)] if stripes else [])
    triplets = [batch_hard_triplet_loss(part(before, *group), labels, margin=None) for group in groups]
    torch.testing.assert_close(losses['loss_triplet'], torch.stack(triplets).mean())


def test_circle_classifiers():
    head = MGNHead(8 * WIDTH, num_classes=4, circle=dict(scale=8., margin=.3),
                   cross_entropy=dict(type='SmoothedCrossEntropyLoss', smoothing=0.))
    behind, labels = feats(1), torch.tensor(LABELS)
    terms = []
    for part, classifier in zip(behind.split(WIDTH, dim=1), head.classifiers):
        sims = F.cosine_similarity(part[:, None], classifier.weight[None], dim=2)
        terms.append(F.cross_entropy(circle_logits(sims, labels, 8., .3), labels))
    found = head.loss(feats(0), behind, samples_of(LABELS))['loss_id']
    torch.testing.assert_close(found, torch.stack(terms).mean())
    torch.testing.assert_close(head.loss(feats(0), 3 * behind, samples_of(LABELS))['loss_id'], found)


@pytest.mark.parametrize(('name', 'stripes', 'reached'), [
    ('loss_id', False, range(8)), ('loss_triplet', False, range(3)), ('loss_triplet', True, range(8))])
def test_each_loss_reaches_what_it_must(name, stripes, reached):
    net = model(branch_norm=True, stripe_triplet=stripes).train()
    net(images(), samples_of(LABELS), mode='loss')[name].backward()
    with_gradient = [place for place, reduction in enumerate(net.pooling.reductions)
                     if reduction.weight.grad is not None and reduction.weight.grad.abs().max() > 0]
    assert with_gradient == list(reached)
    assert [classifier.weight.grad is not None for classifier in net.head.classifiers] == [name == 'loss_id'] * 8
    for part in (net.backbone.conv1, net.backbone.layer3[0].conv1, net.backbone.layer4[1].conv2,
                 *(branch[-1].conv2 for branch in net.backbone.branches)):
        assert part.weight.grad.abs().max() > 0
    assert (net.backbone.branch_norm.weight.grad != 0).float().mean() > .5


def test_test_feature_is_the_concatenation():
    net = model()
    net.neck.norm.running_mean.uniform_(), net.neck.norm.running_var.uniform_(.5, 2)
    net.eval()
    with torch.no_grad():
        branches = net.backbone(images())[0].chunk(3, dim=1)
        whole = [*branches, *branches[1].split(3, dim=2), *branches[2].split(2, dim=2)]
        parts = []
        for place, part in enumerate(whole):
            feature = net.pooling.reductions[place](net.pooling.poolings[place](part))
            here = slice(place * WIDTH, (place + 1) * WIDTH)
            norm = net.neck.norm
            parts.append((feature - norm.running_mean[here]) / (norm.running_var[here] + norm.eps).sqrt()
                         * norm.weight[here])
        expected = F.normalize(torch.cat(parts, dim=1), dim=1)
        torch.testing.assert_close(net.extract_feat(images()), expected, atol=1e-5, rtol=1e-4)


def test_order_of_a_batch_does_not_count():
    net = model(branch_norm=True).double().train()
    order = torch.tensor([4, 2, 5, 0, 3, 1])
    x = images().double()
    losses = [net(batch, samples_of(labels), mode='loss')
              for batch, labels in ((x, LABELS), (x[order], [LABELS[i] for i in order]))]
    for name in losses[0]:
        torch.testing.assert_close(losses[0][name], losses[1][name])
    net.eval()
    torch.testing.assert_close(net.extract_feat(x[order]), net.extract_feat(x)[order])


def test_flip_test_does_not_tell_a_picture_from_its_mirror_image():
    net = model().eval()
    net.flip_test = True
    with torch.no_grad():
        found = [torch.stack([sample.feat for sample in net.predict(x)]) for x in (images(), images().flip(3))]
        assert not torch.allclose(net.extract_feat(images()), net.extract_feat(images().flip(3)), atol=1e-4)
    torch.testing.assert_close(*found)


def test_classifiers_start_small():
    head = MGNHead(8 * 256, num_classes=500)
    head.init_weights()
    assert torch.stack([part.weight for part in head.classifiers]).std().item() == pytest.approx(.001, rel=.02)
    head.update_memory()  # nothing to do


def test_bad_settings():
    with pytest.raises(ValueError, match=r'granularities must be numbers of stripes >= 1, one a branch, got \(1, 0\)'):
        MGNPooling(8, granularities=(1, 0))
    with pytest.raises(ValueError, match='num_branches must be >= 1, got 0; MGN has 3'):
        MGNResNet(18, num_branches=0)
    with pytest.raises(ValueError, match=r'MGNResNet needs frozen_stages <= 2 and no out_indices, got 3 and \(3,\)'):
        MGNResNet(18, frozen_stages=3)
    with pytest.raises(ValueError, match=r'maps must have shape \(B, 3 \* 32, h, w\) with h >= 3, got \(2, 96, 2, 2\)'):
        MGNPooling(CHANNELS)(maps(2))
    with pytest.raises(ValueError, match=r'maps must have shape .* got \(2, 32, 6, 2\); give the backbone as many'):
        MGNPooling(CHANNELS)(maps()[:, :CHANNELS])
    with pytest.raises(ValueError, match='embed_dims must be a multiple of 8, the number of features, got 2049'):
        MGNHead(2049, num_classes=2)
    with pytest.raises(ValueError, match='num_classes must be >= 1, got 0; take the training set'):
        MGNHead(8, num_classes=0)
    with pytest.raises(ValueError, match=r'labels must lie in 0...1, got 2; set model.head.num_classes'):
        MGNHead(8 * WIDTH, num_classes=2).loss(feats(0), feats(1), samples_of(LABELS))
