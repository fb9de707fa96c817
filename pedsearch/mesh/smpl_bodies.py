"""Bodies of SMPL from the estimates of HMR and its descendants, for users who have the model.

Shape legend: N people of a file, B people asked for.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pedsearch.registry import TASK_UTILS

from .fitted_bodies import NamedRows, read_arrays
from .person_meshes import PersonMeshes, perspective_from_weak

THETA = 85
"""Camera (s, t_x, t_y), 24 rotation vectors, 10 shape numbers."""

_ORIGIN = 'a mesh estimator; the guide on bodies lists its arrays'


@TASK_UTILS.register_module()
class SMPLFits:
    """Bodies of SMPL that an estimator saw in photos.

    Args:
        file (str): ``.npz`` with ``names`` (N,), photos relative to the root of their dataset and with ``/``; ``theta``
            (N, 85), camera, pose, shape; ``photo_size`` (N, 2), height and width in pixels; and, where the estimator
            saw another crop than the centred square around the photo, ``scale`` (N,), by what it resized the photo, and
            ``centre`` (N, 2), x and y of the crop's centre in pixels of the photo; ``valid`` (N,) bool if known.
        model_path (str): SMPL's model file or its folder, from its owners.

    Attributes:
        names (list[str]): Photos it knows.
        fingerprint (str): Tells files and models apart.

    Raises:
        ImportError: smplx is not installed; raised by the first call.
        FileNotFoundError: There is no such file.
        ValueError: Arrays are missing or of another shape.

    Source: HMR (Kanazawa et al., CVPR 2018).
    """

    def __init__(self, file: str, model_path: str) -> None:
        self.file, self.model_path = file, model_path
        arrays = read_arrays(file, _ORIGIN)
        missing = {'names', 'theta', 'photo_size'} - set(arrays)
        if missing:
            raise ValueError(f'{file} must hold names, theta and photo_size, got no {", ".join(sorted(missing))}')
        self.names: list[str] = arrays['names'].tolist()
        num = len(self.names)
        shapes = dict(theta=(num, THETA), photo_size=(num, 2), scale=(num,), centre=(num, 2), valid=(num,))
        for name, shape in shapes.items():
            if name in arrays and arrays[name].shape != shape:
                raise ValueError(
                    f'{name} of {file} must have shape {shape} for {num} names, got {arrays[name].shape}; one row per '
                    'photo'
                )
        self._arrays = {name: torch.from_numpy(np.asarray(arrays[name])) for name in shapes if name in arrays}
        self.fingerprint = hashlib.sha256(
            b''.join(array.numpy().tobytes() for array in self._arrays.values()) + str(model_path).encode()
        ).hexdigest()
        self._rows = NamedRows(self.names, file)
        self._model: Any = None

    def _load_model(self) -> Any:
        try:
            import smplx
        except ImportError as error:
            raise ImportError(
                "SMPLFits needs smplx, which is not installed; run `pip install 'pedsearch[smpl]'`"
            ) from error
        return smplx.SMPL(self.model_path, create_transl=False)

    @torch.no_grad()
    def __call__(self, names: Sequence[str]) -> PersonMeshes:
        """People on B photos.

        Raises:
            ValueError: A photo is not in the file, or its camera has no positive scale.
        """
        rows = self._rows(names)
        if self._model is None:
            self._model = self._load_model()
        picked = {name: array[rows] for name, array in self._arrays.items()}
        camera, orient, pose, shape = picked['theta'].float().split((3, 3, 69, 10), dim=1)
        translation, focal, principal = perspective_from_weak(
            camera, picked['photo_size'], self._optional(picked, 'scale'), self._optional(picked, 'centre')
        )
        vertices = self._model(betas=shape, global_orient=orient, body_pose=pose).vertices
        return PersonMeshes(
            vertices=vertices + translation[:, None],
            faces=torch.as_tensor(np.asarray(self._model.faces).astype(np.int64)),
            focal=focal,
            principal=principal,
            photo_size=picked['photo_size'].float(),
            valid=picked['valid'].bool() if 'valid' in picked else None,
        )

    @staticmethod
    def _optional(arrays: dict[str, Tensor], name: str) -> Tensor | None:
        return arrays[name].float() if name in arrays else None

    def __repr__(self) -> str:
        return f'{type(self).__name__}(file={self.file!r}, model_path={self.model_path!r})'
