"""Starts by name, and the best of several."""

import warnings
from concurrent.futures import ThreadPoolExecutor

import pymc3_vi
from pymc3_vi.errors import ConvergenceWarning, OverflowStartWarning, StartError, WorkerError

import numpy as np
import pymc3 as pm
import pytest
import theano.tensor as tt

PLAIN = dict(progressbar=False, random_seed=1)


@pytest.fixture(scope="module")
def skewed():
    """Log density 3 x - e^x: mode log 3, curvature 3 there; and a Gaussian 500 away with sd 0.01."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        x = pm.Flat("x")
        pm.Normal("y", 500.0, 0.01, shape=2)
        pm.Potential("target", 3.0 * x - tt.exp(x))
    return model


def _begun(model, method="advi", **kwargs):
    return pymc3_vi.fit(0, method, model=model, **kwargs, **PLAIN)


@pytest.mark.parametrize("method", ["advi", "fullrank_advi", "svgd", "nfvi"])
def test_map_is_the_mode(skewed, method):
    options = dict(inf_kwargs={"jitter": 1e-9, "n_particles": 5}) if method == "svgd" else {}
    with pymc3_vi.fast_build():
        with pm.Model() as model:
            x = pm.Flat("x")
            pm.Potential("target", 3.0 * x - tt.exp(x))
    approx = _begun(model, method, start="map", **options)
    if method == "nfvi":
        assert np.isfinite(approx.params[0].get_value()).all()
        return
    mean = approx.histogram.get_value().mean(0) if method == "svgd" else approx.mean.eval()
    assert mean == pytest.approx([np.log(3.0)], abs=1e-5)


@pytest.mark.parametrize("method", ["advi", "fullrank_advi"])
def test_laplace_has_the_curvature_at_the_mode(skewed, method):
    approx = _begun(skewed, method, start="laplace")
    np.testing.assert_allclose(approx.mean.eval(), [np.log(3.0), 500, 500], rtol=1e-6)
    np.testing.assert_allclose(approx.std.eval(), [3**-0.5, 0.01, 0.01], rtol=1e-3)


@pytest.mark.parametrize("make, sd", [
    (lambda model: pymc3_vi.FullRankADVI(model=model, start="laplace").approx, 0.01),
    (lambda model: pymc3_vi.Approximation(
        [pymc3_vi.Group(["y"], vfam="full_rank", model=model, start="laplace"),
         pymc3_vi.Group(None, vfam="mean_field", model=model, start="map")], model=model), 0.01),
    (lambda model: pymc3_vi.SVGD(model=model, start="map", n_particles=4).approx, 0.0),
    (lambda model: pymc3_vi.DADVI(model=model, start="map").approx, np.log(2)),
], ids=["fullrank_advi", "groups", "svgd", "dadvi"])  # fmt: skip
def test_constructors_take_names_too(skewed, make, sd):
    approx = make(skewed)
    means = approx.bij.rmap(approx.mean.eval())
    assert means["x"] == pytest.approx(np.log(3.0), abs=1e-5) and means["y"] == pytest.approx([500, 500], abs=1e-5)
    assert approx.bij.rmap(approx.std.eval())["y"] == pytest.approx([sd] * 2, rel=1e-3, abs=1e-5)


def test_the_mode_is_that_of_the_whole_data():
    """A minibatch of five of a thousand numbers, whose own mean is off by 0.4."""
    y = np.random.RandomState(1).normal(2.0, 1.0, 1000)
    with pymc3_vi.fast_build(), pm.Model() as model:
        mu = pm.Flat("mu")
        pm.Normal("y", mu, 1.0, observed=pm.Minibatch(y, 5), total_size=1000)
    assert _begun(model, start="map").mean.eval() == pytest.approx([y.mean()], abs=1e-6)


def test_laplace_needs_a_gaussian_family(skewed):
    with pytest.raises(StartError, match="start='laplace' needs mean-field or full-rank groups"):
        _begun(skewed, "nfvi", start="laplace")


def test_prior_draws_come_from_the_seed():
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("far", 300.0, 1.0)
        pm.Gamma("positive", 2.0, 1.0)
    first, again = _begun(model, start="prior").mean.eval(), _begun(model, start="prior").mean.eval()
    np.testing.assert_array_equal(first, again)
    assert abs(first[0] - 300) < 6 and np.isfinite(first).all()
    other = pymc3_vi.fit(0, model=model, start="prior", progressbar=False, random_seed=2).mean.eval()
    assert (other != first).all()


def test_two_values_of_one_variable_must_agree():
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.HalfNormal("s", 1.0, shape=2)
        pm.Uniform("u", 0.0, 1.0)
    fine = {"s": np.array([1.0, 2.0]), "s_log__": np.log([1.0, 2.0]), "u": 0.5, "u_interval__": 0.0}
    np.testing.assert_allclose(pymc3_vi.ADVI(model=model, start=fine).approx.mean.eval(), [0.0, np.log(2.0), 0.0])
    near = dict(fine, u=1.0 - 1e-15, u_interval__=36.0)
    assert pymc3_vi.ADVI(model=model, start=near).approx.mean.eval()[2] == 36.0
    for wrong in ({"s_log__": np.zeros(2)}, {"u_interval__": 1.0}):
        with pytest.raises(StartError, match="which is the same variable, two values"):
            pymc3_vi.ADVI(model=model, start=dict(fine, **wrong))
    with pytest.raises(StartError, match="'s' has masked entries"):
        pymc3_vi.ADVI(model=model, start={"s": np.ma.masked_array([1.0, 2.0], [True, False])})


def test_wrong_starts_are_named(skewed):
    with pytest.raises(StartError, match=r"one of \['map', 'laplace', 'prior'\]. Got 'mapp'.*Did you mean 'map'"):
        _begun(skewed, start="mapp")
    with pytest.raises(StartError, match="Got 'laplce'.*Did you mean 'laplace'"):
        pymc3_vi.Group(["x"], vfam="mean_field", model=skewed, start="laplce")
    with pytest.raises(StartError, match="start='laplace' needs mean-field or full-rank groups"):
        pymc3_vi.SVGD(model=skewed, start="laplace")
    with pytest.raises(TypeError, match="'approx' together with 'start'"), pytest.warns(
        UserWarning, match="experimental"
    ):
        pymc3_vi.ASVGD(pymc3_vi.MeanField(model=skewed), start="map")
    with pytest.raises(StartError, match="cannot be drawn from the prior"):
        _begun(skewed, start="prior")
    with pytest.raises(ValueError, match="'starts' parameter of fit"):
        _begun(skewed, starts=0)
    with pytest.raises(TypeError, match="instance together with starts"):
        pymc3_vi.fit(1, pymc3_vi.ADVI(model=skewed), starts=2)


@pytest.fixture
def two_modes():
    """A mode of weight 0.02 at the test point, one of weight 0.98 away from it: the ELBOs are the log weights."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        x = pm.Normal("x", 0.0, 20.0)
        modes = [tt.log(w) - 0.5 * (x - c) ** 2 - 0.5 * np.log(2 * np.pi) for w, c in ((0.02, 0.5), (0.98, 25.0))]
        pm.Potential("modes", tt.log(tt.exp(modes[0]) + tt.exp(modes[1]) + 1e-300) + 0.5 * (x / 20) ** 2 + np.log(20.0))
    return model


