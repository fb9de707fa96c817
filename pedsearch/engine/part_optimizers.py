"""An optimizer for each part of a model that takes its steps itself."""

from mmengine.model import is_model_wrapper
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapperDict
from torch import nn

from pedsearch.registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class PartOptimizers:
    """Builds one optim wrapper for each of ``model.optimized_parts()``.

    In a config: ``optim_wrapper = dict(constructor='PartOptimizers', generator=dict(optimizer=...), ...)``; each part
    takes what a single ``optim_wrapper`` takes, ``paramwise_cfg`` among it.

    Args:
        optim_wrapper_cfg (dict): part -> config of its optim wrapper.
        paramwise_cfg: not used here, the parts have their own.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        if paramwise_cfg:
            raise ValueError(f'paramwise_cfg belongs into the entry of a part, got {paramwise_cfg} beside them')
        self.wrapper_cfgs = {name: dict(cfg) for name, cfg in optim_wrapper_cfg.items() if name != 'type'}

    def __call__(self, model: nn.Module) -> OptimWrapperDict:
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
