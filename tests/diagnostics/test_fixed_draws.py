"""The fixed-draw ELBO: its draws, and its derivatives against finite differences."""

import warnings

import pymc3_vi
from pymc3_vi.approximations.gaussian import Draws, GaussianBlocks
from pymc3_vi.diagnostics import KINDS, REPLICATES, FixedDrawELBO, FixedDraws, point_density
from pymc3_vi.errors import HessianError

import numpy as np
import pytest
from scipy import stats
from scipy.stats import qmc

from tests.fixed_draw_models import gamma_regression, python_functions


@pytest.fixture(autouse=True, scope="module")
def _no_compiler():
    with python_functions():
        yield


# -------------------------------------------------------------------- draws
@pytest.mark.parametrize("kind", KINDS)
def test_draws_are_the_same_again(kind):
    recipe = FixedDraws(kind, 64, 3)
    assert np.array_equal(recipe.rows(4), recipe.rows(4))
    assert recipe.rows(4).shape == (64, 4)
    assert not np.allclose(recipe.rows(4), recipe._replace(seed=4).rows(4))


@pytest.mark.parametrize("count", [1, 5, 8])
def test_first_draws_of_any_number_are_scipys_and_no_filter_of_warnings_is_touched(count, monkeypatch):
    """Filters belong to all threads: what another one warns of meanwhile is to be seen."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = qmc.Sobol(3, scramble=True, seed=np.random.Generator(np.random.SFC64(4)))
        right = stats.norm.ppf(np.concatenate([source.random(count), source.random(7)]))
    draws = Draws(3, 4)
    monkeypatch.setattr(warnings, "catch_warnings", None)
    pairs = np.concatenate([draws.pairs(count), draws.pairs(7)])
    np.testing.assert_allclose(pairs[::2], right, rtol=1e-12)
    np.testing.assert_array_equal(pairs[1::2], -pairs[::2])


@pytest.mark.parametrize("kind", ["sobol", "antithetic"])
def test_mirrored_draws_have_exact_moments(kind):
    rows = FixedDraws(kind, 128, 3).rows(5)
    for part in np.split(rows, REPLICATES):
        assert np.allclose(part.mean(axis=0), 0, atol=1e-14)
    assert np.allclose(rows.T.dot(rows) / 128, np.eye(5), atol=1e-12)


def test_more_independent_draws_begin_with_the_fewer():
    few = np.split(FixedDraws("independent", 64, 3).rows(2), REPLICATES)
    many = np.split(FixedDraws("independent", 128, 3).rows(2), REPLICATES)
    assert all(np.array_equal(a, b[: len(a)]) for a, b in zip(few, many))


def test_sobol_draws_integrate_better_than_independent_ones():
    errors = {}
    for kind in KINDS:
        values = [np.mean(np.cos(FixedDraws(kind, 1024, seed).rows(2)).prod(axis=1)) for seed in range(20)]
        errors[kind] = np.sqrt(np.mean((np.array(values) - np.exp(-1.0)) ** 2))  # E cos = exp(-1/2) each
    assert errors["sobol"] < 0.5 * errors["independent"]


# -------------------------------------------------------------------- derivatives
@pytest.fixture(scope="module", params=["mean_field", "blocks"])
def elbo(request):
    model = gamma_regression()
    if request.param == "mean_field":
        approx = pymc3_vi.MeanField(model=model, random_seed=1)
    else:
        groups = [
            pymc3_vi.Group([model["coefs"]], vfam="full_rank", model=model),
            pymc3_vi.Group(None, vfam="mean_field", model=model),
        ]
        approx = pymc3_vi.Approximation(groups, model=model)
    blocks = GaussianBlocks(approx.groups)
    _, scale = blocks.read()
    return FixedDrawELBO(
        point_density(approx), blocks, FixedDraws("sobol", 64, 2), np.array([0.3, 0.4, 1.0]), 0.2 * scale
    )


def _somewhere(elbo, seed):
    return 0.3 * np.random.RandomState(seed).normal(size=elbo.size)


def test_gradient_is_that_of_the_value(elbo):
    x, h = _somewhere(elbo, 1), 1e-5
    differences = [(elbo(x + h * e)[0] - elbo(x - h * e)[0]) / (2 * h) for e in np.eye(elbo.size)]
    slope = elbo(x)[1]
    assert np.allclose(slope, differences, rtol=1e-6, atol=1e-6 * np.abs(slope).max())


def test_hessian_product_is_the_derivative_of_the_gradient(elbo):
    x, h = _somewhere(elbo, 2), 1e-5
    for seed in (3, 4):
        p = np.random.RandomState(seed).normal(size=elbo.size)
        difference = (elbo(x + h * p)[1] - elbo(x - h * p)[1]) / (2 * h)
        assert np.allclose(elbo.product(x, p), difference, rtol=1e-6, atol=1e-6 * np.abs(difference).max())


def test_replicates_average_to_the_gradient(elbo):
    x = _somewhere(elbo, 5)
    slopes = elbo.replicate_slopes(x)
    assert slopes.shape == (REPLICATES, elbo.size)
    assert np.allclose(slopes.mean(axis=0), elbo(x)[1], rtol=1e-9, atol=1e-9)


def test_dense_and_conjugate_gradient_solutions_agree(elbo):
    right = np.random.RandomState(6).normal(size=(2, elbo.size))
    x = elbo.chart.origin()
    dense, iterative = elbo.solve(x, right, dense=True), elbo.solve(x, right, dense=False, tolerance=1e-10)
    assert np.allclose(dense, iterative, rtol=1e-7, atol=1e-8)
    assert np.allclose([elbo.product(x, row) for row in dense], right, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("dense", [True, False])
def test_an_indefinite_hessian_is_refused(elbo, dense, monkeypatch):
    product = elbo.product
    monkeypatch.setattr(elbo, "product", lambda x, p: product(x, p) - 1e3 * p)
    with pytest.raises(HessianError, match="not positive definite"):
        elbo.solve(elbo.chart.origin(), np.ones((1, elbo.size)), dense)


def test_a_point_without_density_has_an_infinite_value(elbo):
    far = np.full(elbo.size, 1e5)
    value, slope = elbo(far)
    assert value == np.inf and np.array_equal(slope, np.zeros(elbo.size))
