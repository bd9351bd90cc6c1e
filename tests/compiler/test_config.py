"""`show_config` and `clear_cache`."""

import os

import pymc3_vi
from pymc3_vi.compiler import compile_count, compile_function

import numpy as np
import pytest
import scipy
import theano
import theano.tensor as tt

needs_compiler = pytest.mark.skipif(not theano.config.cxx, reason="there is no C++ compiler")


@pytest.fixture
def cache(empty_cache, monkeypatch):
    """`empty_cache` for the module that lists and clears it too."""
    monkeypatch.setattr("pymc3_vi.compiler._config.cache_dir", lambda: str(empty_cache))
    return empty_cache


def square(factor):
    x = tt.dvector("x")
    return compile_function([x], x**2 * factor)


@needs_compiler
def test_the_cache_is_counted_and_cleared(cache):
    function = square(3.0)
    (path,) = cache.glob("pv_*")
    settings = pymc3_vi.show_config(print_it=False)
    assert settings["cache"] == str(cache)
    assert settings["cache files"] == 1
    assert settings["cache MiB"] == round(path.stat().st_size / 2**20, 1)

    half_written = cache / (path.name + ".1.tmp")  # another process is at work
    half_written.write_text("")
    (cache / "notes.txt").write_text("not ours")
    assert pymc3_vi.clear_cache() == 1
    assert sorted(os.listdir(cache)) == sorted([half_written.name, "notes.txt"])
    assert pymc3_vi.clear_cache() == 0
    np.testing.assert_array_equal(function([2.0]), [12.0])  # what is loaded goes on working

    before = compile_count()
    np.testing.assert_array_equal(square(3.0)([2.0]), [12.0])
    assert compile_count() == before  # this process still knows it


def test_versions_and_what_is_printed(capsys):
    settings = pymc3_vi.show_config()
    assert settings["numpy"] == np.__version__
    assert settings["scipy"] == scipy.__version__
    assert settings["floatX"] == theano.config.floatX
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0].strip() for line in lines] == list(settings)


@pytest.mark.parametrize("command, words", [
    ("", "none: functions run in Python"),
    ("/nonexistent/g++", "/nonexistent/g++, which does not work"),
])  # fmt: skip
def test_a_missing_compiler_is_named(command, words):
    with theano.config.change_flags(cxx=command):
        assert pymc3_vi.show_config(print_it=False)["compiler"].startswith(words)


@needs_compiler
def test_the_compiler_is_known_inside_fast_build():
    outside = pymc3_vi.show_config(print_it=False)["compiler"]
    assert outside.startswith(theano.config.cxx)
    with pymc3_vi.fast_build():
        assert pymc3_vi.show_config(print_it=False)["compiler"] == outside
