"""Results in JSON files that appear complete or not at all."""

import json
import os
from pathlib import Path
from typing import Any


def check_dump(value: Any) -> str | os.PathLike | None:
    """``value`` itself; ValueError unless it is the path of a ``.json`` file or None."""
    if value is not None and not (isinstance(value, (str, os.PathLike)) and Path(value).suffix == '.json'):
        raise ValueError(f'dump must be the path of a .json file or None, got {value!r}')
    return value


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Write ``content`` as JSON to ``path``, whose folder is made; a failure leaves the old file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'{path.name}.{os.getpid()}.partial')
    partial.write_text(json.dumps(content, allow_nan=False), encoding='utf-8')
    os.replace(partial, path)
