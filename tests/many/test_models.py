"""Models of many kinds: many fits are the single fits of the same data."""

import pymc3_vi
from pymc3_vi.errors import GradientError

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt

B = 4


def _logistic(rng):
    x = rng.standard_normal((B, 30, 3))
    y = (rng.random((B, 30)) < 1 / (1 + np.exp(-x.sum(axis=2)))).astype(int)
    with pm.Model() as model:
        w = pm.Normal("w", 0.0, 2.0, shape=3)
        pm.Bernoulli("obs", logit_p=tt.dot(pm.Data("x", x[0]), w), observed=pm.Data("y", y[0]))
    return model, {"x": x, "y": y}


def _rows_of_a_matrix(rng):
    """Coefficients of the group of each row."""
    group, x, y = rng.integers(0, 3, (B, 20)), rng.standard_normal((B, 20, 2)), rng.standard_normal((B, 20))
    with pm.Model() as model:
        w = pm.Normal("w", 0.0, 1.0, shape=(3, 2))
        mean = (w[pm.Data("group", group[0])] * pm.Data("x", x[0])).sum(axis=1)
        pm.Normal("obs", mean, 1.0, observed=pm.Data("y", y[0]))
    return model, {"group": group, "x": x, "y": y}


def _gaussian_process(rng):
    x = np.sort(rng.random((B, 10)), axis=1)
    y = np.sin(5 * x) + 0.3 * rng.standard_normal((B, 10))
    with pm.Model() as model:
        width, size, at = pm.Gamma("width", 5.0, 10.0), pm.HalfNormal("size", 1.0), pm.Data("x", x[0])
        cov = size**2 * tt.exp(-0.5 * ((at[:, None] - at[None, :]) / width) ** 2) + 0.1 * tt.eye(10)
        pm.MvNormal("obs", np.zeros(10), cov=cov, observed=pm.Data("y", y[0]))
    return model, {"x": x, "y": y}


def _mixture(rng):
    y = np.where(rng.random((B, 40)) < 0.3, -2.0, 2.0) + rng.standard_normal((B, 40))
    with pm.Model() as model:
        mu = pm.Normal("mu", np.array([-2.0, 2.0]), 1.0, shape=2)
        pm.NormalMixture("obs", pm.Dirichlet("w", np.ones(2)), mu, sigma=1.0, observed=pm.Data("y", y[0]))
    return model, {"y": y}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["advi", "fullrank_advi"])
@pytest.mark.parametrize("build", [_logistic, _rows_of_a_matrix, _gaussian_process, _mixture])
def test_many_fits_are_the_single_ones(build, method, rng, unoptimized):
    with pymc3_vi.fast_build():
        model, data = build(rng)
    fits = pymc3_vi.fit_many(model, data, method=method, random_seed=1, progressbar=False)
    assert not fits.failed and (fits.table["verdict"] != "reject").all()
    for b in (0, B - 1):
        with model:
            pm.set_data({name: values[b] for name, values in data.items()})
            single = pymc3_vi.fit(method=method, random_seed=1, progressbar=False)
        mean, sd = single.mean.eval(), single.std.eval()
        own = fits.scale[b] if method == "advi" else np.sqrt(np.sum(fits.scale[b] ** 2, axis=1))
        assert np.all(np.abs(fits.mu[b] - mean) < 0.02 * sd)
        np.testing.assert_allclose(own, sd, rtol=0.02)


def test_a_model_without_a_gradient_is_no_fault_of_the_data():
    class NoGradient(theano.graph.op.Op):
        itypes, otypes = [tt.dscalar], [tt.dscalar]

        def perform(self, node, inputs, outputs):
            outputs[0][0] = np.asarray(inputs[0])

    with pymc3_vi.fast_build(), pm.Model() as model:
        y = pm.Data("y", np.zeros(3))
        pm.Normal("obs", NoGradient()(pm.Normal("mu", 0.0, 1.0)), 1.0, observed=y)
    with pytest.raises(GradientError, match="NoGradient"):
        pymc3_vi.fit_many(model, {"y": np.zeros((2, 3))}, progressbar=False)
