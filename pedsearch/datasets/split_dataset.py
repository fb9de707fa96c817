"""What scene and crop datasets share: a folder and its split, strict files, samples that carry their seed."""

import copy
import logging
import os
import os.path as osp
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from mmengine.dataset import BaseDataset, Compose, force_full_init
from mmengine.logging import print_log

from pedsearch.registry import TRANSFORMS

from .seeding import seeded


class SplitDataset(BaseDataset):
    """Base of all datasets: the train or test split of a folder.

    Bad images are errors, never replaced by other samples.

    Args:
        data_root (str): Folder of the release.
        split (str): One of ``SPLITS``, ``'train'`` or ``'test'``.
        pipeline (Sequence): Transforms.
        test_mode (bool): As in mmengine. Default: False.
        check_files (bool): List the image folders once and stop if listed images are missing. Switch it off for
            storage that cannot be listed. Default: True.
        **kwargs: Further arguments of :class:`mmengine.dataset.BaseDataset`.

    Raises:
        TypeError: ``data_root`` is no path.
        ValueError: ``split`` is unknown.
    """

    SPLITS = 'train', 'test'
    METAINFO = dict(classes=('person', ), palette=[(220, 20, 60)])

    def __init__(self,
                 data_root: str,
                 split: str = 'train',
                 pipeline: Sequence[dict | Callable] = (),
                 test_mode: bool = False,
                 check_files: bool = True,
                 **kwargs) -> None:
        if not isinstance(data_root, (str, os.PathLike)):
            raise TypeError(f'data_root must be the path of a folder, got {data_root!r}')
        if split not in self.SPLITS:
            raise ValueError(f'split must be {" or ".join(map(repr, self.SPLITS))}, got {split!r}')
        self.split = split
        self.check_files = check_files
        super().__init__(
            data_root=os.fspath(data_root), pipeline=build_steps(pipeline), test_mode=test_mode, **kwargs)

    @property
    def metainfo(self) -> dict:
        """Meta information; a shallow copy, for protocols with thousands of galleries are costly to copy."""
        return dict(self._metainfo)

    def prepare_data(self, idx: int) -> dict:
        """Run the pipeline; everything random in it is drawn from ``idx.seed`` where the sampler gave one."""
        return run_pipeline(self.pipeline, self.get_data_info(int(idx)), getattr(idx, 'seed', None))

    @force_full_init
    def with_pipeline(self, pipeline: Sequence[dict | Callable]) -> 'SplitDataset':
        """The same samples, shared and not copied, behind another pipeline.

        Args:
            pipeline (Sequence): Transforms.
        """
        view = copy.copy(self)
        view.pipeline = Compose(build_steps(pipeline))
        return view

    def warn(self, text: str) -> None:
        """Log one line about the release."""
        print_log(f'{type(self).__name__} ({self.split}): {text}', logger='current', level=logging.WARNING)

    def check_images(self, names: Sequence[str], folder: str, part: str | None = None) -> None:
        """Stop unless there are images, each is listed once and, with ``check_files``, all of them exist.

        Args:
            names (Sequence[str]): The images, relative to ``folder``.
            folder (str): Where they are.
            part (str | None): What they are, for messages; None: the split.

        Raises:
            ValueError: There is no image, or a name is repeated.
            FileNotFoundError: The folder or images in it are missing.
        """
        part = part or self.split
        if not names:
            raise ValueError(f'{type(self).__name__} found no {part} image under {self.data_root}; check the '
                             'folder and its annotation files')
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise ValueError(f'every image must be listed once, got {twice[0]} repeated in the {part} split; '
                             'remove the repeated entry')
        if not self.check_files:
            return
        if not osp.isdir(folder):
            raise FileNotFoundError(f'image folder {folder} does not exist; check data_root={self.data_root!r} and '
                                    'data_prefix')
        missing = sorted(set(names) - list_files(folder, names))
        if missing:
            raise FileNotFoundError(f'{len(missing)} of {len(names)} images are missing in {folder}, first: '
                                    f'{missing[0]}; complete the copy, tools/check_dataset.py lists them')


def build_steps(pipeline: Sequence[dict | Callable]) -> list[Callable]:
    """Build the transforms that are configs with pedsearch's registry; leave the others as they are.

    A transform that minds the others has ``check_pipeline(steps)``.
    """
    steps = [TRANSFORMS.build(step) if isinstance(step, Mapping) else step for step in pipeline]
    for step in steps:
        if hasattr(step, 'check_pipeline'):
            step.check_pipeline(steps)
    return steps


def run_pipeline(pipeline: Compose, info: dict, seed: int | None) -> dict:
    """Run the transforms on one sample with all randomness drawn from ``seed`` (None: left as it is).

    Raises:
        ValueError: A transform rejects the sample.
    """
    if seed is not None:
        info['seed'] = seed
    with seeded(seed):
        data = pipeline(info)
    if data is None:
        raise ValueError(f'the pipeline returned None for {info["img_path"]}; remove the transform that rejects '
                         'images, samples are never replaced')
    return data


def list_files(folder: str, names: Sequence[str]) -> set[str]:
    """List the files in ``folder`` and in those of its sub-folders that ``names`` mention, as relative names."""
    found = set()
    for sub_folder in {osp.dirname(name) for name in names}:
        path = osp.join(folder, sub_folder)
        if osp.isdir(path):
            found.update(osp.join(sub_folder, entry) for entry in os.listdir(path))
    return found
