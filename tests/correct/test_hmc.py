"""``correct='hmc'`` against known posteriors."""

import re
from types import SimpleNamespace

import pymc3_vi
from pymc3_vi.correct import _correction, _hmc
from pymc3_vi.errors import UnconvergedChainsWarning, UnknownNameError, VariationalInferenceError

import numpy as np
import pymc3 as pm
import pytest
import theano
from scipy import stats

from .models import PoissonRate, Trend


@pytest.fixture(scope="module")
def trend():
    return Trend()


@pytest.fixture(scope="module")
def rate():
    return PoissonRate()


def test_correlations_that_mean_field_cannot_hold(trend):
    q = trend.mean_field()
    draws = q.sample(4000, correct="hmc", random_seed=1)
    found = np.stack([draws["intercept"], draws["slope"]])
    # sds of q are smaller by a factor of 60
    np.testing.assert_allclose(found.std(axis=1), trend.sd, rtol=0.1)
    assert np.all(np.abs(found.mean(axis=1) - trend.mean) < 0.1 * trend.sd)
    assert np.corrcoef(found)[0, 1] == pytest.approx(trend.cov[0, 1] / trend.sd.prod(), abs=1e-3)


def test_units_do_not_matter(trend):
    small, large = trend, Trend(1e5)
    a, b = (t.mean_field().sample(200, correct="hmc", random_seed=2)["slope"] for t in (small, large))
    np.testing.assert_allclose((a - small.mean[1]) / small.sd[1], (b - large.mean[1]) / large.sd[1], atol=1e-3)


def test_skew_and_what_summary_says_of_it(rate):
    q = rate.gaussian()
    table = q.summary(correct=pymc3_vi.HMC(tolerance=0.02), draws=8000, round_to=None, random_seed=3)
    row = table.loc["rate"]
    assert abs(row["mean"] - rate.mean) < 4 * row["mcse_mean"] and row["mcse_mean"] < 0.03 * rate.sd
    assert abs(row["sd"] - rate.sd) < 4 * row["mcse_sd"] and row["mcse_sd"] < 0.04 * rate.sd
    assert "256 Hamiltonian chains: nested R-hat 1.0" in table.note


def test_expectation_with_the_error_of_the_chains(rate):
    q = rate.gaussian()
    squared = rate.model["rate"] ** 2
    found = q.expectation(squared, correct="hmc", draws=4000, random_seed=1)
    assert abs(found.value - (rate.mean**2 + rate.sd**2)) < 4 * found.error
    assert found.khat is None and 200 < found.ess <= 4000


def test_same_seed_same_draws(rate):
    q = rate.gaussian()
    a, b, c = (q.sample(100, correct="hmc", random_seed=seed)["rate"] for seed in (5, 5, 6))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_inference_data_tell_of_the_correction(rate):
    idata = rate.gaussian().to_inference_data(draws=500, correct="hmc", random_seed=1)
    assert idata.posterior.attrs["correct"] == "hmc" and 1 < idata.posterior.attrs["nested_rhat"] < 1.01
    assert "logq" not in idata.sample_stats and np.all(idata.sample_stats["weights"] == 1 / 500)
    value = float(idata.posterior["rate"][0, 7])
    exact = -value + np.sum(np.array([0, 1, 2]) * np.log(value) - value) - np.log(2) + np.log(value)
    assert float(idata.sample_stats["logp"][0, 7]) == pytest.approx(exact)


def test_families_without_a_closed_density_are_starts_too(rate):
    values = (rate.log_mean + rate.log_sd * np.linspace(-1, 1, 20))[:, None].astype(theano.config.floatX)
    particles = pymc3_vi.Empirical(trace={"rate_log__": values}, model=rate.model, random_seed=1)
    flow = pymc3_vi.NormalizingFlow("planar", model=rate.model, random_seed=1)
    for q in (particles, flow):
        draws = np.log(q.sample(4000, correct="hmc", random_seed=1)["rate"])
        assert abs(draws.mean() - rate.log_mean) < 0.1 * rate.log_sd
        assert draws.std() == pytest.approx(rate.log_sd, rel=0.1)


def test_what_has_not_converged_is_named(trend):
    q = trend.mean_field()
    with pytest.warns(UnconvergedChainsWarning, match="Do not rely on the corrected draws: .*Monte Carlo .*slope"):
        q.sample(100, correct=pymc3_vi.HMC(tolerance=1e-4, budget=1e-3), random_seed=1)


def test_a_funnel_is_right_or_named(model_fast, monkeypatch):
    monkeypatch.setattr(_hmc, "MOST_STEPS", 1500)
    with model_fast(), pm.Model() as model:
        v = pm.Normal("v", 0.0, 3.0)
        pm.Normal("x", 0.0, pm.math.exp(v / 2), shape=5)
    q = pymc3_vi.FullRank(model=model, random_seed=1)
    with pytest.warns(UnconvergedChainsWarning, match=r"\b(v|x\[\d\])"):
        q.sample(100, correct="hmc", random_seed=1)


