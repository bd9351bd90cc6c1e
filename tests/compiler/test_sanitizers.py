"""The C++ of compiled modules under the sanitizers of addresses and of undefined behaviour."""

import os
import subprocess
import sys
import textwrap

import pytest
import theano

from tests.zoo import ZOO

#: Model, class and draws per step; between them they have loops, indexing, triangular algebra, stacks of matrices and
#: log-sum-exps.  UNDER_SANITIZERS=all takes the whole zoo, and an hour.
FITS = ["radon ADVI 1", "lkj FullRankADVI 1", "gp_marginal ADVI 3", "normal_mixture FullRankADVI 3"]
if os.environ.get("UNDER_SANITIZERS") == "all":
    FITS = [f"{name} {family}" for name in ZOO for family in ("ADVI 1", "FullRankADVI 3")]

#: The sanitizers stay in this process: in the compiler they would take minutes.
BEGIN = """
    import os, sys

    del os.environ["LD_PRELOAD"]
    import pymc3_vi
    import numpy as np
    import theano
    import theano.tensor as tt
    from pymc3_vi.compiler import _cxx_modules

    _cxx_modules.OPTIMIZATION = ("-O0",)
    theano.config.gcc__cxxflags = "-g1 -fsanitize=address,undefined -fno-sanitize-recover=all"
"""

FIT = """
    from tests.zoo import ZOO

    for fit in sys.argv[1:]:
        name, family, n_mc = fit.split()
        with ZOO[name]():
            inference = getattr(pymc3_vi, family)(random_seed=1)
            adam = pymc3_vi.adam(learning_rate=0.01)
            inference.fit(5, obj_n_mc=int(n_mc), obj_optimizer=adam, progressbar=False)
            assert np.isfinite(inference.hist).all(), fit
    print(len(sys.argv) - 1, "fits")
"""

RECURSIONS = """
    from pymc3_vi.compiler import compile_function
    from pymc3_vi.compiler.ops import ScanLoop
    from pymc3_vi.compiler.vectorize import vectorize_graph
    from tests.compiler import test_scan_loop as recursions

    rng = np.random.default_rng(1)
    y, a, c, matrix, vector = tt.dvector(), tt.dmatrix(), tt.dvector(), tt.dmatrix(), tt.dvector()
    steps = [recursions._slopes, recursions._matrix]
    values = rng.standard_normal(9), 0.5 * rng.standard_normal((3, 3)), rng.random(3), np.eye(3), rng.random(3)
    loops = 0
    for make in steps:
        first = matrix if make is recursions._matrix else vector
        out, _ = theano.scan(make(y, a, c), [y], [first], [a, c])
        outputs = [out[-2:], *tt.grad((out[-2:] ** 2).sum(), [y, a, c, first])]
        function = compile_function([y, a, c, matrix, vector], outputs, on_unused_input="ignore")
        assert all(np.isfinite(x).all() for x in function(*values))
        loops += sum(isinstance(node.op, ScanLoop) for node in function.maker.fgraph.toposort())
    many = tt.dtensor3()
    (batch,) = vectorize_graph([recursions.forward(a, matrix, vector)[-1].sum()], {matrix: many})
    function = compile_function([a, many, vector], [batch, tt.grad(batch.sum(), many)])
    function(values[1], rng.random((5, 3, 3)), values[2])
    products = compile_function(*recursions.recursion_of_products("float64"))
    for n, k, m in recursions.PRODUCT_SIZES:
        products(*map(rng.standard_normal, ((3, n, n), (n, k), (k, m))))
    loops += sum(isinstance(node.op, ScanLoop) for node in products.maker.fgraph.toposort())
    places = recursions._over_places(c, a, vector)
    by_place = compile_function([c, a, vector], [places, *tt.grad((places**2).sum(), [c, a, vector])])
    by_place(rng.random(6), rng.random((3, 3)), rng.random(3))
    for size in (5, 0):
        try:
            by_place(rng.random(size), rng.random((3, 3)), rng.random(3))
        except IndexError:
            loops += 1
    print(loops + sum(isinstance(node.op, ScanLoop) for node in function.maker.fgraph.toposort()), "loops")
"""

CUMULATIVE_SUM = """
    from pymc3_vi.compiler import compile_function
    from pymc3_vi.compiler.ops import _elements

    c_source = _elements.c_source

    def with_a_fault(name, **values):
        source, (right, wrong) = c_source(name, **values), (sys.argv[1], sys.argv[2])
        assert name != "cumulative_sum.c" or right in source
        return source.replace(right, wrong)

    _elements.c_source = with_a_fault
    x = tt.dvector()
    print(compile_function([x], tt.cumsum(x))(np.ones(1000))[-1])
"""


def _library(name):
    """Path of a library of g++, whose name alone comes back where there is none."""
    command = [theano.config.cxx, f"-print-file-name={name}"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout.strip()


@pytest.fixture
def under_sanitizers(tmp_path):
    """Function that runs a script and gives its CompletedProcess."""
    if not theano.config.cxx:
        pytest.skip("there is no C++ compiler")
    libraries = [_library("libasan.so"), _library("libubsan.so")]
    if not all(map(os.path.isabs, libraries)):
        pytest.skip("the compiler has no sanitizers")
    environment = dict(
        os.environ,
        PYTHONPATH=os.getcwd(),
        THEANO_FLAGS=f"base_compiledir={tmp_path}",
        LD_PRELOAD=":".join(libraries),
        ASAN_OPTIONS="detect_leaks=0",
        UBSAN_OPTIONS="print_stacktrace=1",
        PYTHONMALLOC="malloc",  # small objects, too, lie between bytes that nothing may touch
        PYMC3_VI_STRICT_ENGINE="1",
    )

    def run(script, *arguments):
        command = [sys.executable, "-c", textwrap.dedent(BEGIN) + textwrap.dedent(script), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    return run


@pytest.mark.slow
def test_steps_of_the_zoo_touch_no_memory_of_others_and_nothing_undefined(under_sanitizers):
    done = under_sanitizers(FIT, *FITS)
    assert done.returncode == 0, done.stderr[-5000:]
    assert done.stdout.split() == [str(len(FITS)), "fits"]


@pytest.mark.slow
def test_recursions(under_sanitizers):
    done = under_sanitizers(RECURSIONS)
    assert done.returncode == 0, done.stderr[-5000:]
    assert done.stdout.split() == ["9", "loops"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "right, wrong, found",
    [
        ("j < n;", "j <= n;", "heap-buffer-overflow"),
        ("sum = j ?", "sum = PyArray_DIM(V0, 0) << 62 ?", "runtime error: left shift"),
    ],
)
def test_sanitizers_find_what_is_wrong_on_purpose(under_sanitizers, right, wrong, found):
    done = under_sanitizers(CUMULATIVE_SUM, right, wrong)
    assert done.returncode != 0 and found in done.stderr, done.stderr[-5000:]
