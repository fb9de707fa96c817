"""Compile the native kernels.

    python -m pedsearch.ops.build                        # CPU, with $CXX, c++, g++ or clang++
    python -m pedsearch.ops.build --cuda                 # CUDA, with $NVCC or nvcc, for sm_80 and sm_90
    python -m pedsearch.ops.build --cuda --arch 75 120   # for other GPUs

The library lands beside the sources, or in the user's cache where the installation is read-only.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .native import SOURCES, library_folders, library_name, sources

# Without fused multiply-add the vector widths, and CUDA, give the same distances to the last bit.
_CPU_FLAGS = ['-O3', '-std=c++17', '-shared', '-fPIC', '-pthread', '-Wall', '-Wextra', '-ffp-contract=off']
_CUDA_FLAGS = ['-O3', '-std=c++17', '-shared', '-Xcompiler', '-fPIC', '--threads', '2']


class BuildError(RuntimeError):
    """The kernels could not be compiled; the message is one line and, after it, the compiler's own."""


def find_compiler(variable: str, names: Sequence[str]) -> list[str]:
    """The command that the environment variable names (``ccache g++``), or the first of ``names`` that exists."""
    named = os.environ.get(variable)
    for command in [shlex.split(named)] if named else [[name] for name in names]:
        path = shutil.which(command[0])
        if path:
            return [path, *command[1:]]
    raise BuildError(f'expected a compiler ({named or ", ".join(names)}) on PATH, found none; install one or name it '
                     f'in {variable}')


def build(device_type: str = 'cpu', arch: Sequence[str] = ('80', '90')) -> Path:
    """Compile the library of one kind of device.

    Args:
        device_type: 'cpu' or 'cuda'.
        arch: compute capabilities without dot, CUDA only. The last one is also kept as PTX for newer GPUs.

    Returns:
        Path: the library. It appears complete or not at all.

    Raises:
        BuildError: without a compiler, or if it fails.
    """
    if device_type == 'cuda':
        command = [*find_compiler('NVCC', ['nvcc']), *_CUDA_FLAGS]
        command += [f'-gencode=arch=compute_{number},code=sm_{number}' for number in arch]
        command += [f'-gencode=arch=compute_{arch[-1]},code=compute_{arch[-1]}']
    else:
        command = [*find_compiler('CXX', ['c++', 'g++', 'clang++']), *_CPU_FLAGS]
        if _compiles([*command, '-fopenmp']):
            command.append('-fopenmp')
    units = [str(path) for path in sources(device_type) if path.suffix in ('.cpp', '.cu')]
    target = _writable_folder() / library_name(device_type)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        made = Path(scratch) / target.name
        done = _run([*command, *units, '-o', str(made)])
        if done.returncode:
            raise BuildError(f'{command[0]} failed with exit status {done.returncode}:\n{done.stderr}')
        if not made.is_file():
            raise BuildError(f'{command[0]} ended well but wrote no library; is it a compiler?')
        os.replace(made, target)
    if target.parent == SOURCES.parent / 'lib':  # a user's cache may serve other versions
        for other in target.parent.glob(f'pedsearch_{device_type}_*.so'):
            if other != target:
                other.unlink(missing_ok=True)
    return target


def _compiles(command: Sequence[str]) -> bool:
    """Whether the compiler takes these flags and finds what they need."""
    with tempfile.TemporaryDirectory() as scratch:
        unit = Path(scratch) / 'empty.cpp'
        unit.write_text('extern "C" int empty() { return 0; }\n')
        return _run([*command, str(unit), '-o', str(unit.with_suffix('.so'))]).returncode == 0


def _run(command: Sequence[str]) -> subprocess.CompletedProcess:
    try:
        return subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise BuildError(f'{command[0]} cannot be run ({error})') from error


def _writable_folder() -> Path:
    for folder in library_folders():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    raise BuildError(f'expected a folder that can be written, tried {", ".join(map(str, library_folders()))}; '
                     'set XDG_CACHE_HOME')


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog='python -m pedsearch.ops.build', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--cuda', action='store_true', help='build the CUDA kernels instead of the CPU ones')
    parser.add_argument('--arch', nargs='+', default=['80', '90'], help='compute capabilities, for example 80 90')
    parser.add_argument('--optional', action='store_true', help='say so and succeed where they cannot be built')
    args = parser.parse_args(argv)
    try:
        path = build('cuda' if args.cuda else 'cpu', args.arch)
    except BuildError as error:
        sys.stderr.write(f'native kernels not built: {error}\n')
        return 0 if args.optional else 1
    sys.stdout.write(f'built {path}\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
