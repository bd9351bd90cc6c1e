"""What is loaded from the cache of compiled modules, and what is not."""

import os
import stat
import time

from pymc3_vi.compiler import _cxx_modules, _module_files, compile_count, compile_function
from pymc3_vi.compiler._module_files import cached_files, find_module, put_module, temporary_path
from pymc3_vi.errors import EngineWarning

import numpy as np
import pytest
import theano
import theano.tensor as tt

from tests.processes import forked

needs_compiler = pytest.mark.skipif(not theano.config.cxx, reason="there is no C++ compiler")
needs_owners = pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no owners")


@pytest.fixture
def compiledir(tmp_path, monkeypatch):
    """Theano's compile directory is this one, with an empty folder for the engine."""
    monkeypatch.setattr(_module_files, "_temporary", [])
    monkeypatch.setattr(_module_files, "_swept", set())
    monkeypatch.setattr(_module_files, "config", type("Config", (), {"compiledir": str(tmp_path)}))
    (tmp_path / "pymc3_vi").mkdir()
    return tmp_path


def put(directory, content=b"module", name="pv_a"):
    path = temporary_path(str(directory), name)
    with open(path, "wb") as file:
        file.write(content)
    return put_module(path, str(directory), name)


@pytest.mark.parametrize("damage", [
    lambda content: content[: len(content) // 2],
    lambda content: b"",
    lambda content: content[:-1] + b"?",
    lambda content: content + b"more",
    lambda content: b"\0" * len(content),  # what a file system leaves that lost the data
], ids=["half", "empty", "one byte", "longer", "zeros"])  # fmt: skip
def test_broken_files_are_not_found(tmp_path, damage):
    path = put(tmp_path, b"0123456789" * 1000)
    assert find_module(str(tmp_path), "pv_a") == path and find_module(str(tmp_path), "pv_") is None
    with open(path, "rb") as file:
        content = damage(file.read())
    with open(path, "wb") as file:
        file.write(content)
    assert find_module(str(tmp_path), "pv_a") is None
    assert cached_files(str(tmp_path)) == []  # removed
    assert find_module(str(tmp_path), "pv_a") is None


@needs_compiler
def test_truncated_modules_are_compiled_anew(empty_cache):
    """Loading one ended the process by SIGBUS, so another process loads it."""
    x = tt.dvector("x")
    compile_function([x], tt.exp(x) * 1.75)
    (path,) = cached_files(str(empty_cache))
    whole = os.path.getsize(path)
    half = empty_cache / "half"  # another file: this process has the whole one in its memory
    with open(path, "rb") as file:
        half.write_bytes(file.read(whole // 2))
    half.chmod(0o700)
    os.replace(half, path)
    script = f"""
import pymc3_vi, theano, theano.tensor as tt, numpy as np
from pymc3_vi.compiler import _cxx_modules, compile_function, compile_count
_cxx_modules.cache_dir = lambda: {str(empty_cache)!r}
_cxx_modules.OPTIMIZATION = {_cxx_modules.OPTIMIZATION!r}
x = tt.dvector("x")
print(compile_function([x], tt.exp(x) * 1.75)(np.zeros(1))[0], compile_count())
"""
    done = forked(script, check=False)
    assert done.stdout.split() == ["1.75", "1"], (done.returncode, done.stderr)
    (found,) = cached_files(str(empty_cache))  # the other process has no header parsed beforehand, and another linker
    assert os.path.getsize(found) == pytest.approx(whole, rel=0.25)


@needs_owners
@pytest.mark.parametrize("mode, loaded", [(0o722, False), (0o707, False), (0o770, False), (0o755, True), (0o600, True)])
def test_files_that_others_may_write_are_left_alone(tmp_path, mode, loaded, falls_back):
    path = put(tmp_path)
    os.chmod(path, mode)
    if loaded:
        assert find_module(str(tmp_path), "pv_a") == path
    else:
        with pytest.warns(EngineWarning, match="is not loaded, because it may be written by others. It is compiled"):
            assert find_module(str(tmp_path), "pv_a") is None
    assert os.path.exists(path)


@needs_owners
def test_files_of_others_are_left_alone(tmp_path, monkeypatch, falls_back):
    path, me = put(tmp_path), os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: me + 1)
    with pytest.warns(EngineWarning, match=f"not loaded, because it belongs to another user .{me}."):
        assert find_module(str(tmp_path), "pv_a") is None
    assert os.path.exists(path)


@needs_owners
def test_directories_of_others_are_left_alone(compiledir, monkeypatch, falls_back):
    me = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: me + 1)
    with pytest.warns(EngineWarning, match="Compiled code goes to .* belongs to another user .*compiled anew by every"):
        directory = _module_files.cache_dir()
    assert directory != str(compiledir / "pymc3_vi") and _module_files.cache_dir() == directory


@needs_owners
def test_the_directory_is_private(compiledir):
    """Also one that an earlier version made under the umask of a shared machine."""
    os.chmod(compiledir / "pymc3_vi", 0o777)
    directory = _module_files.cache_dir()
    assert directory == str(compiledir / "pymc3_vi") and not os.stat(directory).st_mode & 0o022
    assert stat.S_IMODE(os.stat(put(directory)).st_mode) == 0o700


def test_what_killed_processes_left_is_removed(compiledir):
    folder = compiledir / "pymc3_vi"
    old = [folder / "pv_a.123.tmp", folder / "probe1x"]
    kept = [folder / "notes.txt", folder / "pv_b.123.tmp"]
    for path in old + kept:
        path.write_text("")
    for path in [*old, folder / "notes.txt"]:
        os.utime(path, (time.time() - 7200,) * 2)
    _module_files.cache_dir()
    assert sorted(folder.iterdir()) == kept


def test_graphs_that_nobody_reads_go_away(compiledir):
    folder = compiledir / "pymc3_vi"
    old, read = (_module_files.graph_path(folder, key) for key in "ab")
    for path, days in ((old, 31), (read, 29)):
        path.write_text("")
        os.utime(path, (time.time() - days * 86400,) * 2)
    _module_files.cache_dir()
    assert list(folder.iterdir()) == [read]


@needs_compiler
def test_a_directory_that_vanishes_leads_to_another_engine(empty_cache, falls_back):
    os.rmdir(empty_cache)
    x, before = tt.dvector("x"), compile_count()
    with pytest.warns(EngineWarning, match="stock linker is used, because"):
        np.testing.assert_allclose(compile_function([x], x * 2.5)([2.0]), [5.0])
    assert compile_count() > before
