"""An optimizer for each part of a model that takes its steps itself."""

from mmengine.model import is_model_wrapper
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapperDict
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from pedsearch.registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class PartOptimizers:
    """Builds one optim wrapper for each of ``model.optimized_parts()``.

    In a config: ``optim_wrapper = dict(constructor='PartOptimizers', generator=dict(optimizer=...), ...)``; each part
    takes ``optimizer``, ``paramwise_cfg`` and ``clip_grad``. Mixed precision is the model's own (``amp_dtype``), and
    gradients are not accumulated over iterations.

    Args:
        optim_wrapper_cfg (dict): part -> config of its optim wrapper.
        paramwise_cfg: not used here, the parts have their own.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        if paramwise_cfg:
            raise ValueError(f'paramwise_cfg belongs into the entry of a part, got {paramwise_cfg} beside them')
        self.wrapper_cfgs = {name: dict(cfg) for name, cfg in optim_wrapper_cfg.items() if name != 'type'}
        for name, cfg in self.wrapper_cfgs.items():
            if cfg.get('type', 'OptimWrapper') != 'OptimWrapper' or cfg.get('accumulative_counts', 1) != 1:
                raise ValueError(f'optim_wrapper.{name} must be a plain OptimWrapper that steps in every iteration, '
                                 f'got {cfg}; use a larger batch, and model.amp_dtype for mixed precision')

    def __call__(self, model: nn.Module) -> OptimWrapperDict:
        if isinstance(model, DistributedDataParallel):
            raise TypeError(f'a model that takes its steps itself needs the wrapper ManualDataParallel, got '
                            f'{type(model).__name__}; use configs/_base_/manual_runtime.py')
        model = model.module if is_model_wrapper(model) else model
        if not hasattr(model, 'optimized_parts'):
            raise TypeError(f'PartOptimizers needs a model with optimized_parts(), got {type(model).__name__}')
        parts = model.optimized_parts()
        if set(parts) != set(self.wrapper_cfgs):
            raise ValueError(f'optim_wrapper must have an entry for each of {", ".join(sorted(parts))}, got '
                             f'{", ".join(sorted(self.wrapper_cfgs))}')
        wrappers = {}
        for name, part in parts.items():
            cfg = dict(self.wrapper_cfgs[name])
            wrappers[name] = DefaultOptimWrapperConstructor(cfg, cfg.pop('paramwise_cfg', None))(part)
        return OptimWrapperDict(**wrappers)
