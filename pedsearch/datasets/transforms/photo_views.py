"""Several views of one photo."""

from collections.abc import Callable, Sequence

from mmcv.transforms import BaseTransform
from mmengine.dataset import Compose

from pedsearch.registry import TRANSFORMS


@TRANSFORMS.register_module()
class PhotoViews(BaseTransform):
    """Run several pipelines on the photo and set ``views``, a list of one (H, W, 3) array for each.

    The first is the weak one: ``img`` becomes its view, and what its transforms say, for example that they mirrored the
    photo, stays in the sample. The others say nothing.

    Args:
        pipelines (Sequence[Sequence[dict]]): transforms of each view, at least one view.

    Raises:
        ValueError: no pipelines.
    """

    def __init__(self, pipelines: Sequence[Sequence[dict | Callable]]) -> None:
        if not pipelines:
            raise ValueError('PhotoViews needs the pipeline of at least one view, got none')
        self.pipelines = [Compose([TRANSFORMS.build(step) if isinstance(step, dict) else step for step in steps])
                          for steps in pipelines]

    def transform(self, results: dict) -> dict:
        first, *others = (pipeline(dict(results)) for pipeline in self.pipelines)
        return dict(first, views=[first['img'], *(other['img'] for other in others)])

    def __repr__(self) -> str:
        return f'{type(self).__name__}({len(self.pipelines)} views)'
