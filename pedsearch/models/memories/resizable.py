"""Buffers whose number of rows belongs to their state."""

from typing import Any

from torch import nn


class ResizableBuffers(nn.Module):
    """Module whose buffers take the number of rows that a checkpoint has.

    For memories with one row per cluster or sample, which another clustering or data set fills with another number of
    them. All other dimensions must agree.
    """

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        for name, buffer in self._buffers.items():
            stored = state_dict.get(prefix + name)
            if stored is not None and stored.ndim and stored.shape[1:] == buffer.shape[1:]:
                setattr(self, name, buffer.new_zeros(stored.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)
