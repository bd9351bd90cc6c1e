"""Leave-one-out scores against their closed form in a conjugate model."""

import pymc3_vi
from pymc3_vi.data import _stored
from pymc3_vi.errors import UnknownNameError, UnreliableWeightsWarning, VariationalInferenceError
from pymc3_vi.results import _loo, _model_draws

import arviz as az
import numpy as np
import pymc3 as pm
import pytest
import theano
from scipy import special, stats


@pytest.fixture(scope="module")
def exact(conjugate):
    """log p(y_i | the other rows): a normal with the mean and 1 + the variance of the posterior without row i."""
    n = len(conjugate.y)
    mean = (conjugate.y.sum(0) - conjugate.y) / n
    return stats.norm.logpdf(conjugate.y, mean, np.sqrt(1 + 1 / n))


@pytest.fixture(scope="module")
def shifted(conjugate):
    """So far off that not even its leave-one-out scores are right."""
    return conjugate.gaussian([1.2, 0, 0], [1.0, 1.2, 1.0])


def test_scores_are_those_of_the_posterior(shifted, exact):
    found = pymc3_vi.loo(shifted, draws=40000, random_seed=1)
    np.testing.assert_allclose(found["loo_i"].values, exact, atol=0.05)
    assert found.iloc[0] == pytest.approx(exact.sum(), abs=0.15)
    assert found.iloc[1] == pytest.approx(np.sqrt(exact.size * exact.var()), rel=0.02)
    # the same draws taken for draws from the posterior
    plain = az.loo(shifted.to_inference_data(40000, random_seed=1))
    assert abs(plain.iloc[0] - exact.sum()) > 0.5


def test_many_observations_are_looked_at_block_by_block(biased, monkeypatch):
    """100,000 at 4,000 draws took 19 GB at once; their log-likelihoods lie in a file."""
    whole = pymc3_vi.loo(biased, draws=500, random_seed=1)
    monkeypatch.setattr(_loo, "BLOCK_BYTES", 8 * 500 * 7)  # of 30 observations
    monkeypatch.setattr(_stored, "LARGEST_IN_MEMORY", 0)
    monkeypatch.setattr(_model_draws, "draws_in_memory", lambda approx, draws: 70)
    blocks = pymc3_vi.loo(biased, draws=500, random_seed=1)
    for key in ("loo_i", "pareto_k", "p_loo"):
        np.testing.assert_allclose(whole[key], blocks[key], rtol=1e-9)
    np.testing.assert_allclose(list(whole.iloc[:2]), list(blocks.iloc[:2]), rtol=1e-9)
    assert whole["n_data_points"] == blocks["n_data_points"] == 30 and whole["n_samples"] == blocks["n_samples"] == 500
    idata = biased.to_inference_data(500, random_seed=1)
    base = idata.log_likelihood["y"].values
    while not isinstance(base, np.memmap):
        base = base.base
    np.testing.assert_allclose(pymc3_vi.loo(idata)["loo_i"], whole["loo_i"], rtol=1e-9)
    idata.log_likelihood = idata.log_likelihood.transpose(..., "draw", "chain")
    np.testing.assert_allclose(pymc3_vi.loo(idata)["loo_i"], whole["loo_i"], rtol=1e-9)


def test_effective_number_of_parameters(conjugate, shifted, exact):
    found = pymc3_vi.loo(shifted, draws=40000, random_seed=1)
    spread = np.sqrt(1 + conjugate.sd**2)
    in_sample = stats.norm.logpdf(conjugate.y, conjugate.mean, spread).sum()
    assert found["p_loo"] == pytest.approx(in_sample - exact.sum(), abs=0.15)


def test_inference_data_and_approximation_agree(biased):
    idata = biased.to_inference_data(1000, random_seed=2)
    one, two = pymc3_vi.loo(idata), pymc3_vi.loo(biased, draws=1000, random_seed=2)
    assert one.iloc[0] == pytest.approx(two.iloc[0])
    assert isinstance(one, type(az.loo(idata))) and "elpd" in str(one)
    assert set(az.compare({"a": one, "b": two}).index) == {"a", "b"}


