"""Callbacks that change what the log density reads."""

import pymc3_vi
from pymc3_vi.errors import ConvergenceWarning

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt


def _regression():
    random = np.random.RandomState(1)
    x = random.randn(200, 3)
    y = x @ np.array([1.0, -2.0, 0.5]) + 0.5 * random.randn(200)
    weight, data = theano.shared(1.0, "weight"), theano.shared(y, "response")
    with pymc3_vi.fast_build(), pm.Model() as model:
        b = pm.Normal("b", 0.0, 10.0, shape=3)
        pm.Potential("like", weight * pm.Normal.dist(tt.dot(x, b), 0.5).logp(data).sum())
    precision = x.T @ x / 0.25 + np.eye(3) / 100
    model.posterior = lambda y: np.linalg.solve(precision, x.T @ y / 0.25)
    model.widths = np.diag(precision) ** -0.5
    return model, weight, data, y


def _check(model, approx, y):
    assert np.abs(approx.mean.eval() - model.posterior(y)).max() < 0.02 * model.widths.min()
    np.testing.assert_allclose(approx.std.eval(), model.widths, rtol=0.02)


def test_an_annealed_likelihood_ends_at_the_posterior_of_its_last_weight():
    model, weight, _, y = _regression()
    weight.set_value(1e-6)

    def anneal(approx, losses, i):
        weight.set_value(min(1.0, 1e-6 ** (1 - i / 500)))

    _check(model, pymc3_vi.fit(1000, model=model, random_seed=1, progressbar=False, callbacks=[anneal]), y)


@pytest.mark.parametrize("when", [60, 999, 1000])
@pytest.mark.parametrize("in_place", [False, True])
def test_other_data_are_followed_whenever_they_come(when, in_place):
    model, _, data, y = _regression()

    def change(approx, losses, i):
        if i == when and in_place:
            data.get_value(borrow=True)[...] = 3 * y + 100
        elif i == when:
            data.set_value(3 * y + 100)

    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    approx = inference.fit(1000, progressbar=False, callbacks=[change])
    assert len(inference.hist) == 1000
    _check(model, approx, 3 * y + 100)


def test_the_annealed_rule_says_where_it_cannot_follow():
    model, weight, data, y = _regression()

    def late(approx, losses, i):
        if i == 90:
            data.set_value(y + 100)

    with pytest.warns(ConvergenceWarning, match="callback changed response.* up to step 90 of 100"):
        pymc3_vi.fit(100, "nfvi=loc-scale", model=model, random_seed=1, progressbar=False, callbacks=[late])


def test_dadvi_names_the_cause_and_refine_mends_it():
    model, weight, data, y = _regression()
    inference = pymc3_vi.DADVI(model=model, random_seed=1)
    with pytest.warns(ConvergenceWarning, match="a callback changed response up to iteration"):
        inference.fit(progressbar=False, callbacks=[lambda a, losses, i: data.set_value(y + 1)])
    inference.state = inference.state._replace(callbacks=[])
    inference.refine(100, progressbar=False)
    _check(model, inference.approx, y + 1)
