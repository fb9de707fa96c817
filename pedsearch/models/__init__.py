"""Models, and the parts they are built from."""

from . import layers, losses, memories, reid, search, task_modules

__all__ = ['layers', 'losses', 'memories', 'reid', 'search', 'task_modules']
