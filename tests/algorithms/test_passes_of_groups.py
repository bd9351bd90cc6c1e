"""Passes over rows of many groups: the many values of the groups know of each other through a few."""

import pymc3_vi
from pymc3_vi.algorithms.passes._search import PassSearch
from pymc3_vi.approximations.gaussian import ArrowCurvature

import numpy as np
import pymc3 as pm
import pytest
import theano.tensor as tt

GROUPS, N, BATCH, NOISE, SPREAD = 300, 30_000, 100, 1.5, 0.5


class Grouped:
    """A linear regression with effects of groups, whose posterior is known.

    In the centred form two predictors far from zero pull on all effects; in the other one their mean does, and
    correlations are near -1.
    """

    def __init__(self, centred):
        rng = np.random.default_rng(5)
        self.centred = centred
        self.group = rng.integers(0, GROUPS, N)
        self.x = rng.normal(size=(N, 2)) + 3.0
        effects = 1.0 + SPREAD * rng.normal(size=GROUPS)
        self.y = effects[self.group] + self.x @ np.array([0.5, -0.2]) + NOISE * rng.normal(size=N)
        design = np.zeros((N, GROUPS + 3))
        design[np.arange(N), self.group] = 1.0 if centred else SPREAD
        design[:, -2:] = self.x
        prior = np.diag(np.append(np.full(GROUPS, 1.0), [0.01, 0.01, 0.01]))
        if centred:
            prior[:GROUPS] /= SPREAD**2
            prior[GROUPS, :GROUPS] = prior[:GROUPS, GROUPS] = -1 / SPREAD**2
            prior[GROUPS, GROUPS] += GROUPS / SPREAD**2
        else:
            design[:, GROUPS] = 1.0
        self.precision = design.T @ design / NOISE**2 + prior
        self.mean = np.linalg.solve(self.precision, design.T @ self.y / NOISE**2)
        self.sd = 1 / np.sqrt(np.diag(self.precision))

    def model(self):
        data = pymc3_vi.DataLoader({"g": self.group, "x": self.x, "y": self.y}, BATCH, seed=1)
        with pymc3_vi.fast_build(), pm.Model() as model:
            if self.centred:
                m = pm.Normal("m", 0.0, 10.0)
                effects = pm.Normal("effects", m, SPREAD, shape=GROUPS)
            else:
                z, m = pm.Normal("effects", 0.0, 1.0, shape=GROUPS), pm.Normal("m", 0.0, 10.0)
                effects = m + SPREAD * z
            b = pm.Normal("b", 0.0, 10.0, shape=2)
            pm.Normal("y", effects[data["g"]] + tt.dot(data["x"], b), NOISE, observed=data["y"], total_size=N)
        return model


@pytest.mark.parametrize("centred", [True, False])
def test_groups_arrive_in_a_handful_of_passes(centred):
    grouped = Grouped(centred)
    inference = pymc3_vi.ADVI(model=grouped.model(), random_seed=1)
    approx = inference.fit(8 * N // BATCH, progressbar=False)
    means, sds = (approx.view.layout().unflatten(values.eval()) for values in (approx.mean, approx.std))
    mean, sd = (np.concatenate([np.ravel(found[n]) for n in ("effects", "m", "b")]) for found in (means, sds))
    np.testing.assert_allclose(mean / grouped.sd, grouped.mean / grouped.sd, atol=0.05)
    np.testing.assert_allclose(sd, grouped.sd, rtol=0.03)
    found = inference.algorithm
    assert found.passes <= 6 and inference.report.warnings == []
    search = found.search
    again = PassSearch.restored(found.blocks, search.snapshot())
    np.testing.assert_array_equal(again.draws, search.draws)
    np.testing.assert_array_equal(again.curvature.values, search.curvature.values)


# ---------------------------------------------------------------- the curvature
D, FEW = 9, np.array([2, 5])


@pytest.fixture
def matrix(rng):
    """Positive, and diagonal among what is not in `FEW`."""
    found = np.diag(rng.uniform(5.0, 9.0, D))
    rows = rng.normal(size=(2, D))
    found[FEW] += rows
    found[:, FEW] += rows.T
    assert np.linalg.eigvalsh(found)[0] > 0
    return found


def test_an_arrow_is_the_matrix_that_it_stands_for(matrix, rng):
    arrow = ArrowCurvature.of_rows(np.diag(matrix), matrix[FEW], FEW)
    z = rng.normal(size=(4, D))
    np.testing.assert_allclose(arrow.times(z), z @ matrix, atol=1e-12)
    np.testing.assert_allclose(arrow.diagonal, np.diag(matrix))
    np.testing.assert_allclose(arrow.tamed(np.ones(D)).times(z), z @ matrix, atol=1e-12)
    root = arrow.root().dot(np.eye(D))
    np.testing.assert_allclose(root @ root.T, np.linalg.inv(matrix), atol=1e-12)
    np.testing.assert_allclose(arrow.root().T.dot(z.T), root.T @ z.T, atol=1e-12)
    np.testing.assert_allclose(arrow.root().dot(z[0]), root @ z[0], atol=1e-12)


def test_an_arrow_stays_positive_when_its_many_values_are_measured_anew(matrix, rng):
    arrow = ArrowCurvature.of_rows(np.diag(matrix), matrix[FEW], FEW).with_many(rng.uniform(1e-3, 1e3, D))
    assert arrow.is_positive() and np.linalg.eigvalsh(arrow.times(np.eye(D)))[0] > 0


def test_what_is_no_curvature_becomes_one(matrix):
    matrix[FEW[0], FEW[0]] = -4.0
    arrow = ArrowCurvature.of_rows(np.diag(matrix), matrix[FEW], FEW)
    assert not arrow.is_positive()
    tamed = arrow.tamed(np.ones(D))
    assert tamed.is_positive() and np.isfinite(tamed.root().dot(np.ones(D))).all()
