"""Where default fits begin: near the optimum, in a second however many rows there are."""

import pymc3_vi
from pymc3_vi.algorithms import TermsAtDraws
from pymc3_vi.algorithms.stochastic import _pilot
from pymc3_vi.diagnostics import _draws

import numpy as np
import pymc3 as pm
import pytest
import theano.tensor as tt

N, K = 40_000, 3


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(N, K))
    return x, x @ np.array([1.0, -2.0, 0.5]) + rng.normal(size=N)


def _model(x, y, **keywords):
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("y", tt.dot(x, pm.Normal("b", 0.0, 10.0, shape=K)), 1.0, observed=y, **keywords)
    return model


def _posterior(x, y):
    precision = x.T @ x + np.eye(K) / 100.0
    return np.linalg.solve(precision, x.T @ y), 1 / np.sqrt(np.diag(precision))


@pytest.mark.parametrize("kind", ["loader", "minibatch"])
def test_parts_of_many_rows_are_read(rows, kind, monkeypatch):
    """All of them at thousands of draws took 13 s for 10,000 rows."""
    x, y = rows
    if kind == "loader":
        data = pymc3_vi.DataLoader({"x": x, "y": y}, 100, seed=1)
        model = _model(data["x"], data["y"], total_size=N)
    else:
        model = _model(pm.Minibatch(x, 100), pm.Minibatch(y, 100), total_size=N)
    monkeypatch.setattr(_pilot, "_density", None)  # that of all rows
    found = _pilot.pilot(pymc3_vi.MeanField(model=model, random_seed=3), 50)
    mean, sd = _posterior(x, y)
    assert found.arrived
    assert np.abs((found.moments["b"][0] - mean) / sd).max() < 0.1
    np.testing.assert_allclose(found.moments["b"][1], sd, rtol=0.02)


def test_parts_that_all_rows_forbid_are_left():
    """The bound of a uniform is that of the largest row, which parts need not hold: fits were refused."""
    y = np.random.default_rng(1).uniform(0, 10, N)
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Uniform("y", 0.0, 5 + 10 * pm.HalfNormal("a", 1.0), observed=pm.Minibatch(y, 100), total_size=N)
    mean, sd = _pilot.pilot(pymc3_vi.MeanField(model=model, random_seed=3), 50).moments["a_log__"]
    assert 5 + 10 * np.exp(mean) > y.max() and sd < 0.1


def test_many_values_are_evaluated_by_compiled_code(rows):
    x, y = rows
    few, many = (_model(x[:n], y[:n]) for n in (50, N))
    q = [pymc3_vi.MeanField(model=model, random_seed=3) for model in (few, many)]
    assert [_pilot._density(approx, approx, False, 2000).mode is None for approx in q] == [False, True]
    assert _pilot._density(q[1], q[1], True, 2000).mode is not None  # the prior reads none


def test_a_pilot_is_the_same_where_it_is_compiled(rows, monkeypatch):
    x, y = (v[:50] for v in rows)
    found = []
    for limit in (0, np.inf):
        monkeypatch.setattr(_draws, "FOR_THE_COMPILER", limit)
        found.append(_pilot.pilot(pymc3_vi.MeanField(model=_model(x, y), random_seed=3), 500).moments["b"])
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_terms_are_the_same_where_they_are_compiled(rows, monkeypatch):
    x, y = (v[:50] for v in rows)
    approx = pymc3_vi.MeanField(model=_model(x, y), random_seed=3)
    draw = [g.noise_array(1, np.random.default_rng(1))[0] for g in approx.groups]
    found = []
    for limit in (0, np.inf):
        monkeypatch.setattr(_draws, "FOR_THE_COMPILER", limit)
        found.append([np.ravel(v) for part in TermsAtDraws(approx)(draw) for v in part])
    for first, second in zip(*found):
        np.testing.assert_allclose(first, second, rtol=1e-9)
