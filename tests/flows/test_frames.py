"""Flows behind an affine step work in coordinates that a default fit measures."""

import pickle

import pymc3_vi
from pymc3_vi import Group, MeanField

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt

from .helpers import evaluate, jacobians

MEAN, STD = np.array([300.0, -2.0]), np.array([50.0, 1e-3])


@pytest.fixture
def group():
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("x", 0.0, 1.0, shape=2)
    group = Group(["x"], vfam="scale-hh-loc-planar-radial", jitter=0.3, random_seed=2, model=model)
    group.place(MEAN, STD)
    return group


def test_placed_flows_have_the_moments(group):
    """A reflection of the standard normal is one, and the others are near the identity."""
    eps = np.random.default_rng(1).standard_normal((4000, 2))
    z = evaluate(group.transform(tt.constant(eps)))
    np.testing.assert_allclose(z.mean(0), MEAN, atol=0.5 * STD.max(), rtol=1e-3)
    np.testing.assert_allclose(z.std(0) / STD, 1.0, atol=0.4)


def test_density_and_score_are_those_of_the_whole_map(group, rng):
    eps = rng.standard_normal((3, 2))
    matrices = jacobians(group.transform, eps)
    expected = -0.5 * np.sum(eps**2, axis=1) - np.log(2 * np.pi) - np.linalg.slogdet(matrices)[1]
    noise = tt.matrix("eps")
    logq = group.log_density(noise)
    found, score, slope = evaluate([logq, group.score(noise), tt.grad(tt.sum(logq), noise)], {noise: eps})
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    # d log q / d eps = J^T d log q / dz
    np.testing.assert_allclose(np.einsum("sij,si->sj", matrices, score), slope, rtol=1e-7)


def test_symbolic_steps_are_in_the_frame(group, rng):
    eps = rng.standard_normal((3, 2))
    np.testing.assert_allclose(
        evaluate(group.flow.forward, {group.symbolic_initial: eps}), evaluate(group.transform(tt.constant(eps)))
    )


@pytest.mark.parametrize("copy", ["file", "pickle"])
def test_frames_are_kept(group, copy, tmp_path, rng):
    approx = pymc3_vi.Approximation([group], model=group.model)
    if copy == "file":
        approx.save(tmp_path / "q.npz")
        again = pymc3_vi.load(tmp_path / "q.npz", group.model)
    else:
        again = pickle.loads(pickle.dumps(approx))
    eps = tt.constant(rng.standard_normal((3, 2)))
    for name in ("transform", "log_density"):
        np.testing.assert_array_equal(
            evaluate(getattr(again.groups[0], name)(eps)), evaluate(getattr(group, name)(eps))
        )


def test_formulas_without_bends_have_no_frames():
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("x", 0.0, 1.0, shape=2)
    for formula, count in (("planar*2", 0), ("hh-scale-loc", 0), ("scale-hh*2-loc", 4), ("loc-radial", 2)):
        made = Group(["x"], vfam=formula, random_seed=2, model=model)
        assert len(made.constants) == count, formula
        assert not set(made.constants) & set(made.params)
    assert MeanField(model=model).groups[0].constants == ()
    params = {0: {"rho": theano.shared(np.zeros(2))}, 1: {"v": theano.shared(np.ones(2))}}
    assert Group(["x"], params=params, model=model).constants == []