def test_corrected_draws_count_as_draws_from_the_posterior(biased):
    idata = biased.to_inference_data(1000, correct="psis", random_seed=2)
    assert pymc3_vi.loo(idata).iloc[0] == pytest.approx(az.loo(idata).iloc[0])


@pytest.mark.parametrize("scale, factor", [("deviance", -2), ("negative_log", -1)])
def test_scales(biased, scale, factor):
    idata = biased.to_inference_data(1000, random_seed=2)
    log, other = pymc3_vi.loo(idata), pymc3_vi.loo(idata, scale=scale)
    assert other.iloc[0] == pytest.approx(factor * log.iloc[0])
    assert other.iloc[1] == pytest.approx(abs(factor) * log.iloc[1])
    assert (
        other["p_loo"] == pytest.approx(log["p_loo"])
        and other["loo_scale" if "loo_scale" in other else "scale"] == scale
    )


def test_nearly_equal_weights_are_not_counted(recwarn):
    """Mean and sd of fifty normal values: k-hat is above 1 for some, where nine draws in ten are effective."""
    y = np.random.RandomState(0).normal(2, 1, 50)
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("y", pm.Normal("mu", 0, 10), pm.HalfNormal("s", 5), observed=y)
    approx = pymc3_vi.fit(5000, model=model, random_seed=1, progressbar=False)
    found = [pymc3_vi.loo(approx, random_seed=seed) for seed in range(3)]
    assert max(float(f["pareto_k"].max()) for f in found) > 0.7 and not any(f["warning"] for f in found)
    assert not [w for w in recwarn if issubclass(w.category, UnreliableWeightsWarning)]
    # numerical integration over mu and log s, without the i-th value
    mu, log_s = np.meshgrid(np.linspace(1, 3.5, 300), np.linspace(-0.6, 0.8, 300))
    each = stats.norm.logpdf(y[:, None, None], mu, np.exp(log_s))
    prior = stats.norm.logpdf(mu, 0, 10) + stats.halfnorm.logpdf(np.exp(log_s), 0, 5) + log_s
    rest = prior + each.sum(0) - each
    exact = special.logsumexp(rest + each, axis=(1, 2)) - special.logsumexp(rest, axis=(1, 2))
    np.testing.assert_allclose(found[0]["loo_i"].values, exact, atol=0.06)


def test_bad_observations_are_counted(conjugate):
    with pytest.warns(UnreliableWeightsWarning, match="k-hat of .* of 30 observations is above 0.70"):
        found = pymc3_vi.loo(conjugate.gaussian(scale=0.4), draws=10000, random_seed=1)
    assert found["warning"]


def test_what_has_no_weights_is_refused(conjugate, biased, rng):
    values = rng.normal(size=(20, 3)).astype(theano.config.floatX)
    with pytest.raises(VariationalInferenceError, match="For particles and for NUTS"):
        pymc3_vi.loo(pymc3_vi.Empirical(trace={"mu": values}, model=conjugate.model))
    with pytest.raises(VariationalInferenceError, match="needs the log-likelihood of every observation"):
        pymc3_vi.loo(biased.to_inference_data(100, log_likelihood=False, random_seed=1))
    idata = biased.to_inference_data(100, random_seed=1)
    with pytest.raises(UnknownNameError, match="no log-likelihood 'Y'.* Known: y"):
        pymc3_vi.loo(idata, var_name="Y")
    with pytest.raises(ValueError, match="'scale' parameter of loo must be one of"):
        pymc3_vi.loo(idata, scale="loog")
    with pytest.raises(TypeError, match="'data' parameter of loo must be an Approximation or InferenceData"):
        pymc3_vi.loo({"mu": values})