def test_the_best_of_several_modes_wins_and_all_are_listed(two_modes):
    approx = _begun(two_modes, starts=8)
    assert len(approx.starts) == 8 and {t.origin for t in approx.starts} == {"start", "prior"}
    elbos = [t.elbo for t in approx.starts]
    assert elbos == sorted(elbos, reverse=True)
    assert approx.mean.eval() == pytest.approx([25.0], abs=1e-3)
    constant = -0.5 * np.log(2 * np.pi)  # what is left of the prior
    assert elbos[0] == pytest.approx(np.log(0.98) + constant, abs=1e-3)
    given = next(t.elbo for t in approx.starts if t.origin == "start")
    assert given == pytest.approx(np.log(0.02) + constant, abs=1e-3)
    assert not _begun(two_modes).starts


def test_starts_are_compared_where_there_is_no_mode(model_fast):
    """Log p grows without bound as the scale of the group goes to zero: maxima of it would tell nothing."""
    with model_fast(), pm.Model() as model:
        tau = pm.HalfCauchy("tau", 5.0)
        theta = pm.Normal("theta", 0.0, tau, shape=4)
        pm.Normal("y", theta, 1.0, observed=np.array([1.0, -2.0, 0.5, 3.0]))
    approx = pymc3_vi.fit(model=model, starts=4, **PLAIN)
    elbo = -approx.hist[-200:].mean()
    np.testing.assert_allclose([t.elbo for t in approx.starts], elbo, atol=0.3)
    fitted = approx.bij.rmap(approx.mean.eval())
    np.testing.assert_allclose(approx.starts[0].point["tau_log__"], fitted["tau_log__"], atol=0.2)


