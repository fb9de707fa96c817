import ctypes
import warnings

import pytest
import torch

from pedsearch.ops import native, native_library, reference_kernels
from pedsearch.ops.native import library_name, sources

CPU = torch.device('cpu')
needs_kernels = pytest.mark.skipif(not any((folder / library_name('cpu')).exists()
                                           for folder in native.library_folders()), reason='needs built CPU kernels')


@pytest.fixture
def nothing_loaded():
    native._load.cache_clear()
    yield
    native._load.cache_clear()


@needs_kernels
def test_kernels_are_used_unless_told_otherwise(monkeypatch):
    library = native_library(CPU)
    assert library is native_library(CPU)
    with reference_kernels():
        assert native_library(CPU) is None
        with reference_kernels():
            pass
        assert native_library(CPU) is None
    assert native_library(CPU) is library
    monkeypatch.setenv('PEDSEARCH_NATIVE', '0')
    assert native_library(CPU) is None


def test_other_devices_have_none():
    assert native_library(torch.device('meta')) is None


def test_one_warning_where_nothing_is_built(nothing_loaded, monkeypatch, tmp_path):
    monkeypatch.setattr(native, 'library_folders', lambda: [tmp_path])
    with pytest.warns(UserWarning, match='kernels of pedsearch are not built.* python -m pedsearch.ops.build'):
        assert native_library(CPU) is None
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert native_library(CPU) is None


def test_a_broken_library_is_not_fatal(nothing_loaded, monkeypatch, tmp_path):
    (tmp_path / library_name('cpu')).write_bytes(b'not a library')
    monkeypatch.setattr(native, 'library_folders', lambda: [tmp_path])
    with pytest.warns(UserWarning, match='pedsearch') as warned:
        assert native_library(CPU) is None
    assert ['cannot be loaded' in str(warning.message) for warning in warned] == [True, False]


@needs_kernels
def test_a_good_library_is_found_behind_a_bad_one(nothing_loaded, monkeypatch, tmp_path):
    good = next(folder for folder in native.library_folders() if (folder / library_name('cpu')).exists())
    (tmp_path / 'directory' / library_name('cpu')).mkdir(parents=True)
    (tmp_path / 'broken').mkdir()
    (tmp_path / 'broken' / library_name('cpu')).write_bytes(b'')
    monkeypatch.setattr(native, 'library_folders', lambda: [tmp_path / 'directory', tmp_path / 'broken', good])
    with pytest.warns(UserWarning, match='cannot be loaded'):
        assert native_library(CPU) is not None


def test_a_folder_that_may_not_be_read_is_passed_over(nothing_loaded, monkeypatch, tmp_path):
    def refuse(path):
        raise PermissionError(13, 'Permission denied', str(path))

    monkeypatch.setattr(native.Path, 'exists', refuse)  # what it does there up to Python 3.11
    monkeypatch.setattr(native, 'library_folders', lambda: [tmp_path])
    with pytest.warns(UserWarning, match='not built'):
        assert native_library(CPU) is None


def test_a_library_of_other_sources_is_not_loaded(monkeypatch, tmp_path):
    before = library_name('cpu')
    for path in sources('cpu'):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(native, 'SOURCES', tmp_path)
    assert library_name('cpu') == before
    with open(tmp_path / 'parallel.h', 'a') as file:
        file.write('// changed\n')
    assert library_name('cpu') != before
    assert library_name('cuda') != library_name('cpu')


@needs_kernels
def test_arguments_that_a_kernel_cannot_take():
    library = native_library(CPU)
    with pytest.raises(ValueError, match=r'pattern_sq_distances needs contiguous tensors on cpu, got strides \(1, 3\)'):
        library.call('pattern_sq_distances', torch.ones(4, 3).T)
    with pytest.raises(ValueError, match=r'needs contiguous tensors on cpu, got strides \(1,\) on meta'):
        library.call('pattern_sq_distances', torch.ones(4, device='meta'))


class Failing:
    def __init__(self, status):
        self.status = status

    def __getitem__(self, name):
        return lambda *args: self.status


@needs_kernels
@pytest.mark.parametrize(('status', 'error', 'message'), [(1, MemoryError, 'ran out of memory'),
                                                          (2, RuntimeError, 'CUDA_LAUNCH_BLOCKING=1')])
def test_errors_of_kernels(status, error, message, monkeypatch):
    library = native_library(CPU)
    monkeypatch.setattr(library, 'functions', Failing(status))
    with pytest.raises(error, match=message):
        library.call('any', torch.ones(1))


@needs_kernels
def test_tuples_are_passed_as_memory_of_the_host():
    library = native_library(torch.device('cpu'))
    assert list(library._convert('x', (3, -4))) == [3, -4]
    assert list(library._convert('x', (.5, 2.))) == [.5, 2.]
    assert library._convert('x', (.5, 2.))._type_ is ctypes.c_double
