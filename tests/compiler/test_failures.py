"""What happens when a node, the compiler or the cache fails."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings

from pymc3_vi.compiler import compile_count, compile_function, run_steps
from pymc3_vi.compiler._fallbacks import STRICT
from pymc3_vi.compiler._function import calls_done
from pymc3_vi.compiler._island_linker import IslandLinker, IslandsUnavailable, IslandVM, _needs_streams
from pymc3_vi.errors import EngineError, EngineWarning

import numpy as np
import pytest
import theano
import theano.tensor as tt
from theano.compile.ops import as_op
from theano.ifelse import ifelse
from theano.tensor.slinalg import cholesky

from tests.processes import forked

needs_compiler = pytest.mark.skipif(not theano.config.cxx, reason="there is no C++ compiler")


both_engines = pytest.mark.parametrize("engine", ["island", "exact"])


def counting_function(data=(0.0, 1.0, 2.0, 3.0, 4.0), engine="island"):
    """Adds up `data` one element a step, and fails with IndexError after the last."""
    counter, total, values = theano.shared(np.int64(0)), theano.shared(0.0), theano.shared(np.asarray(data))
    updates = [(total, total + values[counter]), (counter, counter + 1)]
    return compile_function([], None, updates=updates, engine=engine), counter, total


# ---------------------------------------------------------------- failing nodes
@needs_compiler
@both_engines
def test_exceptions_of_c_code_surface_with_their_node(engine):
    function, counter, total = counting_function(engine=engine)
    with pytest.raises(IndexError, match="(?s)out of bounds.*Subtensor"):
        run_steps(function, 8)
    assert total.get_value() == 10.0
    assert calls_done(function) == 5
    run_steps(counting_function(engine=engine)[0], 3)
    assert calls_done(function) == 5
    with pytest.raises(IndexError, match="(?s)out of bounds.*Subtensor"):
        function()
    counter.set_value(np.int64(3))
    run_steps(function, 2)
    assert total.get_value() == 17.0


@needs_compiler
@both_engines
def test_exceptions_of_python_nodes_surface_with_their_node(engine):
    matrix = tt.dmatrix("matrix")
    function = compile_function([matrix], tt.exp(cholesky(matrix + 1 - 1)).sum(), engine=engine)
    with pytest.raises(np.linalg.LinAlgError, match="Cholesky"):
        function(-np.eye(2))
    np.testing.assert_allclose(function(np.eye(2)), 2 * np.e + 2)


@needs_compiler
@both_engines
def test_exceptions_of_the_steps_of_a_loop_surface(engine):
    """Theano's own loop hides them: its virtual machines lack what it asks them for."""

    @as_op(itypes=[tt.dscalar], otypes=[tt.dscalar])
    def root(x):
        if x < 0:
            raise ValueError(f"there is no root of {x}")
        return np.sqrt(x)

    x = tt.dvector("x")
    function = compile_function([x], theano.scan(root, [x])[0], engine=engine)
    np.testing.assert_allclose(function([1.0, 4.0]), [1.0, 2.0])
    with pytest.raises(ValueError, match="(?s)there is no root of -1.0.*root"):
        function([1.0, -1.0])


@needs_compiler
@both_engines
def test_shape_mismatches_raise_value_error(engine):
    x, y = tt.dvector("x"), tt.dvector("y")
    function = compile_function([x, y], x + y, engine=engine)
    with pytest.raises(ValueError, match=r"(?s)mis-match.*Elemwise.*shapes: \[\(2,\), \(3,\)\]"):
        function(np.zeros(2), np.zeros(3))
    np.testing.assert_array_equal(function(np.ones(2), np.ones(2)), [2.0, 2.0])


@needs_compiler
def test_interrupts_stop_between_steps():
    counter = theano.shared(np.int64(0))
    function = compile_function([], None, updates=[(counter, counter + 1)])
    run_steps(function, 1)

    def interrupt():
        time.sleep(0.2)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        # one call of the loop must see the signal itself: the GIL is not released inside
        while counter.get_value() < 10**10:
            run_steps(function, 1000)
    thread.join()
    done = int(counter.get_value())
    run_steps(function, 1)
    assert counter.get_value() == done + 1


# ---------------------------------------------------------------- no compiler, bad compilers
def test_without_a_compiler_python_thunks_run():
    with theano.config.change_flags(cxx=""):
        before = compile_count()
        function, _, total = counting_function()
        run_steps(function, 5)
        assert total.get_value() == 10.0
        with pytest.raises(IndexError):
            function()
        x = tt.dmatrix("x")
        np.testing.assert_allclose(compile_function([x], tt.dot(x, x.T))(np.eye(2) * 3), np.eye(2) * 9)
        assert compile_count() == before


