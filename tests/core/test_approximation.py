"""What every approximation answers: graphs on placeholders, moments, the flat vector, draws."""

import inspect

import pymc3_vi
from pymc3_vi.compiler import compile_function
from pymc3_vi.errors import ExplicitInferenceError, UnknownNameError

import numpy as np
import pymc3 as pm
import pytest
import theano
from scipy import linalg, stats

PYTHON_MODE = theano.compile.mode.Mode("py", "fast_compile")
SHAPES = {"a": (), "b_log__": (2,), "c": (3, 2)}


@pytest.fixture(scope="module")
def model():
    with pymc3_vi.fast_build(), pm.Model() as model:
        a = pm.Normal("a", 0.5, 1.0)
        b = pm.HalfNormal("b", 1.0, shape=2)
        c = pm.Normal("c", 0.0, 1.0, shape=(3, 2))
        pm.Normal("y", a + b.sum() + c.sum(), 1.0, observed=np.array([1.0, 2.0, 4.0]), total_size=30)
    return model


@pytest.fixture
def demanding():
    """The state in which ``with pm.Model():`` leaves Theano: every node must have a test value."""
    with theano.config.change_flags(compute_test_value="raise"):
        yield


def _several(model, **kwargs):
    first = pymc3_vi.Group(["c"], vfam="fr", model=model, random_seed=1, **kwargs)
    return pymc3_vi.Approximation([first, pymc3_vi.Group(None, vfam="mf", model=model, random_seed=2)], model=model)


MAKE = {
    "mean_field": lambda model: pymc3_vi.MeanField(model=model, random_seed=1),
    "full_rank": lambda model: pymc3_vi.FullRank(model=model, random_seed=1),
    "empirical": lambda model: pymc3_vi.Empirical(size=50, jitter=1.0, model=model, random_seed=1),
    "planar": lambda model: pymc3_vi.NormalizingFlow("planar", model=model, random_seed=1),
    "two groups": _several,
    "rows": lambda model: _several(model, rowwise=True),
}
every_kind = pytest.mark.parametrize("kind", MAKE)


def _approx(kind, model):
    """Approximation with parameters moved away from their start."""
    approx = MAKE[kind](model)
    rng = np.random.default_rng(3)
    for p in approx.params:
        value = p.get_value()
        p.set_value((value + 0.3 * rng.standard_normal(value.shape)).astype(value.dtype))
    return approx


def _values(*nodes):
    """`nodes` evaluated in Python: the maths is the same and takes no compiler."""
    with theano.config.change_flags(cxx=""):
        return compile_function([], list(nodes), mode=PYTHON_MODE)()


