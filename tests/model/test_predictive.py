"""Posterior predictive draws: all rows of minibatches, in blocks."""

import pymc3_vi
from pymc3_vi.errors import ParametrizationError
from pymc3_vi.model import _predictive

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt

ROWS = 230
RNG = np.random.RandomState(0)
X = RNG.normal(size=(ROWS, 2))
W = np.array([1.0, -2.0])
MEAN = X @ W + 3.0


def _at(model, values):
    """An approximation that is a point, nearly."""
    approx = pymc3_vi.MeanField(model=model, random_seed=1)
    approx.shared_params["mu"].set_value(np.asarray(values, dtype=theano.config.floatX))
    approx.shared_params["rho"].set_value(np.full(len(values), -12.0, dtype=theano.config.floatX))
    return approx


def _drawn(approx, draws=40, **kwargs):
    idata = approx.to_inference_data(draws, posterior_predictive=True, log_likelihood=False, random_seed=3, **kwargs)
    return {name: values.values[0] for name, values in idata.posterior_predictive.items()}


def _batch(values, size=20, **kwargs):
    return pm.Minibatch(values, batch_size=size, **kwargs)


@pytest.fixture(scope="module")
def regressions():
    """Rows of several distributions with known means, and one variable without minibatches."""
    x = _batch(X)
    with pymc3_vi.fast_build(), pm.Model() as model:
        w, b = pm.Normal("w", 0, 2, shape=2), pm.Normal("b", 0, 2)
        mu = pm.Deterministic("mu", b + tt.dot(x, w))
        counts, one = _batch(np.zeros(ROWS, dtype=int), dtype="int64"), _batch(np.zeros(ROWS))
        pm.Normal("normal", mu, 0.5, observed=one, total_size=ROWS)
        pm.Poisson("poisson", tt.exp(0.3 * x[:, 0]), observed=counts, total_size=ROWS)
        pm.Bernoulli("bernoulli", logit_p=mu, observed=counts, total_size=ROWS)
        pm.MvNormal("pair", tt.stack([mu, -mu], axis=1), cov=np.eye(2), observed=_batch(np.zeros((ROWS, 2))))
        pm.Normal("whole", b, 1.0, observed=np.zeros(4))
    return _at(model, [*W, 3.0])


def test_all_rows_are_drawn_in_blocks(regressions, monkeypatch):
    monkeypatch.setattr(_predictive, "BLOCK", 500)  # 71 rows: three blocks and a shorter one
    before = np.random.get_state()[1].copy()
    drawn = _drawn(regressions)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    shapes = {name: values.shape for name, values in drawn.items()}
    assert shapes == {
        "normal": (40, ROWS), "poisson": (40, ROWS), "bernoulli": (40, ROWS), "pair": (40, ROWS, 2), "whole": (40, 4)
    }  # fmt: skip
    chance = 1 / (1 + np.exp(-MEAN))
    for name, mean, sd in [
        ("normal", MEAN, 0.5),
        ("poisson", np.exp(0.3 * X[:, 0]), np.exp(0.15 * X[:, 0])),
        ("bernoulli", chance, np.sqrt(chance * (1 - chance))),
        ("pair", np.stack([MEAN, -MEAN], axis=1), 1.0),
        ("whole", 3.0, 1.0),
    ]:
        z = (drawn[name].mean(0) - mean) / (sd / np.sqrt(40))
        assert np.abs(z).max() < 5.5 and abs(z.mean()) < 4 / np.sqrt(z.size), name
    again = _drawn(regressions)
    assert all((again[name] == values).all() for name, values in drawn.items())


def test_number_of_blocks_changes_no_distribution(regressions):
    drawn = _drawn(regressions)  # one block
    assert drawn["normal"].shape == (40, ROWS)
    assert (drawn["normal"] - MEAN).std() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(2 * 40 * ROWS))


