"""Imports of pedsearch go down only."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / 'pedsearch'
LEVELS = [
    {'registry', 'version', 'compat'},
    {'ops', 'structures'},
    {'functional'},
    {'models/layers', 'models/losses', 'models/memories', 'models/gan', 'models/task_modules', 'clustering', 'datasets',
     'evaluation', 'mesh'},
    {'models/search', 'models/reid', 'models/pretrain'},
    {'engine', 'visualization'},
    {'apis'},
]
LEVEL = {part: level for level, parts in enumerate(LEVELS) for part in parts}
INSIDE_LEVEL_3 = {('models/memories', 'models/losses'), ('models/layers', 'models/losses')}
MODULES = sorted(path for path in PACKAGE.rglob('*.py') if '.mim' not in path.parts)


def part_of(module: str) -> str | None:
    """'pedsearch.models.search.nae' -> 'models/search'; None for the package itself and for models' own index."""
    names = module.split('.')[1:]
    if names[:1] == ['models']:
        names = ['/'.join(names[:2])] if len(names) > 1 else []
    return names[0] if names else None


def imported_modules(path: Path) -> set[str]:
    package = ['pedsearch', *path.relative_to(PACKAGE).with_suffix('').parts[:-1]]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[:len(package) - node.level + 1] if node.level else []
            module = '.'.join([*base, *([node.module] if node.module else [])])
            found |= {module} | {f'{module}.{alias.name}' for alias in node.names}
    return {module for module in found if module.startswith('pedsearch.')}


@pytest.mark.parametrize('path', MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    own = part_of('.'.join(['pedsearch', *path.relative_to(PACKAGE).with_suffix('').parts]))
    if own is None or own.endswith('__init__'):
        return
    assert own in LEVEL, f'{own} has no place in the layers; give it one'
    for module in imported_modules(path):
        other = part_of(module)
        if other is None or other not in LEVEL or other == own:
            continue
        allowed = LEVEL[other] < LEVEL[own] or (own, other) in INSIDE_LEVEL_3
        assert allowed, f'{own} (level {LEVEL[own]}) imports {module} (level {LEVEL[other]})'


def test_every_package_has_a_place():
    parts = {part_of('.'.join(['pedsearch', *path.relative_to(PACKAGE).with_suffix('').parts])) for path in MODULES}
    assert {part for part in parts if part and not part.endswith('__init__')} <= set(LEVEL)


def test_no_module_of_vague_name():
    vague = {'utils', 'util', 'helper', 'helpers', 'common', 'misc', 'tmp'}
    assert not [path for path in MODULES if vague & {path.stem, *path.relative_to(PACKAGE).parts}]
