"""Passes over many rows: right where the posterior is known, within the budget, and honest where that is too small."""

import pymc3_vi
from pymc3_vi.approximations.gaussian import matched_pairs
from pymc3_vi.diagnostics import PassSum, PointDensity, RowDensity
from pymc3_vi.errors import ConvergenceWarning, ParametrizationError
from pymc3_vi.model import ModelView, row_model

import numpy as np
import pymc3 as pm
import pytest
import theano.tensor as tt

N, K, BATCH, NOISE = 9000, 3, 100, 0.7
SCALES, SHIFT = np.array([1e-3, 1.0, 1e4]), np.array([0.0, 2.0, 0.0])


class Linear:
    """A regression on predictors of different units, one of which is far from zero: its posterior is known."""

    def __init__(self):
        rng = np.random.default_rng(3)
        self.x = (rng.normal(size=(N, K)) + SHIFT) * SCALES
        self.y = self.x @ (np.array([1.0, -2.0, 0.5]) / SCALES) + 3.0 + NOISE * rng.normal(size=N)
        self.prior = 10.0 / SCALES
        design = np.column_stack([self.x, np.ones(N)])
        self.precision = design.T @ design / NOISE**2 + np.diag(np.append(self.prior, 10.0) ** -2)
        self.mean = np.linalg.solve(self.precision, design.T @ self.y / NOISE**2)

    def model(self):
        x, y = pm.Minibatch(self.x, BATCH), pm.Minibatch(self.y, BATCH)
        with pymc3_vi.fast_build(), pm.Model() as model:
            b, a = pm.Normal("b", 0.0, self.prior, shape=K), pm.Normal("a", 0.0, 10.0)
            pm.Normal("y", tt.dot(x, b) + a, NOISE, observed=y, total_size=N)
        return model


@pytest.fixture(scope="module")
def linear():
    return Linear()


@pytest.fixture(scope="module")
def model(linear):
    return linear.model()


def _fit(model, n=2000, method="advi", **kwargs):
    return pymc3_vi.fit(n, method, model=model, random_seed=1, progressbar=False, **kwargs)


def test_mean_field_is_the_known_optimum(linear, model):
    approx = _fit(model)
    sd = 1 / np.sqrt(np.diag(linear.precision))
    np.testing.assert_allclose(approx.mean.eval() / sd, linear.mean / sd, atol=0.02)
    np.testing.assert_allclose(approx.std.eval(), sd, rtol=0.02)
    assert len(approx.hist) == 2000 and np.isfinite(approx.hist).all()
    assert "passes over 9,000 rows" in approx.report.options["algorithm"]


def test_full_rank_and_mixed_groups(linear, model):
    approx = _fit(model, method="fullrank_advi")
    cov = np.linalg.inv(linear.precision)
    sd = np.sqrt(np.diag(cov))
    np.testing.assert_allclose(approx.mean.eval() / sd, linear.mean / sd, atol=0.02)
    np.testing.assert_allclose(approx.cov.eval() / np.outer(sd, sd), cov / np.outer(sd, sd), atol=0.02)
    groups = [pymc3_vi.Group([model["b"]], vfam="fr", model=model), pymc3_vi.Group(None, vfam="mf", model=model)]
    mixed = pymc3_vi.Approximation(groups, model=model)
    pymc3_vi.KLqp(mixed).fit(2000, progressbar=False)
    np.testing.assert_allclose(mixed.mean.eval() / sd, linear.mean / sd, atol=0.02)
    block = np.linalg.inv(linear.precision[:K, :K])
    size = np.sqrt(np.diag(block))
    np.testing.assert_allclose(mixed.cov.eval()[:K, :K] / np.outer(size, size), block / np.outer(size, size), atol=0.02)


def test_the_budget_in_rows_is_kept_and_a_short_one_is_told(linear, model):
    sd = 1 / np.sqrt(np.diag(linear.precision))
    for n, passes in ((20, 0), (120, 1)):  # a pass has 90 steps
        inference = pymc3_vi.ADVI(model=model, random_seed=1)
        with pytest.warns(ConvergenceWarning, match=r"up to [\d.e+]+ standard deviations from the optimum.*refine"):
            inference.fit(n, progressbar=False)
        found = inference.algorithm
        off = np.max(np.abs(inference.approx.mean.eval() - linear.mean) / sd)
        assert found.passes == passes and found.rows_read <= n * BATCH and off <= found.distance
    inference.refine(500, progressbar=False)
    off = np.abs(inference.approx.mean.eval() - linear.mean) / sd
    assert np.max(off) < 0.02 and found.distance < 0.1 and len(inference.hist) == 620


def test_a_tolerance_is_aimed_at(model):
    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    inference.fit(2000, progressbar=False, tol=1e-4)
    found = inference.algorithm
    assert found.distance < 1e-4 and inference.report.warnings == []


