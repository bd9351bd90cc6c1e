"""Other modes: found, weighed by their evidence, sampled in proportion."""

import pymc3_vi
from pymc3_vi.core import CorrectedPoints
from pymc3_vi.correct._climb import climb, curvature_root
from pymc3_vi.correct._target import Target

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt

#: Two normal components at 0 and at SEPARATION, with weights WEIGHT and 1 - WEIGHT: normalised.
WEIGHT, SEPARATION = 0.3, 8.0


def log_density(x):
    parts = [
        np.log(w) - 0.5 * tt.sum((x - m) ** 2) - np.log(2 * np.pi) for w, m in ((WEIGHT, 0.0), (1 - WEIGHT, SEPARATION))
    ]
    top = tt.maximum(*parts)
    return top + tt.log(tt.exp(parts[0] - top) + tt.exp(parts[1] - top))


@pytest.fixture(scope="module")
def two_modes():
    """q sits in the lesser mode."""
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        x = pm.Flat("x", shape=2)
        pm.Potential("density", log_density(x))
    q = pymc3_vi.MeanField(model=model, random_seed=1)
    q.shared_params["mu"].set_value(np.zeros(2))
    q.shared_params["rho"].set_value(np.full(2, np.log(np.expm1(1.0))))
    return q


def test_both_modes_are_sampled_in_proportion(two_modes):
    draws = two_modes.sample(4000, correct="hmc", random_seed=1)["x"]
    # proportions are those of the evidence, up to one chain of 256
    assert np.mean(draws[:, 0] > SEPARATION / 2) == pytest.approx(1 - WEIGHT, abs=0.02)
    assert np.all(np.abs(draws.mean(axis=0) - (1 - WEIGHT) * SEPARATION) < 0.2)
    alone = two_modes.sample(1000, correct=pymc3_vi.HMC(modes=False), random_seed=1)["x"]
    assert alone.max() < SEPARATION / 2


def test_evidence_of_both_modes_and_what_is_said(two_modes):
    report = two_modes.diagnose(correct="hmc", random_seed=2)
    assert abs(report.log_evidence) < max(4 * report.log_evidence_error, 0.01)
    assert report.verdict == "correct"
    assert any("2 separate parts: 30.0 % (that of q); 70.0 % (another mode)" in note for note in report.notes)


def test_errors_know_that_proportions_are_known(two_modes):
    table = two_modes.summary(correct="hmc", random_seed=3, round_to=None)
    truth = (1 - WEIGHT) * SEPARATION
    assert np.all(table["mcse_mean"] < 0.05) and np.all(np.abs(table["mean"] - truth) < 0.06)
    points = CorrectedPoints(np.zeros((4, 1)), np.arange(4), np.array([0, 0, 1, 1]))
    np.testing.assert_allclose(points.error(np.array([1.0, 1.0, 5.0, 5.0])), 0.0, atol=1e-12)


@pytest.mark.slow
def test_exchanged_components_are_recognised(rng):
    y = np.concatenate([rng.normal(-2, 1, 30), rng.normal(2, 1, 30)])
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 5.0, shape=2, testval=np.array([-1.0, 1.0]))
        pm.NormalMixture("y", w=np.full(2, 0.5), mu=mu, sigma=np.ones(2), observed=y)
    q = pymc3_vi.MeanField(model=model, random_seed=1)
    q.shared_params["mu"].set_value(np.array([-2.0, 2.0]))
    q.shared_params["rho"].set_value(np.full(2, -1.5))
    table = q.summary(correct="hmc", random_seed=1)
    assert "another mode, the first with components of mu exchanged" in table.note
    assert abs(table["mean"].iloc[0] - table["mean"].iloc[1]) < 0.1


def test_one_mode_is_one(model_fast):
    with model_fast(), pm.Model() as model:
        pm.Normal("x", 0.0, 1.0, shape=3)
    note = pymc3_vi.MeanField(model=model, random_seed=1).summary(correct="hmc", random_seed=1).note
    assert "separate parts" not in note and "another maximum" not in note


def test_climbs_reach_both_maxima_and_their_curvature(rng):
    scale = np.array([[2.0, 0.0], [1.5, 0.1]])
    precision = np.linalg.inv(scale @ scale.T)

    def slopes(z):
        away = [z, z - 30.0]
        parts = np.array([-0.5 * np.einsum("sd,de,se->s", a, precision, a) for a in away])
        weights = np.exp(parts - np.logaddexp(*parts))
        return np.logaddexp(*parts), -sum(w[:, None] * (a @ precision) for w, a in zip(weights, away))

    target = Target(slopes, np.zeros(2), np.ones(2))
    x, logp, arrived = climb(target, 20 * rng.normal(size=(30, 2)) + 15)
    assert arrived.all() and {0, 30} == set(np.round(x[:, 0]).astype(int))
    np.testing.assert_allclose(x, np.round(x[:, :1]) * np.ones(2), atol=0.3)
    root = curvature_root(target, x[0])
    np.testing.assert_allclose(root @ root.T, scale @ scale.T, rtol=1e-4)
