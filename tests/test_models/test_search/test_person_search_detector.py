import pytest
import torch

from tests.toy_models import WEAK, batch, scene, tiny_model, tiny_model_config

METHODS = ['oim', 'nae', 'seqnet', *WEAK]
IDENTITY = METHODS[:3]
BOXES = [[10., 10, 40, 80], [60, 20, 95, 90], [70, 5, 120, 60]]


def total(losses: dict) -> torch.Tensor:
    return sum(sum(loss) if isinstance(loss, list) else loss for loss in losses.values())


def loss_step(model, *scenes) -> dict:
    return model(**model.data_preprocessor(batch(*scenes), True), mode='loss')


@pytest.mark.parametrize('method', METHODS)
def test_loss_step_reaches_every_parameter(method):
    model = tiny_model(method).train()
    losses = loss_step(model, scene(BOXES, [0, 3, -1], seed=1), scene(BOXES[:1], [2], seed=2))
    assert all(torch.isfinite(torch.stack(loss) if isinstance(loss, list) else loss) for loss in losses.values())
    total(losses).backward()
    silent = [name for name, parameter in model.named_parameters() if parameter.requires_grad and parameter.grad is None]
    assert silent == []


@pytest.mark.parametrize('method', IDENTITY)
def test_memory_changes_only_in_update_memory(method):
    model = tiny_model(method).train()
    memory = model.roi_head.memory
    losses = loss_step(model, scene(BOXES, [0, 3, -1], seed=1))
    total(losses).backward()
    assert all(buffer.abs().sum() == 0 for buffer in memory.buffers())
    model.roi_head.update_memory()
    assert memory.lut.norm(dim=1)[[0, 3]] == pytest.approx([1, 1])
    assert memory.lut[[1, 2, 4, 5]].abs().sum() == 0
    assert memory.head > 0
    state = memory.lut.clone()
    model.roi_head.update_memory()
    assert torch.equal(state, memory.lut)


@pytest.mark.parametrize('method', IDENTITY)
def test_images_without_labeled_people_and_without_people(method):
    model = tiny_model(method).train()
    losses = loss_step(model, scene(BOXES, [-1, -1, -1], seed=1), scene([], [], seed=2))
    total(losses).backward()
    assert losses['loss_reid'] == 0
    losses = loss_step(model, scene([], [], seed=2))
    assert losses['loss_bbox'] == 0
    total(losses).backward()
    model.roi_head.update_memory()


def predict(model, *scenes):
    with torch.no_grad():
        return model.eval().test_step(batch(*scenes))


def accept_all(model):
    model.roi_head.test_cfg.score_thr = 0.
    return model


@pytest.mark.parametrize('method', METHODS)
def test_predict_does_not_depend_on_the_batch(method):
    model = accept_all(tiny_model(method))
    scenes = [scene(BOXES, [0, 1, 2], BOXES[:2], seed=1), scene([], [], seed=2), scene(BOXES, [0, 1, 2], BOXES[2:], seed=3)]
    alone = [predict(model, one)[0] for one in scenes]
    alone = [one.clone() for one in alone]
    together = predict(model, *scenes)
    for a, b in zip(alone, together):
        for key in ('bboxes', 'scores', 'embeds'):
            torch.testing.assert_close(a.pred_instances[key], b.pred_instances[key], atol=1e-4, rtol=1e-4)
    for index in (0, 2):
        torch.testing.assert_close(alone[index].query_instances.embeds, together[index].query_instances.embeds)


@pytest.mark.parametrize('method', METHODS)
def test_prediction_fields(method):
    model = accept_all(tiny_model(method))
    result, = predict(model, scene(BOXES, [0, 1, 2], BOXES[:2], seed=1, scale=.5))
    found, queries = result.pred_instances, result.query_instances
    assert found.embeds.shape == (len(found.bboxes), 16)
    assert (found.scores[:-1] >= found.scores[1:]).all()
    norms = found.embeds.norm(dim=1)
    if method == 'dicl':  # the mean of two unit vectors
        assert norms.max() <= 1
        assert norms.min() > 0
    else:
        torch.testing.assert_close(norms, torch.ones(len(found.bboxes)))
    assert found.bboxes[:, 0::2].max() <= 256
    assert found.bboxes[:, 1::2].max() <= 192
    assert queries.embeds.shape == (2, 16)
    assert [context.shape[1] for context in queries.context_embeds] == [16, 16]


