"""The softmax loss against the most similar wrong classes.

Shape legend: B samples, K classes, M columns.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pedsearch.ops import hard_negative_softmax, hardest_negatives

__all__ = ['hard_negative_terms', 'hardest_negatives', 'with_gradients']


def hard_negative_terms(logits: Tensor, labels: Tensor, top_percent: float = 0.6, eps: float = 1e-6) -> Tensor:
    """Losses of :func:`~pedsearch.ops.hard_negative_softmax`, differentiable once.

    Args:
        logits (Tensor): (B, K); -inf for classes that do not exist.
        labels (Tensor): (B,) int64, right classes.
        top_percent (float): in (0, 1].
        eps (float): >= 0.

    Returns:
        Tensor: (B,).

    Example:
        >>> hard_negative_terms(torch.tensor([[0., 0., -9.]]), torch.tensor([0]), eps=0)
        tensor([0.6931])
    """
    return with_gradients(logits, *hard_negative_softmax(logits.detach(), labels, top_percent, eps))


def with_gradients(inputs: Tensor, values: Tensor, gradients: Tensor) -> Tensor:
    """Values whose derivatives are known, as a function of what they were computed from.

    Args:
        inputs (Tensor): (B, M).
        values (Tensor): (B,), each a function of its row of ``inputs``.
        gradients (Tensor): (B, M), the derivative of each by its row.

    Returns:
        Tensor: ``values``, differentiable once.

    Example:
        >>> x = torch.tensor([[3.]], requires_grad=True)
        >>> torch.autograd.grad(with_gradients(x, torch.tensor([9.]), torch.tensor([[6.]])), x)
        (tensor([[6.]]),)
    """
    return _WithGradients.apply(inputs, values, gradients)


class _WithGradients(torch.autograd.Function):

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, values: Tensor, gradients: Tensor) -> Tensor:
        ctx.save_for_backward(gradients)
        return values.view_as(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        gradients, = ctx.saved_tensors
        return grad[:, None] * gradients, None, None