def test_starts_are_compared_by_one_item_of_a_generator(model_fast):
    """Every evaluation took the next item, and starts that lead to one optimum seemed hundreds of nats apart."""

    def items():
        random = np.random.default_rng(1)
        while True:
            yield random.normal(3.0, 2.0, size=100)

    with model_fast(), pm.Model() as model:
        y = pm.generator(items())
        pm.Normal("y", pm.Normal("mu", 0.0, 10.0), pm.HalfNormal("s", 5.0), observed=y, total_size=5000)
    elbos = [t.elbo for t in _begun(model, starts=4).starts]
    np.testing.assert_allclose(elbos, elbos[0], atol=0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        pymc3_vi.fit(300, model=model, start="prior", **PLAIN)


def test_workers_of_a_client_climb_to_the_same_places(two_modes):
    here = _begun(two_modes, starts=5).starts
    with ThreadPoolExecutor(2) as pool:
        there = _begun(two_modes, starts=5, client=pool).starts
    for one, other in zip(here, there):
        assert one.origin == other.origin and one.elbo == other.elbo
        np.testing.assert_array_equal(one.point["x"], other.point["x"])
    with pytest.raises(WorkerError, match="'client' is closed"):
        _begun(two_modes, starts=5, client=pool)


def test_a_start_that_works_is_tried_before_giving_up():
    """At the test point the second variable's log density is minus infinity."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0)
        pm.Potential("half", tt.switch(x > 0.01, 0.0, -np.inf) - 1e4 * (x - 0.5) ** 2)
    with pytest.warns(OverflowStartWarning, match="'half' is -inf"):
        approx = pymc3_vi.fit(1000, model=model, **PLAIN)
    assert approx.mean.eval() == pytest.approx([0.5], abs=1e-3)
    with pytest.raises(StartError, match="'half' is -inf"):
        pymc3_vi.fit(10, model=model, start={"x": -1.0}, **PLAIN)


def test_data_outside_of_the_support_are_no_matter_of_the_start():
    with pymc3_vi.fast_build(), pm.Model() as model:
        rate = pm.HalfNormal("rate", 1.0)
        pm.Exponential("y", rate, observed=np.array([1.0, -2.0]))
    with pytest.raises(StartError, match="'y' is -inf"):
        pymc3_vi.fit(10, model=model, **PLAIN)


def _two_modes(model_fast, far):
    """Standard normal, and a mode of weight e^-20 at `far` whose slope holds what begins there."""
    with model_fast(), pm.Model() as model:
        x = pm.Normal("x", 20.0, 30.0)
        pm.Potential("modes", pm.math.logaddexp(-0.5 * x**2, -20.0 - 0.5 * (x - far) ** 2))
    return model


def test_a_draw_from_the_prior_that_leads_to_a_poor_optimum_is_said_and_left(model_fast):
    model, said = _two_modes(model_fast, 40.0), 0
    for seed in range(5):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            approx = pymc3_vi.fit(2000, model=model, start="prior", random_seed=seed, progressbar=False)
        texts = [str(w.message) for w in caught if w.category is ConvergenceWarning]
        drawn = pymc3_vi.MeanField(model=model, start="prior", random_seed=seed).mean.eval()[0]
        assert len(texts) == (drawn > 20.5), (drawn, texts)  # the one slope meets the other at 20.5
        assert all("start='prior' gives leads to an ELBO of -2" in text for text in texts)
        said += len(texts)
        assert approx.mean.eval()[0] == pytest.approx(20 / 901, abs=0.01)
    assert 0 < said < 5


def test_a_draw_from_the_prior_that_leads_where_others_lead_is_the_start(model_fast):
    model = _two_modes(model_fast, 1.0)
    drawn = pymc3_vi.MeanField(model=model, start="prior", random_seed=3).mean.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        still = pymc3_vi.sgd(learning_rate=1e-12)
        approx = pymc3_vi.fit(3, model=model, start="prior", random_seed=3, obj_optimizer=still, progressbar=False)
    np.testing.assert_allclose(approx.mean.eval(), drawn, rtol=1e-6)
