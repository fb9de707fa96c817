"""Read MATLAB files of the public releases, whose fields and types vary from copy to copy."""

import os.path as osp
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.io import loadmat


def load_mat(path: str, variables: Sequence[str]) -> np.ndarray:
    """Load the first of several variables that the file has.

    Args:
        path (str): The .mat file.
        variables (Sequence[str]): Names to look for, in the order of preference.

    Returns:
        np.ndarray: The variable, singleton axes squeezed out.

    Raises:
        FileNotFoundError: No such file.
        ValueError: The file is no readable MATLAB file or has none of the variables.
    """
    if not osp.isfile(path):
        raise FileNotFoundError(f'{path} does not exist; check data_root against the layout of the release')
    try:
        content = loadmat(path, squeeze_me=True, variable_names=list(variables))
    except Exception as error:  # scipy raises a dozen types on damaged files
        raise ValueError(f'{path} cannot be read as a MATLAB file ({error}); download it again') from error
    for name in variables:
        if name in content:
            return content[name]
    raise ValueError(f'{path} must hold the variable {" or ".join(variables)}, got none of them; download it again')


def numeric(value: Any, where: str) -> np.ndarray:
    """Return ``value`` as an array of numbers.

    Raises:
        ValueError: It is text, a struct or a cell; ``where`` tells the place.
    """
    array = np.asarray(value)
    if array.size and array.dtype.kind not in 'biuf':
        raise ValueError(f'{where} must hold numbers, got {array.ravel().tolist()!r:.60}; download the file again')
    return array.astype(np.float64) if array.size else np.zeros(array.shape)


def struct_rows(value: Any, path: str) -> list[np.void]:
    """List the elements of a struct array, or of a cell array of structs, as records.

    Raises:
        ValueError: An element is no struct.
    """
    rows = [np.atleast_1d(row)[0] if np.size(row) else row for row in np.atleast_1d(value).ravel()]
    for row in rows:
        if not isinstance(row, np.void) or row.dtype.names is None:
            raise ValueError(f'{path} must hold structs, got {type(row).__name__}; download it again')
    return rows


def struct_field(record: np.void, name: str, path: str, position: int | None = None) -> Any:
    """Get one field of a record by name, else by its position in the release.

    Raises:
        ValueError: The record has neither the name nor the position.
    """
    names = record.dtype.names
    if name in names:
        value = record[name]
    elif position is not None and position < len(names):
        value = record[names[position]]
    else:
        raise ValueError(f'{path} must have a field {name!r}, got fields {list(names)}; download it again')
    return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value
