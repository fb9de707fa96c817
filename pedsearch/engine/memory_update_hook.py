"""Writes memories after the optimizer's step."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner
from torch import nn

from pedsearch.registry import HOOKS


@HOOKS.register_module()
class MemoryUpdateHook(Hook):
    """Calls ``update_memory()`` of every module that has it.

    So the gradient comes from the memory as it was before the step, and a forward pass alone changes nothing. Where
    gradients are accumulated over several iterations, so are the updates.

    When: before training it compares the memory's size with the training set, where it has a row for every box before
    each epoch, since ``PseudoLabelHook`` fills such a memory then; after each training iteration that ends with a step
    of the optimizer, before checkpoints are written, it updates.
    Touches: the memories' buffers.
    """

    priority = 'NORMAL'

    def before_train(self, runner: Runner) -> None:
        num_ids = getattr(runner.train_dataloader.dataset, 'num_ids', None)
        for module in self._modules(runner):
            rows = getattr(getattr(module, 'memory', None), 'num_ids', None)
            classes = getattr(module, 'num_classes', None)
            if num_ids is not None and rows is not None and rows != num_ids:
                raise ValueError(f'the memory has {rows} identities but the training set has {num_ids}; set '
                                 f'model.roi_head.memory.num_ids={num_ids}')
            if num_ids is not None and classes is not None and classes != num_ids:
                raise ValueError(f'the classifier has {classes} classes but the training set has {num_ids} identities; '
                                 f'set model.head.num_classes={num_ids}')

    def before_train_epoch(self, runner: Runner) -> None:
        num_slots = getattr(runner.train_dataloader.dataset, 'num_slots', None)
        for module in self._modules(runner):
            feats = getattr(getattr(module, 'memory', None), 'feats', None)
            if num_slots is not None and feats is not None and len(feats) != num_slots:
                raise ValueError(f'the memory has {len(feats)} slots but the training set has {num_slots} boxes; fill '
                                 'it with PseudoLabelHook')

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        # Several optimizers have no common step; their model takes its steps itself, all within an iteration.
        if not isinstance(runner.optim_wrapper, OptimWrapperDict) and not runner.optim_wrapper.should_update():
            return
        for module in self._modules(runner):
            module.update_memory()

    @staticmethod
    def _modules(runner: Runner) -> list[nn.Module]:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        return [module for module in model.modules() if hasattr(module, 'update_memory')]
