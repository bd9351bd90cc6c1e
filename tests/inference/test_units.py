"""Data and priors in other units: standardised results change by rounding only."""

import pymc3_vi

import numpy as np
import pymc3 as pm
import pytest

METHODS = {
    "nfvi": dict(n=200, method="nfvi"),
    "svgd": dict(n=100, method="svgd", inf_kwargs={"n_particles": 30}),
    "asvgd": dict(n=50, method="asvgd", obj_n_mc=30),
    "minibatches": dict(n=200, method="advi"),
    "full rank minibatches": dict(n=200, method="fullrank_advi"),
    "newton": dict(n=500, method="advi"),
}


def _moments(unit, kind):
    random = np.random.RandomState(1)
    x, noise = random.randn(100), random.randn(100)
    y = unit * (3.3 + 0.5 * x + noise)
    with pymc3_vi.fast_build(), pm.Model() as model:
        b = pm.Normal("b", 0.0, 10 * unit, shape=2)
        if "minibatches" in kind:
            x, y = pm.Minibatch(x, 20, random_seed=3), pm.Minibatch(y, 20, random_seed=3)
        pm.Normal("y", b[0] + b[1] * x, unit, observed=y, total_size=100)
    approx = pymc3_vi.fit(model=model, random_seed=1, progressbar=False, **METHODS[kind])
    return approx.mean.eval() / unit, approx.std.eval() / unit


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", METHODS)
def test_nothing_depends_on_units(kind):
    mean, std = _moments(1.0, kind)
    for unit in (1e5, 1e-5):
        other_mean, other_std = _moments(unit, kind)
        np.testing.assert_allclose(other_mean, mean, atol=2e-3 * std.min())
        np.testing.assert_allclose(other_std, std, rtol=2e-3)


@pytest.mark.parametrize("s", [1e-3, 10.0, 1e4])
def test_particles_have_the_sd_of_a_normal_of_any_width(s):
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("x", 5.0, s, testval=5 + 10 * s)
    approx = pymc3_vi.fit(300, "svgd", model=model, random_seed=1, progressbar=False)
    assert approx.histogram.get_value().std() == pytest.approx(s, rel=0.05)
