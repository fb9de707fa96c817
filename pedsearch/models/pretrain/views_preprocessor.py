"""Images, or several views of each, as networks take them.

Shape legend: B images, H x W network input.
"""

from mmengine.model import ImgDataPreprocessor
from torch import Tensor

from pedsearch.registry import MODELS


@MODELS.register_module()
class ViewsDataPreprocessor(ImgDataPreprocessor):
    """mmengine's ``ImgDataPreprocessor``, also for inputs that are lists of views.

    Args:
        *args, **kwargs: as there.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        """Stack and normalise.

        Args:
            data (dict): ``inputs``: B images, or lists of B images, one for each view; ``data_samples``.
            training (bool): as in mmengine.

        Returns:
            dict: ``inputs`` is (B, 3, H, W), or a list of such tensors, one for each view.
        """
        inputs = data['inputs']
        if not isinstance(inputs[0], (list, tuple)):
            return super().forward(data, training)
        views = [super(ViewsDataPreprocessor, self).forward(dict(inputs=view), training)['inputs'] for view in inputs]
        return dict(inputs=views, data_samples=self.cast_data(data.get('data_samples')))


def as_views(inputs: Tensor | list[Tensor]) -> list[Tensor]:
    """The list of views, of one where there is no list."""
    return list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
