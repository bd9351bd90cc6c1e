"""What PyMC3's notebooks on minibatches do, at reduced size: a hierarchical regression, and a neural network.

Old notebooks say ``import pymc3 as pm`` and run as they are after ``install()``; the answers are checked.
"""

import pymc3_vi

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def installed():
    """With our names in ``pymc3``; models are built without a compiler."""
    np.random.seed(7)
    pm.set_tt_rng(7)
    with pymc3_vi.install(), pymc3_vi.fast_build():
        yield


# ---------------------------------------------------------------- a regression with an intercept and slope a county
COUNTIES = 30


def _houses(rows):
    rng = np.random.default_rng(1)
    county, floor = rng.integers(0, COUNTIES, rows), rng.integers(0, 2, rows).astype("float64")
    a, b = 1.5 + 0.4 * rng.normal(size=COUNTIES), -0.7 + 0.2 * rng.normal(size=COUNTIES)
    return county, floor, a[county] + b[county] * floor + 0.7 * rng.normal(size=rows), a


def _regression(county, floor, level, rows):
    with pm.Model() as model:
        mu_a, sigma_a = pm.Normal("mu_alpha", mu=0.0, sigma=100**2), pm.HalfCauchy("sigma_alpha", 5)
        mu_b, sigma_b = pm.Normal("mu_beta", mu=0.0, sigma=100**2), pm.HalfCauchy("sigma_beta", 5)
        a = pm.Normal("alpha", mu=mu_a, sigma=sigma_a, shape=COUNTIES)
        b = pm.Normal("beta", mu=mu_b, sigma=sigma_b, shape=COUNTIES)
        eps = pm.HalfCauchy("eps", 5)
        pm.Normal("radon_like", mu=a[county] + b[county] * floor, sigma=eps, observed=level, total_size=rows)
    return model


@pytest.mark.parametrize("rows", [919, 6000])
def test_minibatches_of_a_hierarchical_regression(rows):
    """919 rows are fitted as whole data, 6,000 in passes: both stand where the fit of the whole data does."""
    county, floor, level, truth = _houses(rows)
    batches = [pm.Minibatch(values, 100) for values in (county, floor, level)]
    with _regression(*batches, rows):
        approx = pm.fit(10000, callbacks=[pm.callbacks.CheckParametersConvergence(tolerance=1e-4)], progressbar=False)
    means, sds = (approx.bij.rmap(values.eval()) for values in (approx.mean, approx.std))
    with _regression(county, floor, level, rows):
        whole = pm.fit(10000, progressbar=False, random_seed=1)
    best, widths = (whole.bij.rmap(values.eval()) for values in (whole.mean, whole.std))
    for name in best:
        np.testing.assert_allclose(means[name] / widths[name], best[name] / widths[name], atol=0.1)
        np.testing.assert_allclose(sds[name], widths[name], rtol=0.1)
    trace = approx.sample(500)
    assert trace["alpha"].shape == (500, COUNTIES)
    assert np.mean(np.abs(trace["alpha"].mean(0) - truth) < 4 * trace["alpha"].std(0)) > 0.9


# ---------------------------------------------------------------- a neural network
def _moons(rows):
    rng = np.random.default_rng(2)
    y = rng.integers(0, 2, rows)
    angle = np.pi * rng.uniform(size=rows)
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x = np.where(y[:, None] == 1, [1.0, 0.5] - x, x) + 0.15 * rng.normal(size=(rows, 2))
    return (x - x.mean(0)) / x.std(0), y.astype("float64")


@pytest.mark.filterwarnings("ignore::pymc3_vi.errors.ConvergenceWarning")
def test_minibatches_of_a_neural_network():
    """Classes of rows that the network has not seen are predicted by replacing the minibatch."""
    x, y = _moons(6000)
    train_x, train_y = pm.Minibatch(x[:5000], batch_size=50), pm.Minibatch(y[:5000], batch_size=50)
    rng = np.random.default_rng(3)
    with pm.Model() as network:
        first = pm.Normal("w_in_1", 0, sigma=1, shape=(2, 5), testval=rng.normal(size=(2, 5)))
        second = pm.Normal("w_1_2", 0, sigma=1, shape=(5, 5), testval=rng.normal(size=(5, 5)))
        last = pm.Normal("w_2_out", 0, sigma=1, shape=(5,), testval=rng.normal(size=5))
        hidden = pm.math.tanh(pm.math.dot(pm.math.tanh(pm.math.dot(train_x, first)), second))
        out = pm.Bernoulli("out", pm.math.sigmoid(pm.math.dot(hidden, last)), observed=train_y, total_size=5000)
        approx = pm.fit(10000, method=pm.ADVI(), progressbar=False)
    assert len(approx.hist) == 10000
    seen = tt.matrix("X")
    seen.tag.test_value = x[:100]
    node = approx.sample_node(network.out.distribution.p, size=100, more_replacements={train_x: seen})
    probability = theano.function([seen], node)(x[5000:].astype(seen.dtype))
    assert probability.shape == (100, 1000) and out.distribution.p is network.out.distribution.p
    assert np.mean((probability.mean(0) > 0.5) == y[5000:]) > 0.9
    assert approx.sample(50)["w_in_1"].shape == (50, 2, 5)
