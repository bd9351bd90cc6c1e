"""Helpers of the engine tests."""

import os

from pymc3_vi.compiler import _cxx_modules, _fallbacks
from pymc3_vi.compiler._blas import capsule_flags
from pymc3_vi.compiler._blas_threads import blas_threads
from pymc3_vi.compiler._function import default_mode_query
from pymc3_vi.compiler._rewrites import EXACT_REWRITES

import pytest
import theano
from theano.compile.mode import Mode
from theano.link.vm import VMLinker

from tests.compiler import exact_engine  # noqa: F401  (registers it)


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """The engine's cache is an empty directory, and nothing is loaded yet; returns the directory."""
    monkeypatch.setattr(_cxx_modules, "cache_dir", lambda: str(tmp_path))
    monkeypatch.setattr(_cxx_modules, "_modules", {})
    return tmp_path


@pytest.fixture
def falls_back(monkeypatch):
    """Fallbacks are warnings, and none has been told yet."""
    monkeypatch.delenv(_fallbacks.STRICT, raising=False)
    monkeypatch.setattr(_fallbacks, "_told", set())


class _StockLinker(VMLinker):
    """Theano's linker, which compiles every node by itself, on a graph that was rewritten without a compiler."""

    def __init__(self, cxx, **kwargs):
        super().__init__(use_cloop=True, c_thunks=True)
        self.cxx = cxx

    def make_all(self, *args, **kwargs):
        library, names = _scipys_blas()
        flags = f"{theano.config.gcc__cxxflags} {names}"
        with theano.config.change_flags(cxx=self.cxx, blas__ldflags=library, gcc__cxxflags=flags):
            return super().make_all(*args, **kwargs)


def _scipys_blas():
    """Flags that link the library behind SciPy's capsules, so that both linkers call the same code, and its names."""
    paths = [path for path, _ in blas_threads() if "scipy" in path and "numpy.libs" not in path]
    if not paths:
        pytest.skip("SciPy has no OpenBLAS of its own")
    folder, name = os.path.split(paths[0])
    prefix = "scipy_" if name.startswith("libscipy_") else ""  # since SciPy 1.13
    symbols = [kind + routine + "_" for kind in "sd" for routine in ("dot", "gemv", "gemm", "ger")]
    return f"-L{folder} -l:{name}", " ".join(f"-D{symbol}={prefix}{symbol}" for symbol in symbols if prefix)


@pytest.fixture
def stock_linked():
    """Compile the graph that the engine ``exact`` would compile, with the stock linker."""
    cxx = theano.config.cxx
    if not cxx:
        pytest.skip("there is no C++ compiler")

    def compile_it(inputs, outputs=None, **kwargs):
        with theano.config.change_flags(cxx="", compute_test_value="off"), capsule_flags():
            mode = Mode(_StockLinker(cxx), default_mode_query()).register(*EXACT_REWRITES)
            return theano.function(inputs, outputs, mode=mode, **kwargs)

    return compile_it
