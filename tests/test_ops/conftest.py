"""CUDA kernels run by threads of the CPU."""

import ctypes
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from pedsearch.ops import native, roi_pool, rois
from pedsearch.ops.build import BuildError, find_compiler
from pedsearch.ops.native import NativeLibrary, sources

FLAGS = ['-x', 'c++', '-std=c++17', '-O1', '-shared', '-fPIC', '-pthread', '-ffp-contract=off', '-Wall', '-Wextra']


@pytest.fixture(autouse=True)
def kernels_however_few_rois(monkeypatch):
    monkeypatch.setattr(roi_pool, '_PIXELS_PER_BIN', float('inf'))


@pytest.fixture(scope='session')
def emulated_gpu(tmp_path_factory):
    """``with emulated_gpu(block_threads):`` operators on CPU tensors run the CUDA kernels."""
    try:
        compiler = find_compiler('CXX', ['c++', 'g++', 'clang++'])
    except BuildError as error:
        pytest.skip(f'needs a C++ compiler: {error}')
    path = tmp_path_factory.mktemp('cuda_on_cpu') / 'kernels.so'
    units = [unit for unit in sources('cuda') if unit.suffix == '.cu']
    shim = Path(__file__).with_name('cuda_on_cpu.h')
    done = subprocess.run([*compiler, *FLAGS, '-include', shim, *units, '-o', path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, '')
    library = NativeLibrary(path, 'cpu')  # the number of threads arrives as the stream, which nothing reads

    @contextmanager
    def emulated(block_threads, memory_fails=False):
        library.functions.set_up_device(ctypes.c_int64(block_threads), ctypes.c_int64(memory_fails))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(native, '_load', lambda device_type: library)
            patch.setattr(rois, 'HALF_TYPE_DEVICES', ('cpu', ))
            yield

    return emulated
