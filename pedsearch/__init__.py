"""pedsearch: from pedestrian pixels to "where is this person?"."""

from mmengine.config import utils as _config_utils

from . import compat
from .version import __version__

compat.patch_hosts()
_config_utils.MODULE2PACKAGE.setdefault('pedsearch', 'pedsearch')

__all__ = ['__version__']
