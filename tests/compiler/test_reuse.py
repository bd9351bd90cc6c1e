"""Nothing is compiled twice."""

import pymc3_vi
from pymc3_vi.compiler import compile_count

import numpy as np
import pymc3 as pm
import pytest
import theano

pytestmark = pytest.mark.skipif(not theano.config.cxx, reason="there is no C++ compiler")


def regression(seed, n=30):
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, 2))
    with pymc3_vi.fast_build(), pm.Model() as model:
        beta = pm.Normal("beta", 0.0, 1.0, shape=2)
        sigma = pm.HalfNormal("sigma", 1.0)
        pm.Normal("y", pm.math.dot(x, beta), sigma, observed=x @ [1.0, -2.0] + 0.3 * random.standard_normal(n))
    return model


def fitted(seed, n=30):
    """Inference on invented data, after a few steps and draws."""
    with regression(seed, n):
        inference = pymc3_vi.ADVI(random_seed=1)
        inference.fit(10, progressbar=False)
        inference.approx.sample(3, include_transformed=False)
    return inference


def test_new_data_and_more_steps_compile_nothing():
    fitted(1)
    before = compile_count()
    inference = fitted(2)
    assert compile_count() == before  # other data of the same shape
    inference.fit(10, progressbar=False)
    inference.refine(10, progressbar=False)
    inference.approx.sample(3, include_transformed=False)
    fitted(3, n=45)  # and of another length
    assert compile_count() == before
    assert len(inference.hist) == 30


def test_new_values_of_shared_data_are_seen_without_compiling():
    with pymc3_vi.fast_build(), pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 10.0)
        y = pm.Data("data", np.zeros(20))
        pm.Normal("y", mu, 1.0, observed=y)
    with model:
        inference = pymc3_vi.ADVI(random_seed=1)
        inference.fit(10, progressbar=False)
        before = compile_count()
        small = inference.hist[-1]
        pm.set_data({"data": np.full(35, 1e3)})
        inference.refine(10, progressbar=False)
    assert compile_count() == before
    # 35 observations a thousand standard deviations away
    np.testing.assert_allclose(inference.hist[-1], 35 * 1e6 / 2, rtol=0.05)
    assert small < 1e3