def test_mixtures_and_lists_of_distributions():
    x = _batch(X)
    with pymc3_vi.fast_build(), pm.Model() as model:
        w = pm.Normal("w", 0, 2, shape=2)
        mu = tt.dot(x, w)
        parts = [pm.Normal.dist(mu - 3, 0.1), pm.Normal.dist(mu + 3, 0.1)]
        pm.Mixture("y", w=np.array([0.3, 0.7]), comp_dists=parts, observed=_batch(np.zeros(ROWS)), total_size=ROWS)
    away = _drawn(_at(model, W), draws=6)["y"] - X @ W
    np.testing.assert_allclose(np.abs(away), 3, atol=0.6)
    assert (away > 0).mean() == pytest.approx(0.7, abs=4 * np.sqrt(0.21 / away.size))


def test_random_functions_of_densities_read_the_rows():
    """What such a function draws with lies in its closure, or in its module."""
    x = _batch(X)
    with pymc3_vi.fast_build(), pm.Model() as model:
        w = pm.Normal("w", 0, 2, shape=2)
        mu = tt.dot(x, w)
        draw = pm.Normal.dist(mu, 0.1)

        def wrapped(point=None, size=None):
            return draw.random(point=point, size=size)

        for name, random in (("method", draw.random), ("closure", wrapped)):
            pm.DensityDist(
                name, lambda value: draw.logp(value), random=random, observed=_batch(np.zeros(ROWS)), total_size=ROWS
            )
    for values in _drawn(_at(model, W), draws=4).values():
        np.testing.assert_allclose(values, np.broadcast_to(X @ W, values.shape), atol=0.6)


def test_a_local_variable_has_its_own_rows():
    """z_i ~ N(0, 1) by an encoder, y_i ~ N(10 z_i, 0.1)."""
    y = np.linspace(-20, 20, 50)[:, None]
    batch = _batch(y, 5)
    with pymc3_vi.fast_build(), pm.Model() as model:
        z = pm.Normal("z", 0.0, 1.0, shape=(5, 1), total_size=(50, 1))
        pm.Normal("y", 10 * z, 0.1, observed=batch, total_size=(50, 1))
    group = pymc3_vi.Group([z], params={"mu": batch / 10, "rho": tt.zeros_like(batch) - 9.0}, local=True, model=model)
    drawn = _drawn(pymc3_vi.Approximation([group], model=model), draws=5)["y"]
    np.testing.assert_allclose(drawn, np.broadcast_to(y, (5, 50, 1)), atol=0.6)


# ---------------------------------------------------------------- refusals
def test_minibatches_of_other_lengths_are_refused():
    with pymc3_vi.fast_build(), pm.Model() as model:
        a = pm.Normal("a", 0.0, 1.0)
        pm.Normal("y", a, 1.0, observed=_batch(np.zeros(30), 5, name="thirty"), total_size=30)
        pm.Normal("z", a, 1.0, observed=_batch(np.zeros(40), 5, name="forty"), total_size=40)
    with pytest.raises(ParametrizationError, match="equally many rows. Got thirty 30, forty 40"):
        _drawn(_at(model, [0.0]))


def test_generators_are_refused():
    def batches():
        while True:
            yield np.zeros(3, dtype=theano.config.floatX)

    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("y", pm.Normal("a", 0.0, 1.0), 1.0, observed=pm.generator(batches()), total_size=100)
    with pytest.raises(ParametrizationError, match="some come from a Python generator"), pytest.warns(UserWarning):
        pymc3_vi.MeanField(model=model).to_inference_data(5, posterior_predictive=True)


@pytest.mark.parametrize("batch", [False, True])
def test_densities_without_random_are_named(batch):
    with pymc3_vi.fast_build(), pm.Model() as model:
        a = pm.Normal("a", 0.0, 1.0)
        data = _batch(np.zeros(30), 5) if batch else np.zeros(30)
        pm.DensityDist("mine", lambda value: -((value - a) ** 2), observed=data)
    with pytest.raises(ParametrizationError, match="draws of 'mine' are not defined: it is a pm.DensityDist"):
        _drawn(_at(model, [0.0]))