def test_what_changes_nothing_and_what_changes_all(linear):
    """New data behind the minibatches are fitted; without any, one more pass changes nothing that matters."""
    model = linear.model()
    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    inference.fit(1000, progressbar=False)
    mean, sd = inference.approx.mean.eval(), inference.approx.std.eval()
    inference.refine(1000, progressbar=False)
    np.testing.assert_allclose(inference.approx.mean.eval() / sd, mean / sd, atol=0.01)
    y = row_model(ModelView(model)).parts[0].inputs
    next(v for v in y if v.ndim == 1).shared.set_value(linear.y + 5.0)
    inference.refine(2000, progressbar=False)
    np.testing.assert_allclose(inference.approx.mean.eval()[-1], mean[-1] + 5.0, atol=0.1 * sd[-1])


def test_an_interrupted_pass_goes_on_to_the_same_end(model, tmp_path):
    whole = _fit(model, 400)
    checkpoint = pymc3_vi.Checkpoint(every=10, path=tmp_path / "fit.npz")

    def killed(approx, losses, i):
        if i == 155:  # amid the second pass
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        _fit(model, 400, callbacks=[checkpoint, killed])
    inference = pymc3_vi.Inference.load(tmp_path / "fit.npz", model)
    inference.resume(progressbar=False)
    np.testing.assert_array_equal(inference.approx.mean.eval(), whole.mean.eval())
    np.testing.assert_array_equal(inference.hist, whole.hist)


# ---------------------------------------------------------------- the sum over rows
def test_rows_add_up_to_the_whole_density(model, rng):
    approx = pymc3_vi.MeanField(model=model)
    density = RowDensity(approx, row_model(approx.view))
    z = rng.normal(size=(5, K + 1)) * np.append(1 / SCALES, 1.0)
    logp, grad = density.slopes(z)
    whole = PointDensity(approx).slopes(z)
    np.testing.assert_allclose(logp, whole[0], rtol=1e-10)
    np.testing.assert_allclose(grad, whole[1], rtol=1e-8, atol=1e-8 * np.abs(whole[1]).max())
    pieces = PassSum(density, z)
    while not pieces.complete:
        pieces.advance(int(rng.integers(1, 900)))
    np.testing.assert_array_equal(pieces.logp, logp)
    np.testing.assert_array_equal(pieces.grad, grad)


def test_matched_draws_are_all_that_a_quadratic_needs(rng):
    eps = matched_pairs(rng.normal(size=(8, 3)))
    np.testing.assert_allclose(eps.T @ eps / len(eps), np.eye(3), atol=1e-12)


@pytest.mark.parametrize("kind", ["batch mean", "no total_size", "fixed length", "potential"])
def test_what_is_no_sum_keeps_stochastic_gradients(kind):
    y = np.random.default_rng(1).normal(size=9000)
    with pymc3_vi.fast_build(), pm.Model() as model:
        mu, batch = pm.Normal("mu", 0.0, 1.0), pm.Minibatch(y, 50)
        if kind == "batch mean":
            pm.Normal("y", mu, 1.0, observed=batch - tt.mean(batch), total_size=9000)
        elif kind == "no total_size":
            pm.Normal("y", mu, 1.0, observed=batch)
        elif kind == "fixed length":
            pm.Normal("y", mu + np.zeros(50), 1.0, observed=batch, total_size=9000)
        else:
            pm.Potential("y", -tt.sum((batch - mu) ** 2))
    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    with pytest.raises(ParametrizationError, match="algorithm='passes' cannot fit this model: .*'stochastic'"):
        inference.fit(5, progressbar=False, algorithm="passes")
    inference.fit(5, progressbar=False)
    assert inference.report.options["algorithm"].startswith("stochastic gradients by AnnealedAdam")


def test_rows_that_do_not_belong_together_are_refused(linear):
    for other in (pm.Minibatch(linear.y[:-1], BATCH), pm.Minibatch(linear.y, BATCH, random_seed=7)):
        with pymc3_vi.fast_build(), pm.Model() as model:
            eta = tt.dot(pm.Minibatch(linear.x, BATCH), pm.Normal("b", 0.0, 1.0, shape=K))
            pm.Normal("y", eta, 1.0, observed=other, total_size=N)
        with pytest.raises(ParametrizationError, match="'y' joins minibatches .*DataLoader"):
            _fit(model, 5)


def test_an_unknown_algorithm_is_named(model):
    with pytest.raises(ValueError, match="'algorithm' parameter of fit must be one of .*Did you mean 'passes'"):
        _fit(model, 5, algorithm="pases")


def test_few_rows_are_fitted_as_whole_data():
    y = np.random.default_rng(1).normal(2.0, 1.0, size=300)
    with pymc3_vi.fast_build(), pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 1.0)
        pm.Normal("y", mu, 1.0, observed=pm.Minibatch(y, 10), total_size=300)
    approx = _fit(model, 200)
    assert approx.mean.eval()[0] == pytest.approx(y.sum() / 301, abs=1e-3 / np.sqrt(301))
    assert approx.std.eval()[0] == pytest.approx(1 / np.sqrt(301), rel=1e-3)
