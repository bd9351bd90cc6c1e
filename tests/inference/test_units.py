"""Data and priors in other units: standardised results change by rounding only."""

import warnings

import pymc3_vi
from pymc3_vi import NFVI, Approximation, Group, KLqp
from pymc3_vi.errors import ScalingWarning
from pymc3_vi.flows import FLOWS

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt

#: Everything that is no scale or location: behind a scale, and behind a location.
BENT = "-".join(name for name, flow in FLOWS.items() if not flow.provides)

METHODS = {
    "all flows": dict(n=30, method=NFVI, inf_kwargs={"flow": f"scale-{BENT}-loc"}),
    "all flows, minibatches": dict(n=30, method=NFVI, inf_kwargs={"flow": f"scale-loc-{BENT}"}),
    "nfvi": dict(n=200, method="nfvi"),
    "svgd": dict(n=100, method="svgd", inf_kwargs={"n_particles": 30}),
    "asvgd": dict(n=50, method="asvgd", obj_n_mc=30),
    "minibatches": dict(n=200, method="advi"),
    "full rank minibatches": dict(n=200, method="fullrank_advi"),
    "newton": dict(n=500, method="advi"),
}
#: Unit besides 1: by turns, among what is fitted alike.
UNITS = {
    "all flows": 1e-5, "all flows, minibatches": 1e5, "nfvi": 1e5, "svgd": 1e-5, "asvgd": 1e5,
    "minibatches": 1e-5, "full rank minibatches": 1e5, "newton": 1e-5,
}  # fmt: skip


def _model(unit, minibatches):
    random = np.random.RandomState(1)
    x, noise = random.randn(100), random.randn(100)
    y = unit * (3.3 + 0.5 * x + noise)
    with pymc3_vi.fast_build(), pm.Model() as model:
        b = pm.Normal("b", 0.0, 10 * unit, shape=2)
        if minibatches:
            x, y = pm.Minibatch(x, 20, random_seed=3), pm.Minibatch(y, 20, random_seed=3)
        pm.Normal("y", b[0] + b[1] * x, unit, observed=y, total_size=100)
    return model


def _moments(unit, kind):
    with theano.config.change_flags(cxx="" if "flows" in kind else theano.config.cxx):
        approx = pymc3_vi.fit(
            model=_model(unit, "minibatches" in kind), random_seed=1, progressbar=False, **METHODS[kind]
        )
    return approx.mean.eval() / unit, approx.std.eval() / unit


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family, other", [("mean_field", 1e5), ("full_rank", 1e-5), ("scale-hh-loc", 1e5)])
def test_rows_have_units_of_their_own(family, other):
    """The slope is counted in another unit than the intercept."""
    found = []
    for unit in (1.0, other):
        group = Group(["b"], vfam=family, rowwise=True, random_seed=1, model=_model(unit, False))
        with theano.config.change_flags(cxx=""):
            approx = KLqp(Approximation([group], model=group.model)).fit(60, progressbar=False)
        found.append(np.concatenate([approx.groups[0].mean.eval(), approx.groups[0].std.eval()]) / unit)
    np.testing.assert_allclose(found[1], found[0], rtol=2e-3)


