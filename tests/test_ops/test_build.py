import ctypes
import os
import shutil
import stat

import pytest

from pedsearch.ops import build as build_module
from pedsearch.ops.build import BuildError, build, find_compiler, main
from pedsearch.ops.native import library_name

needs_compiler = pytest.mark.skipif(not any(map(shutil.which, ['c++', 'g++', 'clang++'])), reason='needs a C++ compiler')


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(build_module, 'library_folders', lambda: [tmp_path / 'read-only', tmp_path / 'lib'])
    (tmp_path / 'read-only').write_text('a file, no folder')
    return tmp_path / 'lib'


@needs_compiler
def test_library_has_the_kernels(folder):
    path = build()
    assert path == folder / library_name('cpu')
    assert os.listdir(folder) == [path.name]
    library = ctypes.CDLL(str(path))
    for name in ('sparse_product', 'reciprocal_sets', 'positive_ranks', 'nearest_of_candidates'):
        assert hasattr(library, name)


def fake_compiler(path, script):
    path.write_text(f'#!/bin/sh\n{script}\n')
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return str(path)


def test_a_compiler_that_fails_leaves_nothing(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('CXX', fake_compiler(tmp_path / 'cxx', 'echo no such header >&2; exit 3'))
    with pytest.raises(BuildError, match='failed with exit status 3:\nno such header'):
        build()
    assert os.listdir(folder) == []
    assert main([]) == 1
    assert main(['--optional']) == 0
    assert 'native kernels not built' in capsys.readouterr().err


@pytest.mark.parametrize(('content', 'message'), [
    ('garbage', 'cannot be run'), ('#!/no/such/shell\n', 'cannot be run'),
    ('#!/bin/sh\nexit 0\n', 'ended well but wrote no library; is it a compiler')])
def test_what_is_no_compiler(content, message, folder, tmp_path, monkeypatch):
    compiler = fake_compiler(tmp_path / 'cxx', '')
    (tmp_path / 'cxx').write_text(content)
    monkeypatch.setenv('CXX', compiler)
    with pytest.raises(BuildError, match=message):
        build()
    assert main(['--optional']) == 0


@needs_compiler
def test_a_compiler_behind_another_command(monkeypatch):
    monkeypatch.setenv('CXX', 'env LANG=C c++')
    path, *rest = find_compiler('CXX', ['c++'])
    assert path == shutil.which('env')
    assert rest == ['LANG=C', 'c++']


def test_only_the_present_library_stays_beside_the_sources(tmp_path, monkeypatch):
    monkeypatch.setattr(build_module, 'SOURCES', tmp_path / 'csrc')
    monkeypatch.setattr(build_module, 'library_folders', lambda: [tmp_path / 'lib'])
    (tmp_path / 'lib').mkdir()
    for name in ('pedsearch_cpu_old.so', 'pedsearch_cuda_old.so'):
        (tmp_path / 'lib' / name).write_text('')
    monkeypatch.setenv('CXX', fake_compiler(tmp_path / 'cxx', 'for last; do :; done; touch "$last"'))
    build()
    assert sorted(os.listdir(tmp_path / 'lib')) == sorted([library_name('cpu'), 'pedsearch_cuda_old.so'])


def test_cuda_architectures(folder, tmp_path, monkeypatch):
    log = tmp_path / 'arguments'
    monkeypatch.setenv('NVCC', fake_compiler(tmp_path / 'nvcc', f'echo "$@" > {log}; for last; do :; done; touch "$last"'))
    assert main(['--cuda', '--arch', '80', '90']) == 0
    arguments = log.read_text()
    for flag in ('compute_80,code=sm_80', 'compute_90,code=sm_90', 'compute_90,code=compute_90'):
        assert flag in arguments
    assert os.listdir(folder) == [library_name('cuda')]


def test_no_compiler(monkeypatch):
    monkeypatch.setenv('CXX', 'no-such-compiler')
    with pytest.raises(BuildError, match=r'expected a compiler \(no-such-compiler\) on PATH, found none'):
        find_compiler('CXX', ['c++'])
    monkeypatch.delenv('CXX')
    monkeypatch.setenv('PATH', '')
    with pytest.raises(BuildError, match=r'expected a compiler \(c\+\+, g\+\+\).*name it in CXX'):
        find_compiler('CXX', ['c++', 'g++'])


def test_no_folder(monkeypatch, tmp_path):
    (tmp_path / 'file').write_text('')
    monkeypatch.setattr(build_module, 'library_folders', lambda: [tmp_path / 'file' / 'lib'])
    with pytest.raises(BuildError, match='expected a folder that can be written.*XDG_CACHE_HOME'):
        build()