@pytest.mark.parametrize("nu", [1.5, 2.0, 2.5])
def test_heavy_tails_are_named(model_fast, monkeypatch, nu):
    """No run is passed over; few of them stop for another reason before the tails show."""
    monkeypatch.setattr(_hmc, "MOST_STEPS", 1500)
    with model_fast(), pm.Model() as model:
        pm.StudentT("x", nu=nu, mu=0.0, sigma=1.0, shape=3)
    q, told = pymc3_vi.FullRank(model=model, random_seed=1), []
    for seed in (1, 2, 3):
        with pytest.warns(UnconvergedChainsWarning) as warned:
            q.sample(100, correct=pymc3_vi.HMC(modes=False), random_seed=seed)
        told += [str(warning.message) for warning in warned]
    assert any(re.search(r"tails are so heavy that .* \(.*x\[\d\]", words) for words in told)


def _run_of(draws):
    """A ``Run`` of given draws (n, 256, d)."""
    settled = SimpleNamespace(settled=1.0, now=1.0)
    target = SimpleNamespace(evaluations=0)
    sampler = SimpleNamespace(
        superchains=16, step=settled, length=settled, sweeps=0, steps=0, chains=SimpleNamespace(target=target)
    )
    one = np.ones(draws.shape[1])
    return _hmc.Run(sampler, [(z, one, one, one < 0) for z in draws], _hmc.TOLERANCE)


def test_scales_that_depend_on_the_start_are_seen(rng):
    """Superchains with one mean and two scales: R-hat of the draws themselves is 1."""
    draws = rng.standard_normal((60, 256, 2))
    assert not _run_of(draws).flaws()
    draws[:, :128, 1] *= 0.6
    found = _run_of(draws).flaws()
    assert found[_hmc.REMEMBERS].tolist() == [1]
    assert _hmc.nested_rhat(draws, 16)[1] < 1.01 < _run_of(draws).nested_rhat[1]


def test_long_tails_need_more_draws(rng):
    """Of a Student t with five degrees of freedom, whose standard deviation few draws are not enough for."""
    few, many = (
        _run_of(rng.permutation(stats.t(5).ppf((np.arange(256 * n) + 0.5) / (256 * n))).reshape(n, 256, 1))
        for n in (24, 80)
    )
    assert few.errors.tails[0] > _hmc.LONG_TAILS and set(few.flaws()) == {_hmc.LARGE_ERRORS}
    assert not many.flaws()
    near = _run_of(rng.permutation(stats.t(4.4).ppf((np.arange(20480) + 0.5) / 20480)).reshape(80, 256, 1))
    assert 0.45 < near.errors.tails[0] < 0.5 and set(near.flaws()) == {_hmc.HEAVY_TAILS}  # within a standard error


def test_ctrl_c_keeps_what_there_is(rate, monkeypatch):
    sweep, count = _hmc._Sampler.sweep, []

    def interrupted(self):
        count.append(1)
        if len(count) == 4:
            raise KeyboardInterrupt
        return sweep(self)

    monkeypatch.setattr(_hmc._Sampler, "sweep", interrupted)
    with pytest.warns(UnconvergedChainsWarning, match="were interrupted"):
        draws = rate.gaussian().sample(50, correct=pymc3_vi.HMC(tolerance=1e-3), random_seed=1)["rate"]
    assert len(draws) == 50 and np.isfinite(draws).all()


def test_ctrl_c_in_the_search_for_modes_keeps_the_draws(rate, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(_correction, "find_basins", interrupted)
    with pytest.warns(UnconvergedChainsWarning, match="search for other modes was interrupted"):
        draws = rate.gaussian().sample(500, correct="hmc", random_seed=1)["rate"]
    assert abs(draws.mean() - rate.mean) < 5 * rate.sd / np.sqrt(500)


def test_more_draws_than_convergence_needs(rate):
    assert len(np.unique(rate.gaussian().sample(6000, correct="hmc", random_seed=1)["rate"])) > 5000


def test_wrong_input(rate):
    q = rate.gaussian()
    with pytest.raises(UnknownNameError, match="Unknown correction of draws 'hcm'. Did you mean 'hmc'"):
        q.sample(10, correct="hcm")
    with pytest.raises(TypeError, match="'correct' parameter of summary must be the name of a correction"):
        q.summary(correct=3)
    with pytest.raises(ValueError, match="'tolerance' parameter of HMC must be .* greater than 0"):
        pymc3_vi.HMC(tolerance=0)


def test_nowhere_to_begin(model_fast):
    with model_fast(), pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0)
        pm.Potential("wall", theano.tensor.switch(x > 1e6, 0.0, -np.inf))
    with pytest.raises(VariationalInferenceError, match="nowhere to begin"):
        pymc3_vi.MeanField(model=model).sample(10, correct="hmc")