def _beside_an_encoder(unit, minibatches, family):
    """Moments of a global variable and a weight; the encoder sees standardised rows and answers in the unit."""
    random = np.random.RandomState(1)
    y = unit * (3.3 + random.randn(100, 1) + random.randn(100, 1))
    rows, count = (pm.Minibatch(y, 20, random_seed=3), 20) if minibatches else (tt.as_tensor_variable(y), 100)
    with pymc3_vi.fast_build(), pm.Model() as model:
        b = pm.Normal("b", 0.0, 10 * unit, shape=1)
        code = pm.Normal("code", 0.0, unit, shape=(count, 1), total_size=100)
        pm.Normal("y", b + code, unit, observed=rows, total_size=100)
    weight, scale = theano.shared(np.zeros((1, 1)), "weight"), theano.shared(np.zeros(1), "scale")
    sd = unit * tt.nnet.softplus(tt.tile(scale, (count, 1)))
    encoded = {"mu": unit * tt.dot(rows / unit - 3.0, weight), "rho": sd + tt.log(-tt.expm1(-sd))}
    groups = [
        Group([code], params=encoded, local=True, model=model, random_seed=2),
        Group([b], vfam=family, model=model, random_seed=1),
    ]
    with theano.config.change_flags(cxx=""):
        approx = KLqp(Approximation(groups, model=model)).fit(60, progressbar=False, more_obj_params=[weight, scale])
        return np.r_[approx.groups[1].mean.eval() / unit, approx.groups[1].std.eval() / unit, weight.get_value()[0]]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family, minibatches, other", [("mean_field", True, 1e-5), ("scale-hh-loc", False, 1e5)])
def test_what_is_beside_an_encoder_has_units_of_its_own(family, minibatches, other):
    found = [_beside_an_encoder(unit, minibatches, family) for unit in (1.0, other)]
    np.testing.assert_allclose(found[1], found[0], rtol=2e-3)


def _encoder_alone(unit, aware, n=60):
    """Weight of an encoder that reads rows as they are, and whose scale knows the unit or does not."""
    random = np.random.RandomState(1)
    y = unit * (random.randn(40, 1) + random.randn(40, 1))
    with pymc3_vi.fast_build(), pm.Model() as model:
        code = pm.Normal("code", 0.0, unit, shape=(40, 1))
        pm.Normal("y", code, unit, observed=y)
    weight, scale = theano.shared(np.zeros((1, 1)), "weight"), theano.shared(np.zeros(1), "scale")
    sd = (unit if aware else 1.0) * tt.nnet.softplus(tt.tile(scale, (40, 1)))
    encoded = {"mu": tt.dot(y, weight), "rho": sd + tt.log(-tt.expm1(-sd))}
    inference = pymc3_vi.ADVI(local_rv={code: encoded}, model=model, random_seed=1)
    with theano.config.change_flags(cxx=""), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        inference.fit(n, progressbar=False, more_obj_params=[weight, scale])
    told = [str(w.message) for w in caught if w.category is ScalingWarning]
    return np.r_[weight.get_value()[0], scale.get_value()], told


def test_encoders_of_rows_as_they_are():
    found, told = zip(*[_encoder_alone(unit, True) for unit in (1.0, 1e5)])
    np.testing.assert_allclose(found[1], found[0], rtol=2e-3)
    assert told == ([], [])


@pytest.mark.parametrize("unit, told", [(1.0, 0), (1e5, 1), (1e-5, 1)])
def test_an_encoder_that_answers_in_another_unit_is_told(unit, told):
    texts = _encoder_alone(unit, False, n=10)[1]
    assert len(texts) == told
    assert all("encoder of code begins with standard deviations of 0.69, where the posterior has" in t for t in texts)


def test_a_location_without_a_scale_is_told():
    """Its width cannot follow."""
    with theano.config.change_flags(cxx=""), pytest.warns(ScalingWarning, match="location step and none of scale"):
        pymc3_vi.fit(20, NFVI("loc", model=_model(1e5, False), random_seed=1), progressbar=False)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", METHODS)
def test_nothing_depends_on_units(kind):
    mean, std = _moments(1.0, kind)
    other_mean, other_std = _moments(UNITS[kind], kind)
    np.testing.assert_allclose(other_mean, mean, atol=2e-3 * std.min())
    np.testing.assert_allclose(other_std, std, rtol=2e-3)


@pytest.mark.parametrize("s", [1e-3, 10.0, 1e4])
def test_particles_have_the_sd_of_a_normal_of_any_width(s):
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("x", 5.0, s, testval=5 + 10 * s)
    approx = pymc3_vi.fit(300, "svgd", model=model, random_seed=1, progressbar=False)
    assert approx.histogram.get_value().std() == pytest.approx(s, rel=0.05)
