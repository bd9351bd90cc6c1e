"""Helpers of the engine tests."""
import pytest
import theano
from theano.compile.mode import Mode
from theano.link.vm import VMLinker

from pymc3_vi.engines import _compiler
from pymc3_vi.engines._function import default_mode_query


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """The engine's cache is an empty directory, and nothing is loaded yet; returns the directory."""
    monkeypatch.setattr(_compiler, "cache_dir", lambda: str(tmp_path))
    monkeypatch.setattr(_compiler, "_modules", {})
    return tmp_path


class _StockLinker(VMLinker):
    """Theano's linker, which compiles every node by itself, on a graph that was rewritten without a compiler."""

    def __init__(self, cxx, **kwargs):
        super().__init__(use_cloop=True, c_thunks=True)
        self.cxx = cxx

    def make_all(self, *args, **kwargs):
        with theano.config.change_flags(cxx=self.cxx):
            return super().make_all(*args, **kwargs)


@pytest.fixture
def stock_linked():
    """Compile the graph that the island engine would compile, with the stock linker."""
    cxx = theano.config.cxx
    if not cxx:
        pytest.skip("there is no C++ compiler")

    def compile_it(inputs, outputs=None, updates=None):
        with theano.config.change_flags(cxx="", compute_test_value="off"):
            return theano.function(
                inputs, outputs, updates=updates, mode=Mode(_StockLinker(cxx), default_mode_query())
            )

    return compile_it
