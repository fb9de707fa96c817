"""Tools as modules."""

import importlib.util
from pathlib import Path
from types import ModuleType

TOOLS = Path(__file__).parents[2] / 'tools'


def load_tool(path: str) -> ModuleType:
    """A tool by its path below ``tools``, without ``.py``."""
    spec = importlib.util.spec_from_file_location(Path(path).name, TOOLS / f'{path}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
