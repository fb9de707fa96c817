"""Models, and the parts they are built from."""

from . import gan, layers, losses, memories, pretrain, reid, search, task_modules

__all__ = ['gan', 'layers', 'losses', 'memories', 'pretrain', 'reid', 'search', 'task_modules']
