"""Running average of the weights, beside buffers that get their size when training begins."""

from mmengine.hooks import EMAHook
from mmengine.runner import Runner

from pedsearch.registry import HOOKS


@HOOKS.register_module()
class ResizingEMAHook(EMAHook):
    """mmengine's ``EMAHook``, whose average also gets the size of buffers that other hooks set before training.

    mmengine copies the model before hooks like ``PositiveRatesHook`` have set what depends on the data; keeping the
    copy's buffers equal is then an error. Stand behind those hooks in ``custom_hooks``.

    When: as ``EMAHook``, and before training.
    Touches: as there; buffers of the average.

    Args: as there; ``momentum`` is the weight of the new weights, 0.0002 for a decay of 0.9998.
    """

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        for name, buffer in self.src_model.named_buffers():
            owner, _, key = name.rpartition('.')
            part = self.ema_model.module.get_submodule(owner)
            if getattr(part, key).shape != buffer.shape:
                setattr(part, key, buffer.clone())
