"""Terms that a loop makes are one term over a vector: the same log density and gradient, a graph that does not grow."""

from pymc3_vi.compiler import compile_function
from pymc3_vi.compiler.ops import Pack, Unpack
from pymc3_vi.graph import _alike_terms, substitute
from pymc3_vi.model import ModelView

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt
from theano.graph.basic import ancestors
from theano.tensor.random.utils import RandomStream

PYTHON = theano.Mode("py", "fast_compile")


def hyperparameter(n, y):
    tau = pm.HalfNormal("tau", 1.0)
    for i in range(n):
        pm.Normal(f"y{i}", pm.Normal(f"b{i}", 0, tau), 1.0, observed=y[i])


def varying_constants(n, y):
    for i in range(n):
        b = pm.Gamma(f"b{i}", 1.0 + 0.1 * i, 2.0)
        pm.Normal(f"y{i}", b, 0.5 + 0.01 * i, observed=y[i : i + 3])


def walk(n, y):
    b = pm.Normal("b0", 0, 1)
    for i in range(1, n):
        b = pm.Normal(f"b{i}", b, 0.3)
        pm.StudentT(f"y{i}", 4, b, 1.0, observed=y[i])


def elements_of_a_vector(n, y):
    theta = pm.Normal("theta", 0, 1, shape=n)
    for i in range(n):
        pm.Bernoulli(f"y{i}", logit_p=theta[i] + theta[(i * i) % n], observed=int(y[i] > 0))


def partly_shared(n, y):
    means = [pm.Normal(f"m{g}", 0, 1) for g in range(3)]
    for i in range(n):
        b = pm.Normal(f"b{i}", means[i % 3], 1.0, shape=2)
        pm.Normal(f"y{i}", b, tt.exp(means[(i + 1) % 3]), observed=y[2 * i : 2 * i + 2])


def mixed(n, y):
    s = pm.Exponential("s", 1.0)
    for i in range(n):
        kind = pm.Cauchy if i % 2 else pm.Normal
        b = kind(f"b{i}", 0.0, s)
        pm.Poisson(f"y{i}", tt.exp(0.1 * b), observed=i % 5, total_size=7)
        pm.Potential(f"p{i}", -((b - i) ** 2) * y[i])
    pm.Normal("c", 0, 1, shape=4)
    pm.Potential("q", tt.sqr(b) * s)


def equal(n, y):
    b = pm.Normal("b", 0, 1)
    for i in range(n):
        pm.Normal(f"y{i}", b, 1.0, observed=1.5)


def other_shapes(n, y):
    b = pm.Normal("b", 0, 1)
    for i in range(n):
        pm.Normal(f"y{i}", b, 1.0, observed=y[: i + 1])


MODELS = [hyperparameter, varying_constants, walk, elements_of_a_vector, partly_shared, mixed, equal, other_shapes]


def view_of(build, n):
    y = np.random.default_rng(3).standard_normal(2 * n + 10)
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        build(n, y)
    return ModelView(model)


def at_vector(view, nodes):
    """The sum of `nodes` at a flat vector."""
    z = tt.dvector()
    with theano.config.change_flags(compute_test_value="off"):
        return z, substitute([sum(nodes)], dict(zip(view.free, view.layout().slices(z).values())))[0]


@pytest.fixture
def few(monkeypatch):
    """Terms are put together where there are a handful: models of PyMC3 are slow to build."""
    monkeypatch.setattr(_alike_terms, "FEWEST", 6)


@pytest.mark.parametrize("build", MODELS)
def test_values_and_gradients_are_those_of_the_single_terms(build, few, rng):
    view = view_of(build, 14 if build is mixed else 8)
    z, merged = at_vector(view, view.logp())
    w, single = at_vector(view, [term.node for term in view.logp_terms()])
    expected = theano.function([w], single, mode=PYTHON)
    outputs = [merged, tt.grad(merged, z)]
    function, compiled = theano.function([z], outputs, mode=PYTHON), compile_function([z], outputs)
    for _ in range(3):
        point, direction = 0.5 * rng.standard_normal((2, view.layout().size))
        value, slope = function(point)
        np.testing.assert_allclose(value, expected(point), rtol=1e-11)
        numeric = (expected(point + 1e-5 * direction) - expected(point - 1e-5 * direction)) / 2e-5
        np.testing.assert_allclose(slope @ direction, numeric, rtol=1e-6, atol=1e-6)
        for a, b in zip(compiled(point), (value, slope)):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("build", [m for m in MODELS if m is not other_shapes])
def test_graphs_do_not_grow_with_the_loop(build, few):
    counts, first = [], 24 if build is mixed else 12
    for n in (first, first + 8):
        view = view_of(build, n)
        z, total = at_vector(view, view.logp())
        with theano.config.change_flags(cxx=""):
            nodes = compile_function([z], [total, tt.grad(total, z)], engine="island").maker.fgraph.toposort()
        counts.append(len(nodes))
        parts = [len(node.outputs) for node in nodes if isinstance(node.op, Unpack)]
        parts += [len(node.inputs) for node in nodes if isinstance(node.op, Pack)]
        assert max(parts, default=0) <= 8
    assert counts[0] == counts[1]


def test_a_random_part_of_the_terms_stays_shared(rng):
    """What all terms read is not copied: a minibatch shows the same rows in all of them."""
    stream = RandomStream(5)
    view = view_of(hyperparameter, 20)
    with view.model:
        noise = stream.normal()
        for i in range(20):
            pm.Potential(f"p{i}", noise * view.free[1 + i])
    view = ModelView(view.model)
    states = {v for v in ancestors(view.logp()) if hasattr(v, "default_update")}
    draws = {v.owner for v in ancestors(view.logp()) if v.owner is not None and states & set(v.owner.inputs)}
    assert len(states) == len(draws) == 1


@pytest.mark.parametrize("build", [hyperparameter, walk, mixed])
def test_few_terms_stay_as_they_are(build):
    view = view_of(build, 8)
    nodes = [v.owner for v in ancestors(view.logp()) if v.owner is not None]
    assert not any(isinstance(node.op, Pack) for node in nodes)
    assert [len(node.owner.inputs) for node in view.logp()] == [
        sum((t.kind == "prior") is prior for t in view.logp_terms()) for prior in (True, False)
    ]
