"""Single points one after the other: the same values and gradients as in a batch, wherever they are."""

from concurrent.futures import ThreadPoolExecutor

import pymc3_vi
from pymc3_vi.diagnostics import PointDensity, _point_loop
from pymc3_vi.diagnostics import _density as _density_module

import numpy as np
import pymc3 as pm
import pytest
import theano.tensor as tt


def _process():
    length = pm.Gamma("length", 2.0, 1.0)
    level = pm.Normal("level", 0.0, 1.0, shape=2)
    x = np.linspace(0.0, 3.0, 4)
    cov = tt.exp(-(((x[:, None] - x) / length) ** 2)) + 0.1 * np.eye(4)
    pm.MvNormal("y", mu=tt.repeat(level, 2), cov=cov, observed=np.cos(x))


def _root():
    """A Cholesky factor that raises where |x| > 1."""
    x = pm.Normal("x", 0.0, 1.0)
    matrix = tt.stack([tt.stack([1.0, x]), tt.stack([x, 1.0])])
    pm.Potential("root", tt.log(tt.slinalg.Cholesky(lower=True, on_error="raise")(matrix)[1, 1]))


def _density(make, monkeypatch, one_by_one):
    with pymc3_vi.fast_build(), pm.Model() as model:
        make()
    density = PointDensity(pymc3_vi.MeanField(model=model, random_seed=1))
    monkeypatch.setattr(_density_module, "CACHE_BUDGET_BYTES", 1 if one_by_one else 2**40)
    assert density.one_by_one == one_by_one
    density.compile_slopes()
    return density


@pytest.fixture(scope="module")
def process():
    with pytest.MonkeyPatch.context() as patch:
        yield [_density(_process, patch, one_by_one) for one_by_one in (True, False)]


@pytest.mark.parametrize("count", [7, 1, 40])
def test_values_and_gradients_are_those_of_a_batch(process, rng, count):
    z = rng.normal(size=(count, 3))
    one_by_one, batched = (density.slopes(z) for density in process)
    for found, expected in zip(one_by_one, batched):
        np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_gradients_are_those_of_the_values(process, rng):
    z, step = rng.normal(size=(1, 3)), 1e-5
    up, down = (process[0].slopes(z + sign * step * np.eye(3))[0] for sign in (1, -1))
    np.testing.assert_allclose(process[0].slopes(z)[1][0], (up - down) / (2 * step), rtol=1e-6)


def test_hessian_products_are_those_of_the_gradients(process, rng):
    z, v, step = rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), 1e-5
    up, down = (process[0].slopes(z + sign * step * v)[1] for sign in (1, -1))
    np.testing.assert_allclose(process[0].hessian_products(z, v), (up - down) / (2 * step), rtol=1e-5, atol=1e-6)


def test_a_point_at_which_an_op_raises_is_left_out_alone(monkeypatch):
    density = _density(_root, monkeypatch, True)
    x = np.array([[0.5], [1.5], [-0.2], [-3.0]])
    logp, grad = density.slopes(x)
    expected = -0.5 * x[:, 0] ** 2 - 0.5 * np.log(2 * np.pi) + 0.5 * np.log(np.maximum(1 - x[:, 0] ** 2, 1e-300))
    np.testing.assert_array_equal(np.isnan(logp), [False, True, False, True])
    np.testing.assert_array_equal(np.isnan(grad[:, 0]), [False, True, False, True])
    np.testing.assert_allclose(logp[[0, 2]], expected[[0, 2]], rtol=1e-12)
    np.testing.assert_allclose(density.slopes(x[[2, 0]])[0], expected[[2, 0]], rtol=1e-12)


def test_where_points_share_a_matrix_of_data_they_are_batched(monkeypatch):
    def regression():
        x = np.linspace(-1, 1, 30).reshape(10, 3)
        pm.Normal("y", tt.dot(x, pm.Normal("b", 0, 1, shape=3)), 1.0, observed=x.sum(axis=1))

    with pymc3_vi.fast_build(), pm.Model() as model:
        regression()
    monkeypatch.setattr(_density_module, "CACHE_BUDGET_BYTES", 1)
    assert not PointDensity(pymc3_vi.MeanField(model=model)).one_by_one


def test_threads_take_turns(process, rng):
    """What is evaluated lies in memory of the one function: two at once ended the process."""
    density, points = process[0], [rng.normal(size=(count, 3)) for count in (1, 3, 5, 5)]
    alone = [density.slopes(z) for z in points]

    def work(z):
        return [density.slopes(z) for _ in range(200)]

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(work, points))
    for expected, results in zip(alone, together):
        for result in results:
            np.testing.assert_array_equal(result[0], expected[0])
            np.testing.assert_array_equal(result[1], expected[1])


def test_memory_of_large_points_is_given_back(monkeypatch, rng):
    """Of small ones it stays for the next call."""
    released = []
    monkeypatch.setattr(_point_loop, "release_memory", released.append)
    for kept_bytes, times in ((2**24, 0), (1, 2)):
        monkeypatch.setattr(_point_loop, "KEPT_BYTES", kept_bytes)
        density = _density(_process, monkeypatch, True)
        for _ in range(2):
            density.slopes(rng.normal(size=(2, 3)))
        assert len(released) == times
