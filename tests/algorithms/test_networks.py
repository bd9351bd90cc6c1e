"""Which likelihoods of minibatches are networks, and that their default fits are those of minibatches."""

import pymc3_vi
from pymc3_vi.algorithms._networks import is_large_network, is_network
from pymc3_vi.algorithms.stochastic import StochasticGradients
from pymc3_vi.errors import ParameterValueError
from pymc3_vi.model import ModelView, row_model

import numpy as np
import pymc3 as pm
import pytest
import theano.tensor as tt

N, K, BATCH, HIDDEN = 5000, 4, 50, 6


def layers(x, index):
    first, second = pm.Normal("first", shape=(K, HIDDEN)), pm.Normal("second", shape=HIDDEN)
    return tt.dot(tt.tanh(tt.dot(x, first)), second)


def low_rank(x, index):
    first, second = pm.Normal("first", shape=(K, 2)), pm.Normal("second", shape=2)
    return tt.dot(tt.dot(x, first), second)


def embedding(x, index):
    return tt.dot(pm.Normal("places", shape=(3, 2))[index], pm.Normal("second", shape=2))


def factors(x, index):
    return (pm.Normal("left", shape=(3, 2))[index] * pm.Normal("right", shape=(3, 2))[index]).sum(axis=1)


def discrimination(x, index):
    return pm.Normal("a", shape=3)[index] * pm.Normal("b", shape=3)[index]


def regression(x, index):
    return tt.dot(x, pm.Normal("b", shape=K)) * pm.HalfNormal("scale")


def shrunk_regression(x, index):
    return tt.dot(x * pm.HalfNormal("local", shape=K), pm.Normal("b", shape=K))


def correlated_groups(x, index):
    root = tt.tril(pm.Normal("root", shape=(2, 2)))
    effects = tt.dot(pm.Normal("raw", shape=(3, 2)), root.T)
    return effects[index, 0] + effects[index, 1] * x[:, 0]


def make(mean):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((N, K))
    rows = x, rng.integers(0, 3, N), np.tanh(x @ rng.standard_normal((K, 2))).sum(axis=1)
    with pymc3_vi.fast_build(), pm.Model() as model:
        x, index, y = (pm.Minibatch(values, BATCH) for values in rows)
        pm.Normal("y", mean(x, tt.cast(index, "int64")), 0.2, observed=y, total_size=N)
    return model


@pytest.mark.parametrize(
    "mean, expected",
    [
        (layers, True),
        (low_rank, True),
        (embedding, True),
        (factors, True),
        (discrimination, False),
        (regression, False),
        (shrunk_regression, False),
        (correlated_groups, False),
    ],
)
def test_recognised(mean, expected):
    view = ModelView(make(mean))
    assert is_network(row_model(view), view) is expected


@pytest.mark.parametrize("rows, expected", [(1000, True), (999, False)])
@pytest.mark.parametrize("kind", [np.asarray, pm.Data])
def test_whole_data(kind, rows, expected, rng):
    values = rng.standard_normal((rows, K)), rng.standard_normal(rows)
    with pymc3_vi.fast_build(), pm.Model() as model:
        x, y = (v if kind is np.asarray else pm.Data(name, v) for name, v in zip("xz", values))
        pm.Normal("y", layers(x, None), 0.2, observed=y)
    assert is_large_network(ModelView(model)) is expected


@pytest.mark.parametrize("rows, expected", [(1000, True), (999, False)])
def test_factors_of_whole_data(rows, expected, rng):
    places = rng.integers(0, 30, (2, rows))
    with pymc3_vi.fast_build(), pm.Model() as model:
        left, right = (pm.Normal(name, shape=(30, 2))[index] for name, index in zip(["left", "right"], places))
        pm.Normal("y", (left * right).sum(axis=1), 0.2, observed=np.zeros(rows))
    assert is_large_network(ModelView(model)) is expected


def test_a_latent_process_is_no_network(rng):
    """Its covariance mixes rows with unknown values, too, and its root is multiplied by others."""
    x = rng.standard_normal((1000, 2))
    with pymc3_vi.fast_build(), pm.Model() as model:
        scaled = x / pm.HalfNormal("length", shape=2)
        root = tt.slinalg.cholesky(tt.exp(tt.dot(scaled, scaled.T)) + tt.eye(1000))
        pm.Normal("y", tt.dot(root, pm.Normal("raw", shape=1000)), 0.2, observed=np.zeros(1000))
    assert not is_large_network(ModelView(model))


def test_default_fit_of_a_network_takes_minibatches():
    """As many rows as asked for: fixed draws on all rows would take a hundred times as many."""
    model = make(layers)
    approx = pymc3_vi.fit(3000, model=model, random_seed=1, progressbar=False)
    assert "stochastic gradients" in approx.report.options["algorithm"]
    assert "network" in str(approx.report)
    adam = pymc3_vi.adam(learning_rate=0.01)
    other = pymc3_vi.fit(3000, model=model, random_seed=1, progressbar=False, obj_optimizer=adam)
    assert np.mean(approx.hist[-500:]) < np.mean(other.hist[-500:])


@pytest.mark.parametrize("minibatches", [True, False])
@pytest.mark.parametrize("factor", [1e5, 1e-5])
def test_nothing_depends_on_units(minibatches, factor, rng):
    x = rng.standard_normal((1000, K))
    y = np.tanh(x[:, 0]) + 0.1 * rng.standard_normal(1000)

    def losses(unit):
        rows = x * unit, y * unit
        with pymc3_vi.fast_build(), pm.Model() as model:
            x_, y_ = (pm.Minibatch(values, BATCH) for values in rows) if minibatches else rows
            first = pm.Normal("first", 0, 1 / unit, shape=(K, HIDDEN))
            second = pm.Normal("second", 0, unit, shape=HIDDEN)
            mean = tt.dot(tt.tanh(tt.dot(x_, first)), second)
            pm.Normal("y", mean, pm.HalfNormal("noise", unit), observed=y_, total_size=1000 if minibatches else None)
        approx = pymc3_vi.fit(300, model=model, random_seed=1, progressbar=False)
        assert "network" in str(approx.report)
        return approx.hist - 1000 * np.log(unit)

    right = losses(1.0)
    assert np.mean(right[-100:]) < np.mean(right[:100]) - 500
    np.testing.assert_allclose(losses(factor), right, rtol=1e-4, atol=0.1)


def test_an_improper_prior_has_no_units():
    """Those of the posterior are taken."""
    rng = np.random.default_rng(1)
    x = 1e3 * rng.standard_normal((1000, 2))
    with pymc3_vi.fast_build(), pm.Model() as model:
        first, second = pm.Flat("first", shape=(2, 1)), pm.Normal("second", 1.0, 1e-3, shape=1)
        mean = tt.dot(tt.dot(x, first), second)
        pm.Normal("y", mean, 1.0, observed=x @ [1e-3, 2e-3] + rng.standard_normal(1000))
    approx = pymc3_vi.fit(500, model=model, random_seed=1, progressbar=False)
    assert "network" in str(approx.report)
    np.testing.assert_allclose(approx.mean.eval()[:2], [1e-3, 2e-3], atol=4e-5 * 3)


def test_pilot_is_checked():
    with pytest.raises(ParameterValueError, match="'pilot'.*'posterior' or 'prior'.*Got True"):
        StochasticGradients(pilot=True)