def test_theano_imported_without_a_compiler():
    script = """
        import pymc3_vi, theano, theano.tensor as tt, numpy as np
        from pymc3_vi.compiler import compile_function, run_steps, compile_count
        assert not theano.config.cxx
        s = theano.shared(np.ones(3))
        run_steps(compile_function([], None, updates=[(s, tt.exp(-s))]), 4)
        assert compile_count() == 0
        print(repr(float(s.get_value()[0])))
    """
    done = _run_python(script, "cxx=")
    value = 1.0
    for _ in range(4):
        value = np.exp(-value)
    assert float(done) == pytest.approx(value, rel=1e-14)


def _forked(script):
    return forked(script).stdout.strip().splitlines()[-1]


def _run_python(script, flags="", **variables):
    environment = dict(os.environ, **variables)
    environment["THEANO_FLAGS"] = ",".join(filter(None, [environment.get("THEANO_FLAGS", ""), flags]))
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [os.getcwd(), environment.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


@pytest.fixture
def clang(tmp_path):
    """Command of Clang: the one on the path, or the one that comes with the Python package ziglang."""
    command = shutil.which("clang++")
    if not command:
        pytest.importorskip("ziglang", reason="there is neither clang++ nor ziglang")
        script = tmp_path / "clang++"
        script.write_text(f'#!/bin/sh\nexec {sys.executable} -m ziglang c++ "$@"\n')
        script.chmod(0o755)
        command = str(script)
    return command


def test_clang_compiles_islands_with_loops(clang, empty_cache, caplog):
    x = tt.dvector("x")
    outputs = [tt.exp(x) * 1.5, tt.log1p(x**2).sum(), tt.dot(tt.outer(x, x), x)]
    with theano.config.change_flags(cxx=clang), caplog.at_level("DEBUG", logger="pymc3_vi"):
        before = compile_count()
        function = compile_function([x], outputs)
        assert compile_count() == before + 1
    assert isinstance(function.fn, IslandVM)
    assert not caplog.records
    value = np.linspace(-2, 3, 37)
    expected = [np.exp(value) * 1.5, np.log1p(value**2).sum(), np.outer(value, value) @ value]
    for mine, reference in zip(function(value), expected):
        np.testing.assert_allclose(mine, reference, rtol=1e-13)


@needs_compiler
@pytest.mark.parametrize("command", ["/bin/false", "/nonexistent/g++"])
def test_a_compiler_that_fails_leads_to_python_thunks(command, empty_cache, caplog, falls_back):
    x = tt.dvector("x")
    with theano.config.change_flags(cxx=command), caplog.at_level("DEBUG", logger="pymc3_vi"):
        with pytest.warns(EngineWarning, match="(?s)run in Python, slowly, because: .*C.. compiler that works"):
            function = compile_function([x], tt.exp(x) * 1.5 + 0.25)
    np.testing.assert_allclose(function([0.0, 1.0]), np.exp([0.0, 1.0]) * 1.5 + 0.25)
    assert not isinstance(function.fn, IslandVM)
    assert "stock linker failed" in caplog.text


@needs_compiler
def test_source_that_does_not_compile_leads_to_the_stock_linker(monkeypatch, empty_cache, caplog, falls_back):
    monkeypatch.setattr("pymc3_vi.compiler._island_linker.c_source", lambda *args, **values: "this is not C++")
    x = tt.dvector("x")
    with caplog.at_level("DEBUG", logger="pymc3_vi"):
        with pytest.warns(EngineWarning, match="stock linker is used, because: .*failed"):
            function = compile_function([x], x + 1)
    assert function([1.0]) == [2.0]
    assert not isinstance(function.fn, IslandVM)
    assert sum("stock linker is used" in record.getMessage() for record in caplog.records) == 1
    assert not list(empty_cache.glob("*.tmp"))


@needs_compiler
def test_fusion_that_is_left_out_is_told_once(monkeypatch, empty_cache, falls_back):
    make, calls = IslandLinker.make_all, []

    def fails_first(self, *args, **kwargs):
        calls.append(self)
        if len(calls) % 2:
            raise IslandsUnavailable("no loops today")
        return make(self, *args, **kwargs)

    monkeypatch.setattr(IslandLinker, "make_all", fails_first)
    x = tt.dvector("x")
    with pytest.warns(EngineWarning, match="Loops are not fused, because: no loops today.*PYMC3_VI_STRICT_ENGINE=1"):
        assert compile_function([x], x + 1)([1.0]) == [2.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compile_function([x], x + 2)([1.0]) == [3.0]


@needs_compiler
def test_fallbacks_are_errors_where_that_is_asked_for(monkeypatch, empty_cache, falls_back):
    monkeypatch.setenv(STRICT, "1")
    x, condition = tt.dvector("x"), tt.dscalar("condition")
    with theano.config.change_flags(cxx="/bin/false"), pytest.raises(EngineError, match="run in Python.*STRICT_ENGINE"):
        compile_function([x], x * 2)
    with pytest.raises(EngineError, match="stock linker is used, because: .*lazily"):
        compile_function([x, condition], ifelse(condition > 0, x.sum(), tt.exp(x).sum()))
    with theano.config.change_flags(cxx=""):  # no fallback: that is what was asked for
        assert compile_function([x], x + 1)([1.0]) == [2.0]


# ---------------------------------------------------------------- the cache
def small_graph(factor=3.0):
    x = tt.dvector("x")
    return [x], tt.exp(x * x) * theano.shared(factor)


@needs_compiler
def test_equal_graphs_are_compiled_once(empty_cache):
    before = compile_count()
    compile_function(*small_graph())
    assert compile_count() == before + 1
    function = compile_function(*small_graph(4.0))
    assert compile_count() == before + 1
    np.testing.assert_allclose(function([0.0]), [4.0])
    assert len(list(empty_cache.glob("pv_*"))) == 1


@needs_compiler
def test_equal_graphs_in_other_processes_compile_nothing(empty_cache):
    """Nor where sets of names have another order."""
    script = f"""
        import pymc3_vi, theano, theano.tensor as tt, numpy as np
        from pymc3_vi.compiler import _cxx_modules, compile_function, compile_count
        _cxx_modules.cache_dir = lambda: {str(empty_cache)!r}
        x = tt.dvector("x")
        s = theano.shared(np.ones((3, 3)))
        y = tt.dot(s, x)
        outputs = [tt.exp(y).sum() + theano.grad(y.sum(), x)[0], y[1:], tt.cumsum(y), x[x.argmax()], x * y + s[0] * x]
        compile_function([x], outputs)(np.ones(3))
        print(compile_count())
    """
    assert [_run_python(script, PYTHONHASHSEED=seed) for seed in ("1", "2")] == ["1", "0"]


@needs_compiler
def test_two_processes_compile_the_same_source_at_once(empty_cache):
    script = f"""
        import time
        import pymc3_vi, theano, theano.tensor as tt, numpy as np
        from pymc3_vi.compiler import _cxx_modules, compile_function, compile_count
        _cxx_modules.cache_dir = lambda: {str(empty_cache)!r}
        x = tt.dvector("x")
        while time.time() < {{start}}:
            time.sleep(0.001)
        f = compile_function([x], tt.exp(x) * 1.25)
        print(compile_count(), float(f(np.zeros(1))[0]))
    """
    forked("")  # starts what processes are forked from
    start = time.time() + 1
    results = []
    threads = [threading.Thread(target=lambda: results.append(_forked(script.format(start=start)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.split()[1] for result in results] == ["1.25", "1.25"]
    assert len(list(empty_cache.glob("pv_*"))) == 1
    assert not list(empty_cache.glob("*.tmp"))


CACHE_SCRIPT = """
    import logging, os, sys
    import pymc3_vi, theano, theano.tensor as tt, numpy as np
    from pymc3_vi.compiler import _cxx_modules, compile_function, compile_count
    records = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())
    logging.getLogger("pymc3_vi").addHandler(handler)
    logging.getLogger("pymc3_vi").setLevel("DEBUG")
    {setup}
    x = tt.dvector("x")
    function = compile_function([x], tt.exp(x) * 1.25)
    assert float(function(np.zeros(1))[0]) == 1.25
    print(type(function.fn).__name__, compile_count(), *records)
"""


@needs_compiler
def test_a_damaged_file_is_compiled_anew(empty_cache):
    # In other processes, because Python does not load a module of the same path twice.
    script = CACHE_SCRIPT.format(setup=f"_cxx_modules.cache_dir = lambda: {str(empty_cache)!r}")
    assert _forked(script) == "IslandVM 1"
    (path,) = empty_cache.glob("pv_*")
    path.write_bytes(b"not a shared object")
    result = _forked(script)
    assert result.startswith("IslandVM 1")
    assert "compiled anew" in result
    assert _forked(script) == "IslandVM 0"


@needs_compiler
def test_a_cache_that_cannot_be_written_is_replaced_by_a_temporary_directory(tmp_path):
    # A file where the directory should be: permissions do not stop root, who may run the tests.
    (tmp_path / "pymc3_vi").write_text("")
    setup = f"from pymc3_vi.compiler._flags import flags; here = flags(compiledir={str(tmp_path)!r}); here.__enter__()"
    result = _run_python(CACHE_SCRIPT.format(setup=setup))
    assert result.startswith("IslandVM 1 Compiled code goes to ")
    assert "cannot be written" in result
    directory = result.split("Compiled code goes to ")[1].split(",")[0]
    assert not os.path.exists(directory)  # it lived as long as the process


# ---------------------------------------------------------------- headers
@pytest.mark.parametrize(
    "body, needed",
    [
        ("if (std::isinf(x)) x = 0;", False),
        ("std::vector<int> v; std :: sort(v.begin(), v.end());", True),  # <vector> was not asked for
        ("std::string s;", True),
        ('cout << "x";', True),
        ("double cerrata;", False),
    ],
)
def test_streams_are_included_where_code_may_need_them(body, needed):
    """Theano includes them always, and Ops may rest on that."""
    assert _needs_streams(body, ["<cmath>", "<algorithm>"]) == needed
