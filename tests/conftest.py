"""Settings that must act before Theano is imported, and the fixtures that every test may use."""

import gc
import os
import signal
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def _own_compiledir():
    """Point Theano at a cache of this process's own.

    Theano compiles under a lock on its cache, so that two pytest workers on one cache would take turns.  The base
    comes from THEANO_FLAGS if they name one, and is kept in the environment because workers inherit flags that
    already end in their parent's folder.  Returns the base.
    """
    flags = [flag for flag in os.environ.get("THEANO_FLAGS", "").split(",") if flag]
    named = [flag.split("=", 1)[1] for flag in flags if flag.startswith("base_compiledir=")]
    base = os.environ.setdefault("PYMC3_VI_TEST_CACHE", named[-1] if named else str(ROOT / ".theano"))
    folder = Path(base).expanduser() / os.environ.get("PYTEST_XDIST_WORKER", "main")
    flags = [flag for flag in flags if not flag.startswith("base_compiledir=")]
    os.environ["THEANO_FLAGS"] = ",".join(flags + [f"base_compiledir={folder}"])
    return Path(base).expanduser()


BASE = _own_compiledir()
os.environ.setdefault("MPLBACKEND", "Agg")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with the signal ignored
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")  # the workers use the cores; BLAS threads would only spin

import pymc3_vi  # noqa: E402,F401  (first: Theano cannot be imported on NumPy 1.23 without it)
from pymc3_vi.compiler._kept_rewrites import keep_rewrites  # noqa: E402

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import theano  # noqa: E402

from tests import quick_gxx, quick_models  # noqa: E402


def _share_modules():
    """Let all processes and runs use one folder of the engine's modules: named by content, they need no lock."""
    own, shared = Path(theano.config.compiledir) / "pymc3_vi", BASE / "modules"
    shared.mkdir(parents=True, exist_ok=True)
    if not own.exists() and not own.is_symlink():
        own.symlink_to(shared, target_is_directory=True)


_share_modules()


quick_gxx.install(BASE)
quick_models.install()


def pytest_collection_finish():
    """Look for garbage seldom, and never among what was imported: a fifth of the time of building and compiling."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 10, 100)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests that take long, measured and listed, are of the slow tier, but are compiled as the fast one."""
    dear = set((ROOT / "tests" / "dear_tests.txt").read_text().splitlines())
    for item in items:
        if item.nodeid in dear and item.get_closest_marker("slow") is None:
            item.add_marker(pytest.mark.slow(optimized=False))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Undo what PyMC3 leaves behind: after a ``with Model():`` Theano goes on demanding test values.

    The fast tier compiles without optimization, which takes half as long and differs by rounding; what users run is
    what the slow tier runs.
    """
    theano.config.compute_test_value = "off"
    marker = item.get_closest_marker("slow")
    slow = marker is not None and marker.kwargs.get("optimized", True)
    quick_gxx.optimize(slow)
    keep_rewrites(item.path.parent.name not in ("compiler", "ops", "vectorize"))


@pytest.fixture
def rng(request):
    """NumPy generator seeded by the test's own name: the same numbers alone, in any order and on any worker."""
    return np.random.default_rng(zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture
def unoptimized():
    """Slow tests of many modules whose speed is of no interest compile them as the fast tier does."""
    quick_gxx.optimize(False)


@pytest.fixture
def model_fast():
    """``with model_fast():`` builds a ``pm.Model`` without a C compiler (0.05 s where test values take 30 s of g++)."""
    return lambda: theano.config.change_flags(cxx="")
