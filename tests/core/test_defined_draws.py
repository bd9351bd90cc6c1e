"""Draws of a q that lies over an edge of the model's density: samplers can begin at all of them."""

import pymc3_vi

import numpy as np
import pymc3 as pm
import pytest
import theano.tensor as tt
from scipy import stats

EDGE, SD = 0.3, np.log(2.0)  # of q before the first step, which stays as it is here
STILL = dict(progressbar=False, obj_optimizer=pymc3_vi.sgd(learning_rate=1e-9))


def _cholesky(x):
    matrix = tt.stack([tt.stack([1.0, x / EDGE]), tt.stack([x / EDGE, 1.0])])
    return tt.log(tt.slinalg.Cholesky(lower=True, on_error="raise")(matrix)[1, 1])


TERMS = {
    "infinite": (lambda x: tt.switch(x < EDGE, 0.0, -np.inf), -np.inf),
    "not a number": (lambda x: tt.log(EDGE - x), -np.inf),
    "an Op raises": (_cholesky, -EDGE),
}


@pytest.mark.filterwarnings("ignore::pymc3_vi.errors.NonFiniteDrawsWarning")
@pytest.mark.parametrize("kind", TERMS)
def test_draws_after_a_fit_that_left_some_out_are_those_of_q_cut_off_there(kind, model_fast):
    term, lower = TERMS[kind]
    with model_fast(), pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0)
        pm.Deterministic("twice", 2 * x)
        pm.Potential("edge", term(x))
    approx = pymc3_vi.fit(40, model=model, random_seed=1, **STILL)
    assert approx.report.runs[0].left_out > 0
    trace = approx.sample(2000, random_seed=2)
    right = stats.truncnorm(lower / SD, EDGE / SD, scale=SD)
    assert trace["x"].max() < EDGE and trace["x"].min() > lower
    assert stats.kstest(trace["x"], right.cdf).pvalue > 1e-4
    np.testing.assert_array_equal(trace["twice"], 2 * trace["x"])
    np.testing.assert_array_equal(trace["x"], approx.sample(2000, random_seed=2)["x"])
    logp = model.logp  # compiled by each access
    assert all(np.isfinite(logp(point)) for point in approx.sample(20))


def test_without_such_draws_and_for_other_data_they_are_plain_draws_of_q(model_fast):
    with model_fast(), pm.Model() as model:
        edge = pm.Data("edge", 5.0)
        x = pm.Normal("x", 0.0, 1.0)
        pm.Potential("wall", tt.switch(x < edge, 0.0, -np.inf))
    approx = pymc3_vi.fit(40, model=model, random_seed=1, **STILL)
    assert approx.report.runs[0].left_out == 0
    draws = approx.sample(500, random_seed=2)["x"]
    noise = approx.groups[0].noise_array(500, approx.generator(2))
    np.testing.assert_allclose(draws, approx.mean.eval() + approx.std.eval() * noise[:, 0], rtol=1e-6)
    approx.report.runs[0].left_out = 1
    with model:
        pm.set_data({"edge": -5.0})  # no draw is below, and none has to be: it is not the density of the fit
    np.testing.assert_array_equal(draws, approx.sample(500, random_seed=2)["x"])