@pytest.mark.parametrize('method', METHODS)
def test_no_detection_is_an_empty_result(method):
    model = tiny_model(method)
    model.roi_head.test_cfg.score_thr = 1.1
    result, = predict(model, scene(BOXES, [0, 1, 2], BOXES[:1], seed=1))
    assert result.pred_instances.bboxes.shape == (0, 4)
    assert result.pred_instances.embeds.shape == (0, 16)
    assert result.query_instances.embeds.shape == (1, 16)
    assert result.query_instances.context_embeds[0].shape == (0, 16)


@pytest.mark.parametrize('method', METHODS)
def test_annotated_boxes_as_detections(method):
    model = tiny_model(method)
    model.roi_head.test_cfg.use_gt_boxes = True
    original = [[2 * x for x in box] for box in BOXES]
    result, = predict(model, scene(original, [0, 1, 2], [original[1]], seed=1, scale=.5))
    torch.testing.assert_close(result.pred_instances.bboxes, torch.tensor(original))
    assert result.pred_instances.scores.tolist() == [1.] * 3
    torch.testing.assert_close(result.query_instances.embeds[0], result.pred_instances.embeds[1])


def test_embedding_scale_of_seqnet_scores_is_the_first_stage():
    model = accept_all(tiny_model('seqnet'))
    before, = predict(model, scene(BOXES, [0, 1, 2], seed=1))
    scores = before.pred_instances.scores.clone()
    model.roi_head.embedding.rescaler.bias.data.fill_(-50.)
    after, = predict(model, scene(BOXES, [0, 1, 2], seed=1))
    assert torch.equal(scores, after.pred_instances.scores)


def test_second_stage_of_seqnet_sends_no_gradient_to_the_first_regressor():
    model = tiny_model('seqnet').train()
    losses = loss_step(model, scene(BOXES, [0, 3, -1], seed=1))
    (losses['loss_det'] + losses['loss_bbox'] + losses['loss_reid']).backward()
    assert model.roi_head.first_classifier.fc_reg.weight.grad is None
    assert model.roi_head.embedding.projectors[0][0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize('method', METHODS)
def test_bf16_autocast(method):
    model = tiny_model(method).train()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = loss_step(model, scene(BOXES, [0, 3, -1], seed=1), scene(BOXES[:1], [2], seed=2))
    total(losses).backward()
    model.roi_head.update_memory()
    assert all(buffer.dtype in (torch.float32, torch.int64) for buffer in model.roi_head.memory.buffers())
    assert losses['loss_reid'].dtype == torch.float32
    plain = loss_step(tiny_model(method).train(), scene(BOXES, [0, 3, -1], seed=1), scene(BOXES[:1], [2], seed=2))
    assert losses['loss_rpn_cls'][0].item() == pytest.approx(plain['loss_rpn_cls'][0].item(), rel=0.02)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        result, = predict(accept_all(model), scene(BOXES, [0, 1, 2], BOXES[:1], seed=1))
    assert result.pred_instances.embeds.dtype == torch.float32


def test_same_seed_same_losses_whatever_the_global_random_state():
    losses = []
    for state in (1, 2):
        model = tiny_model('seqnet').train()
        torch.manual_seed(state)
        losses.append(total(loss_step(model, scene(BOXES, [0, 3, -1], seed=1))).item())
    assert losses[0] == losses[1]


def test_training_sample_without_pids():
    model, one = tiny_model('oim').train(), scene(BOXES, [0, 1, 2])
    del one['data_samples'].gt_instances.pids
    with pytest.raises(KeyError, match='has no `pids`; use LoadSearchAnnotations and PackSearchInputs'):
        loss_step(model, one)


def test_training_without_memory():
    from mmengine.registry import init_default_scope

    from pedsearch.registry import MODELS
    init_default_scope('pedsearch')
    cfg = tiny_model_config('oim').model
    cfg.roi_head.memory = None
    with pytest.raises(ValueError, match='training needs a memory, got memory=None'):
        loss_step(MODELS.build(cfg).train(), scene(BOXES, [0, 1, 2]))
