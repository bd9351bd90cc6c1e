"""Importance weights of known pairs of densities."""

from pymc3_vi.diagnostics._importance import ImportanceWeights, khat_threshold
from pymc3_vi.errors import VariationalInferenceError

import numpy as np
import pytest
from scipy import special, stats


def _weights(rng, p, q, s):
    z = q.rvs(size=s, random_state=rng)
    return z, ImportanceWeights(p.logpdf(z) - q.logpdf(z))


@pytest.mark.parametrize("s, threshold", [(100, 0.5), (1000, 2 / 3), (10**4, 0.7), (10**5, 0.7)])
def test_threshold(s, threshold):
    assert khat_threshold(s) == pytest.approx(threshold)


@pytest.mark.parametrize("khat", [0.2, 0.5, 0.8])
def test_khat_of_exponential_pairs(rng, khat):
    """p = Exp(1), q = Exp(rate r): w ~ z^0 e^{(r-1) z}, a Pareto tail with shape 1 - 1/r."""
    rate = 1 / (1 - khat)
    _, weights = _weights(rng, stats.expon(), stats.expon(scale=1 / rate), 200000)
    assert weights.khat == pytest.approx(khat, abs=0.06)


def test_error_of_khat(rng):
    """Spread over repetitions of an exact Pareto tail with shape 0.5."""
    found = [_weights(rng, stats.expon(), stats.expon(scale=0.5), 4000)[1] for _ in range(100)]
    errors = [weights.khat_error for weights in found]
    assert np.std([weights.khat for weights in found]) == pytest.approx(np.mean(errors), rel=4 / np.sqrt(200) + 0.1)
    assert ImportanceWeights(np.full(100, -3.0)).khat_error == 0


def test_bounded_weights_have_a_negative_khat(rng):
    _, weights = _weights(rng, stats.norm(), stats.norm(scale=3), 20000)
    assert weights.khat < 0 and weights.reliable


def test_equal_weights(rng):
    weights = ImportanceWeights(np.full(1000, -31.0) + 1e-13 * rng.normal(size=1000))
    assert weights.khat == -np.inf
    assert weights.ess == pytest.approx(1000)
    assert weights.log_z == pytest.approx(-31.0) and weights.log_z_error < 1e-6


def test_log_z_and_its_error_cover_the_truth(rng):
    """log p is off by a known constant: log Z = 2.5."""
    errors = []
    for _ in range(200):
        z = stats.norm(0.3, 1.3).rvs(size=1000, random_state=rng)
        weights = ImportanceWeights(2.5 + stats.norm.logpdf(z) - stats.norm(0.3, 1.3).logpdf(z))
        errors.append((weights.log_z - 2.5) / weights.log_z_error)
    assert abs(np.mean(errors)) < 4 / np.sqrt(200)
    assert np.std(errors) == pytest.approx(1, abs=4 / np.sqrt(2 * 200))


def test_ess_of_normals(rng):
    """E[w]^2 / E[w^2] for p = N(0, 1), q = N(0, s^2)."""
    s = 2.0
    _, weights = _weights(rng, stats.norm(), stats.norm(scale=s), 10**5)
    second = s / np.sqrt(2 - 1 / s**2)
    assert weights.ess / 10**5 == pytest.approx(1 / second, rel=0.02)


def test_weighted_mean_and_error(rng):
    errors = []
    for _ in range(200):
        z, weights = _weights(rng, stats.norm(1, 1), stats.norm(0.5, 1.5), 1000)
        mean, error = weights.mean(np.stack([z, z**2], axis=1))
        errors.append((mean - [1, 2]) / error)
    assert np.all(np.abs(np.mean(errors, axis=0)) < 4 / np.sqrt(200))
    np.testing.assert_allclose(np.std(errors, axis=0), 1, atol=4 / np.sqrt(2 * 200))


def test_resampling_gives_each_draw_its_share(rng):
    z, weights = _weights(rng, stats.norm(1, 1), stats.norm(0, 2), 1000)
    index = weights.resample(5000, rng)
    counts = np.bincount(index, minlength=1000)
    assert len(index) == 5000
    assert np.all(np.abs(counts - 5000 * weights.weights) <= 1)
    assert abs(np.corrcoef(index[1:], index[:-1])[0, 1]) < 4 / np.sqrt(5000)


def test_impossible_draws_have_no_weight(rng):
    for every in (2, 20):
        raw = np.full(1000, -np.inf)
        raw[::every] = rng.normal(size=len(raw[::every]))
        weights = ImportanceWeights(raw)
        assert np.all(weights.weights[1::every] == 0)
        assert weights.log_z == pytest.approx(special.logsumexp(raw[::every]) - np.log(1000), abs=0.05)


def test_input_is_not_changed(rng):
    raw = rng.normal(size=1000)
    copy = raw.copy()
    ImportanceWeights(raw)
    np.testing.assert_array_equal(raw, copy)


@pytest.mark.parametrize("bad", [[-np.inf] * 5, [0.0, np.nan], [0.0, np.inf]])
def test_undefined_weights_are_refused(bad):
    with pytest.raises(VariationalInferenceError, match="log p is finite at some draws"):
        ImportanceWeights(bad)
