"""Several processes for a model that takes its steps itself."""

from typing import Any

import torch
from mmengine.dist import broadcast
from torch import nn

from pedsearch.registry import MODEL_WRAPPERS


@MODEL_WRAPPERS.register_module()
class ManualDataParallel(nn.Module):
    """Hands everything to the model, whose ``train_step`` averages gradients over the processes before each step.

    For models with several optimizers and several passes through a network in a step, which
    ``DistributedDataParallel`` does not follow. All processes start with the weights of the first.

    Args:
        module (nn.Module): the model.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        with torch.no_grad():
            for tensor in (*module.parameters(), *module.buffers()):
                broadcast(tensor.data)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def train_step(self, *args: Any, **kwargs: Any) -> dict:
        return self.module.train_step(*args, **kwargs)

    def val_step(self, *args: Any, **kwargs: Any) -> list:
        return self.module.val_step(*args, **kwargs)

    def test_step(self, *args: Any, **kwargs: Any) -> list:
        return self.module.test_step(*args, **kwargs)
