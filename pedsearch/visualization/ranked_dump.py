"""Pictures from the ``.json`` dump of a metric, whichever task it is of."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .reid_ranking import draw_reid_rankings
from .search_ranking import draw_ranked_galleries

SEARCH, REID = 'pedsearch-search-dump', 'pedsearch-reid-dump'


def read_dump(path: str | os.PathLike) -> dict[str, Any]:
    """Content of a dump of ``PersonSearchMetric`` or ``ReIDMetric``.

    Raises:
        FileNotFoundError, ValueError: naming the file.
    """
    try:
        content = json.loads(Path(path).read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise FileNotFoundError(f'dump {path} does not exist; write it with tools/test.py --out {path}') from None
    except ValueError as error:
        raise ValueError(f'dump {path} is not JSON: {error}; write it again with tools/test.py --out') from None
    if not isinstance(content, dict) or content.get('format') not in (SEARCH, REID):
        raise ValueError(f'{path} must be a dump of PersonSearchMetric or ReIDMetric; write it with tools/test.py '
                         '--out')
    return content


def draw_dump(dataset: Any,
              dump: Mapping[str, Any],
              evaluation: str = 'primary',
              num_best: int = 3,
              num_worst: int = 3,
              topk: int = 8,
              scenes: bool = False) -> np.ndarray:
    """Draw the best and the worst queries of one evaluation of a dump.

    Args:
        dataset: the test split that the dump is about.
        dump (Mapping): content of the dump.
        evaluation (str): 'primary' or another one of the dump, such as 'rerank' or the name of a protocol.
        num_best (int): queries with the highest average precision.
        num_worst (int): queries with the lowest average precision.
        topk (int): answers per query, at most 10 are on record.
        scenes (bool): whole scenes instead of crops; person search only.

    Returns:
        numpy.ndarray: (H, W, 3) uint8 RGB.

    Raises:
        ValueError: there is no such evaluation, or the dump is not of this dataset.
    """
    if evaluation not in dump['evaluations']:
        raise ValueError(f'evaluation must be one of {sorted(dump["evaluations"])}, got {evaluation!r}')
    per_query = dump['evaluations'][evaluation]
    if dump['format'] == REID:
        if scenes:
            raise ValueError('scenes must be False for re-identification, whose images are crops, got True')
        return draw_reid_rankings(dataset, per_query, num_best, num_worst, topk, dump['settings']['cross_camera'])
    protocol = None if evaluation in ('primary', 'control') else evaluation
    return draw_ranked_galleries(dataset, per_query, num_best, num_worst, topk, scenes, protocol)
