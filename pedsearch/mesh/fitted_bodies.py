"""Fitted people in files: parameters, not pictures.

Shape legend: N people of a file, B people asked for.
"""

import hashlib
import os
from collections.abc import Sequence

import numpy as np
import torch

from pedsearch.registry import TASK_UTILS

from .body_fitting import BodyFits
from .body_pose import BodyParameters, PosedAnny, body_up
from .person_meshes import PersonMeshes

FORMAT = 'pedsearch anny fits 1'

_FIELDS = ('focal', 'principal', 'photo_size', 'error', 'valid')


def save_fits(path: str, names: Sequence[str], fits: BodyFits) -> None:
    """Write fits of N photos as an ``.npz`` file, whole or not at all.

    Args:
        path (str): The new file; its folder must exist.
        names (sequence of str): N photos, relative to the root of their dataset and with ``/``.
        fits (BodyFits): Their people.

    Raises:
        ValueError: The names are not as many as the fits, or one appears twice.
    """
    if len(names) != len(fits) or len(set(names)) != len(names):
        raise ValueError(
            f'expected {len(fits)} different names for {len(fits)} fits, got {len(names)}, {len(set(names))} of them '
            'different'
        )
    arrays = {name: getattr(fits, name).numpy() for name in _FIELDS}
    rows = fits.parameters.rows().float().numpy()
    unfinished = f'{path}.{os.getpid()}.part'
    with open(unfinished, 'wb') as file:
        np.savez(file, format=np.array(FORMAT), names=np.array(names, dtype=str), parameters=rows, **arrays)
    os.replace(unfinished, path)


def load_fits(path: str) -> tuple[list[str], BodyFits]:
    """Read what :func:`save_fits` wrote: names and fits.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is another file.
    """
    arrays = read_arrays(path, 'tools/mesh/fit_bodies.py')
    if str(arrays.get('format')) != FORMAT:
        raise ValueError(
            f'{path} must be of format {FORMAT!r}, got {str(arrays.get("format", "none"))!r}; write it with '
            'tools/mesh/fit_bodies.py'
        )
    fields = {name: torch.from_numpy(arrays[name]) for name in _FIELDS}
    parameters = BodyParameters.from_rows(torch.from_numpy(arrays['parameters']))
    return arrays['names'].tolist(), BodyFits(parameters, **fields)


def read_arrays(path: str, origin: str) -> dict[str, np.ndarray]:
    """Arrays of an ``.npz`` file without pickled objects; ``origin`` says in errors where such a file comes from."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f'expected a file of bodies, got {path}, which does not exist; it comes from {origin}')
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, AttributeError) as error:
        raise ValueError(f'{path} must be an .npz file of arrays, got another; it comes from {origin}') from error


class NamedRows:
    """Finds the rows of photos in a file of people.

    Args:
        names (sequence of str): N photos.
        path (str): The file, for errors.
    """

    def __init__(self, names: Sequence[str], path: str) -> None:
        self.path = path
        self._row_of = {name: row for row, name in enumerate(names)}

    def __call__(self, names: Sequence[str]) -> list[int]:
        missing = [name for name in names if name not in self._row_of]
        if missing:
            raise ValueError(
                f'no body of {missing[0]!r} in {self.path}, which holds {len(self._row_of)}, such as '
                f'{next(iter(self._row_of), None)!r}; fit this photo, or name it relative to the dataset'
            )
        return [self._row_of[name] for name in names]


@TASK_UTILS.register_module()
class AnnyFits:
    """Bodies of anny that were fitted to photos.

    Args:
        file (str): From :func:`save_fits`.

    Attributes:
        names (list[str]): Photos it knows.
        fits (BodyFits): Their people.
        fingerprint (str): Tells files apart by what they hold.

    Raises:
        ImportError: anny is not installed; raised by the first call.
        FileNotFoundError: There is no such file.
        ValueError: It is another file.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.names, self.fits = load_fits(file)
        told = (self.fits.parameters.rows(), self.fits.focal, self.fits.principal, self.fits.photo_size)
        self.fingerprint = hashlib.sha256(b''.join(array.numpy().tobytes() for array in told)).hexdigest()
        self._rows = NamedRows(self.names, file)
        self._body: PosedAnny | None = None

    def __call__(self, names: Sequence[str]) -> PersonMeshes:
        """People on B photos.

        Raises:
            ValueError: A photo is not in the file.
        """
        rows = self._rows(names)
        if self._body is None:  # workers of a data loader build their own, none travels to them
            self._body = PosedAnny()
        fits = self.fits
        parameters = BodyParameters.from_rows(fits.parameters.rows()[rows])
        return PersonMeshes(
            vertices=self._body.vertices(parameters),
            faces=self._body.faces,
            focal=fits.focal[rows],
            principal=fits.principal[rows],
            photo_size=fits.photo_size[rows],
            up=body_up(parameters.root),
            valid=fits.valid[rows],
        )

    def __repr__(self) -> str:
        return f'{type(self).__name__}(file={self.file!r})'