@every_kind
def test_graphs_on_placeholders_are_those_of_the_model(kind, model, demanding):
    approx = _approx(kind, model)
    approx.scale_cost_to_minibatch = True
    names = ["logp", "varlogp", "datalogp"] + (["logq"] if approx.has_logq else [])
    nodes = [getattr(approx, n) for n in names] + [getattr(approx, n + "_norm") for n in names]
    nodes += [approx.single_symbolic_logp, approx.sized_symbolic_logp, approx.rslice("a")]
    nodes += [approx.symbolic_single_sample(model.a), approx.symbolic_sample_over_posterior(model.c)]
    values = _values(*approx.set_size_and_deterministic(nodes, 2, True))
    plain, divided = dict(zip(names, values)), dict(zip(names, values[len(names) :]))
    single, sized, a, one_a, c = values[2 * len(names) :]
    for name in names:
        assert divided[name] == pytest.approx(plain[name] / 10, rel=1e-6)
    assert a.shape == (2,) and a[0] == one_a and c.shape == (2, 3, 2)
    # the central draw, twice
    center = approx.bij.rmap(_values(approx.set_size_and_deterministic(approx.symbolic_random, 1, True))[0][0])
    assert {k: v.shape for k, v in center.items()} == SHAPES
    assert a[0] == pytest.approx(center["a"]) and c[1] == pytest.approx(center["c"])
    with theano.config.change_flags(compute_test_value="off", cxx=""):
        logp = theano.function(model.free_RVs, model.logpt, mode=PYTHON_MODE)
    expected = float(logp(*[center[v.name] for v in model.free_RVs]))
    assert plain["logp"] == pytest.approx(expected, rel=1e-6)
    assert single == pytest.approx(expected, rel=1e-6) and sized == pytest.approx([expected] * 2, rel=1e-6)
    assert plain["varlogp"] + plain["datalogp"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", ["mean_field", "full_rank", "two groups", "rows"])
def test_log_q_and_moments_of_gaussians(kind, model, demanding):
    approx = _approx(kind, model)
    drawn = approx.set_size_and_deterministic([approx.symbolic_logq, approx.symbolic_random], 3, False)
    logq, z, mean, std, cov = _values(*drawn, approx.mean, approx.std, approx.cov)
    assert cov.shape == (9, 9)
    np.testing.assert_allclose(std.ravel(), np.sqrt(np.diag(cov)), rtol=1e-5)
    np.testing.assert_allclose(logq, stats.multivariate_normal(mean.ravel(), cov).logpdf(z), rtol=1e-5)
    if kind == "rows":  # three blocks of two, then the mean field's diagonal
        block = linalg.block_diag(*[np.ones((2, 2))] * 3, np.eye(3))
        np.testing.assert_array_equal(cov != 0, block != 0)


def test_rowwise_covariance_of_one_group_stays_stacked(model_fast):
    with model_fast(), pm.Model() as model:
        pm.Normal("c", 0.0, 1.0, shape=(3, 2))
    approx = pymc3_vi.Approximation([pymc3_vi.Group(["c"], vfam="mf", rowwise=True, model=model)], model=model)
    np.testing.assert_allclose(_values(approx.cov)[0], np.stack([np.log(2.0) ** 2 * np.eye(2)] * 3), rtol=1e-5)


def test_moments_of_an_affine_flow_are_exact(model):
    approx = pymc3_vi.NormalizingFlow("scale-loc", model=model, random_seed=1)
    (scale, loc), rng = approx.flow.chain, np.random.default_rng(5)
    sd, mean = 0.5 + rng.random(9), rng.standard_normal(9)
    scale.shared_params["rho"].set_value(np.log(np.expm1(sd)).astype(theano.config.floatX))
    loc.shared_params["loc"].set_value(mean.astype(theano.config.floatX))
    found = _values(approx.mean, approx.std, approx.cov)
    for value, expected in zip(found, (mean, sd, np.diag(sd**2))):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)


def test_the_flat_vector_and_the_parameters_of_several_groups(model):
    approx = _several(model)
    assert approx.ordering.names == ["c", "a", "b_log__"]
    point = {"a": np.array(1.0), "b_log__": np.array([2.0, 3.0]), "c": np.arange(6.0).reshape(3, 2)}
    flat = approx.bij.map(point)
    np.testing.assert_array_equal(flat, [0, 1, 2, 3, 4, 5, 1, 2, 3])
    for name, value in approx.bij.rmap(flat).items():
        np.testing.assert_array_equal(value, point[name])
    assert {i: sorted(p) for i, p in approx.shared_params.items()} == {0: ["L_tril", "mu"], 1: ["mu", "rho"]}


def test_particles_have_no_log_q(model):
    approx = MAKE["empirical"](model)
    for read in (lambda: approx.logq, lambda: approx.logq_norm, lambda: approx.symbolic_logq_not_scaled):
        with pytest.raises(ExplicitInferenceError, match="does not define log q.*MeanField"):
            read()


def test_slices_are_named(model):
    with pytest.raises(UnknownNameError, match="no variable 'b_log_'.*Did you mean 'b_log__'"):
        MAKE["mean_field"](model).rslice("b_log_")


@pytest.mark.parametrize(
    "function",
    [
        pymc3_vi.Approximation.sample,
        pymc3_vi.Approximation.sample_vp,
        pymc3_vi.sample_approx,
    ],
)
def test_a_thousand_draws_by_default(function):
    assert inspect.signature(function).parameters["draws"].default == 1000
