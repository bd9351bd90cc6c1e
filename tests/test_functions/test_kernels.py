"""Every registered kernel against its formula, and where distances are hard to tell."""

import copy
import pickle

from pymc3_vi.test_functions import IMQ, KERNELS, RBF, as_kernel, median_bandwidth, rbf, squared_distances

import numpy as np
import pytest
import theano
import theano.tensor as tt

every_kernel = pytest.mark.parametrize("name", KERNELS.names())


def exact_distances(X):
    """Squared distances from differences, in the highest precision that NumPy has."""
    X = np.asarray(X, dtype=np.longdouble)
    return np.sum((X[:, None] - X[None]) ** 2, axis=-1)


def median_h(H):
    """The median heuristic, by sorting."""
    values, n = np.sort(H, axis=None), len(H)
    middle = (values[(n * n - 1) // 2] + values[n * n // 2]) / 2
    return middle / (2 * np.log(n + 1))


#: k(squared distance, h) and dk / d(squared distance), from the papers.
TWINS = {
    "rbf": (lambda q, h: np.exp(-q / (2 * h)), lambda q, h: -np.exp(-q / (2 * h)) / (2 * h)),
    "imq": (lambda q, h: 1 / np.sqrt(1 + q / (2 * h)), lambda q, h: -0.25 / h * (1 + q / (2 * h)) ** -1.5),
}


def twin(name, X, h=None):
    """(K, dK) from differences: dK_i = sum_j grad_{x_j} k(|x_j - x_i|^2) = sum_j 2 k' (x_j - x_i)."""
    H = exact_distances(X)
    h = median_h(H) if h is None else h
    k, slope = TWINS[name]
    X = np.asarray(X, dtype=np.longdouble)
    return k(H, h), np.sum(2 * slope(H, h)[..., None] * (X[None] - X[:, None]), axis=1)


def run(kernel, X):
    symbol = tt.matrix("X", dtype=X.dtype)
    return theano.function([symbol], list(kernel(symbol)), mode="FAST_COMPILE")(X)


def test_every_kernel_has_a_numpy_twin():
    assert set(KERNELS.names()) == set(TWINS)


@every_kernel
@pytest.mark.parametrize("n, d", [(2, 1), (7, 3), (10, 2), (30, 40)])
def test_values_are_those_of_the_formula(name, n, d, rng):
    X = 2 + 3 * rng.normal(size=(n, d))
    K, dK = run(KERNELS.get(name), X)
    K_twin, dK_twin = twin(name, X)
    np.testing.assert_allclose(K, K_twin.astype(float), rtol=1e-11)
    np.testing.assert_allclose(dK, dK_twin.astype(float), rtol=1e-9, atol=1e-11)


@every_kernel
def test_direction_is_the_sum_of_its_parts(name, rng):
    X, scores = tt.matrices("X", "scores")
    direction = theano.function([X, scores], KERNELS.get(name).direction(X, scores), mode="FAST_COMPILE")
    for mean in (0.0, 1e4):
        x, s = mean + rng.normal(size=(12, 3)), rng.normal(size=(12, 3))
        K, dK = twin(name, x)
        np.testing.assert_allclose(direction(x, s), (K @ s + dK).astype(float), rtol=1e-9, atol=1e-10)


@every_kernel
def test_gradient_sums_are_those_of_finite_differences(name, rng):
    X, h, step = rng.normal(size=(6, 3)), 0.8, 1e-5
    kernel = type(KERNELS.get(name))(bandwidth=h)
    dK = run(kernel, X)[1]
    k = TWINS[name][0]
    for i in range(6):
        expected = np.zeros(3)
        for j in range(6):
            for axis in range(3):
                sides = []
                for sign in (1, -1):
                    x = X[j].copy()
                    x[axis] += sign * step
                    sides.append(k(np.sum((x - X[i]) ** 2), h))
                expected[axis] += (sides[0] - sides[1]) / (2 * step)
        np.testing.assert_allclose(dK[i], expected, rtol=1e-6, atol=1e-8)


@every_kernel
def test_gradient_sums_are_those_of_the_kernel_matrix(name, rng):
    # With h fixed, moving x_i changes column i and row i of K alike: grad of the sum of all K is twice -dK.
    X = tt.matrix("X")
    K, dK = type(KERNELS.get(name))(bandwidth=0.7)(X)
    slope, sums = theano.function([X], [tt.grad(tt.sum(K), X), dK], mode="FAST_COMPILE")(rng.normal(size=(9, 2)))
    np.testing.assert_allclose(slope, -2 * sums, rtol=1e-9, atol=1e-11)


@every_kernel
def test_gradients_take_the_median_as_fixed(name, rng):
    points = rng.normal(size=(9, 2))
    X = tt.matrix("X")
    H = exact_distances(points)
    adaptive, fixed = KERNELS.get(name), type(KERNELS.get(name))(bandwidth=float(median_h(H)))
    slopes = [tt.grad(tt.sum(tt.sqr(kernel(X)[0])), X) for kernel in (adaptive, fixed)]
    np.testing.assert_allclose(*theano.function([X], slopes, mode="FAST_COMPILE")(points), rtol=1e-9, atol=1e-11)


@every_kernel
def test_kernel_matrix_is_symmetric_and_positive_definite(name, rng):
    K = run(KERNELS.get(name), rng.normal(size=(15, 2)))[0]
    np.testing.assert_allclose(K, K.T, rtol=1e-13)
    np.testing.assert_array_equal(np.diag(K), 1.0)
    assert np.linalg.eigvalsh(K).min() > 0


@every_kernel
def test_scale_and_place_of_the_particles_do_not_matter(name, rng):
    X = rng.normal(size=(12, 3))
    K, dK = run(KERNELS.get(name), X)
    for scale, shift in [(1e-6, 0.0), (1e4, 0.0), (1.0, 1e5)]:
        K_moved, dK_moved = run(KERNELS.get(name), scale * X + shift)
        np.testing.assert_allclose(K_moved, K, rtol=1e-9)
        np.testing.assert_allclose(dK_moved * scale, dK, rtol=1e-8, atol=1e-9)


@every_kernel
@pytest.mark.parametrize("mean", [0.0, 1e3])
def test_close_particles_far_from_the_origin_are_told_apart(name, mean, rng):
    # SVGD starts like this: within 1e-6 of one point.
    X = mean + 1e-6 * rng.normal(size=(20, 4))
    K, dK = run(KERNELS.get(name), X)
    K_twin, dK_twin = twin(name, X)
    np.testing.assert_allclose(K, K_twin.astype(float), rtol=1e-6)
    np.testing.assert_allclose(dK, dK_twin.astype(float), rtol=1e-5, atol=1e-6 * float(np.abs(dK_twin).max()))


@every_kernel
@pytest.mark.parametrize("n", [1, 2, 10])
@pytest.mark.parametrize("place", [0.0, 1000.1, 1e-12])
def test_particles_in_one_point_neither_repel_nor_break(name, n, place):
    X = np.full((n, 3), place) * np.array([1.0, 1.3, -0.7])
    K, dK = run(KERNELS.get(name), X)
    np.testing.assert_array_equal(K, np.ones((n, n)))
    np.testing.assert_allclose(dK, 0, atol=1e-9)


@every_kernel
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_the_others_are_seen_when_most_particles_coincide(name, scale):
    # Eight of ten in one point: the median distance is 0.  The guard must scale with the particles.
    place = np.array([1000.1, -20.3])
    X = np.zeros((10, 2)) + (place if scale == 1.0 else 0.0)
    X[8] += scale * np.array([1.0, 0.0])
    X[9] += scale * np.array([0.0, 2.0])
    K, dK = run(KERNELS.get(name), X)
    assert np.isfinite(dK).all()
    np.testing.assert_allclose(K[:8, :8], 1.0)
    assert (K[8, :8] < 0.99).all() and (K[8, :8] > 1e-6).all()
    K_unit, dK_unit = twin(name, X / scale, h=exact_distances(X / scale).mean() / (2 * np.log(11)))
    np.testing.assert_allclose(K, K_unit.astype(float), rtol=1e-7)
    np.testing.assert_allclose(dK * scale, dK_unit.astype(float), rtol=1e-6, atol=1e-7)


@every_kernel
def test_float32_stays_float32(name, rng):
    X = rng.normal(size=(8, 2)).astype("float32")
    exact = run(KERNELS.get(name), X.astype("float64"))
    for floatx in ("float32", "float64"):
        with theano.config.change_flags(floatX=floatx):
            for kernel in (KERNELS.get(name), type(KERNELS.get(name))(bandwidth=0.5)):
                assert [value.dtype for value in run(kernel, X)] == ["float32", "float32"]
            for value, expected in zip(run(KERNELS.get(name), X), exact):
                np.testing.assert_allclose(value, expected, rtol=2e-5, atol=2e-5)


@every_kernel
def test_nan_particles_give_nan(name):
    X = np.array([[0.0], [np.nan], [1.0]])
    assert np.isnan(run(KERNELS.get(name), X)[1]).all()


@every_kernel
def test_kernels_can_be_copied_and_pickled(name, rng):
    X = rng.normal(size=(4, 2))
    kernel = KERNELS.get(name)
    for again in (pickle.loads(pickle.dumps(kernel)), copy.deepcopy(kernel)):
        np.testing.assert_array_equal(run(again, X)[0], run(kernel, X)[0])


@pytest.mark.parametrize("n", [3, 4, 25])
def test_rbf_is_pymc3s_on_ordinary_particles(n, rng):
    from pymc3.variational.test_functions import rbf as pymc3_rbf

    X = rng.normal(size=(n, 3))
    for ours, theirs in zip(run(rbf, X), run(pymc3_rbf, X)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("n", [2, 3, 6, 11])
def test_median_bandwidth_is_half_the_median_over_the_log(n, rng):
    X = rng.normal(size=(n, 2))
    H = tt.matrix()
    h = theano.function([H], median_bandwidth(H), mode="FAST_COMPILE")(exact_distances(X).astype(float))
    np.testing.assert_allclose(h, 0.5 * np.median(exact_distances(X)) / np.log(n + 1), rtol=1e-12)


def test_distances_keep_the_digits_of_differences(rng):
    X = 1e4 + 1e-4 * rng.normal(size=(10, 3))
    symbol = tt.matrix()
    H = theano.function([symbol], squared_distances(symbol), mode="FAST_COMPILE")(X)
    np.testing.assert_allclose(H, exact_distances(X).astype(float), rtol=1e-10)
    np.testing.assert_array_equal(np.diag(H), 0.0)


def test_imq_is_gorham_and_mackeys_up_to_a_factor(rng):
    X, c, beta = rng.normal(size=(5, 2)), 1.3, -0.3
    K, dK = run(IMQ(bandwidth=c**2 / 2, beta=beta), X)
    H = exact_distances(X).astype(float)
    np.testing.assert_allclose(K * c ** (2 * beta), (c**2 + H) ** beta, rtol=1e-12)
    differences = X[:, None] - X[None]
    expected = np.sum(-2 * beta * ((c**2 + H) ** (beta - 1))[..., None] * differences, axis=1)
    np.testing.assert_allclose(dK * c ** (2 * beta), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: RBF(bandwidth=0), ["'bandwidth'", "RBF", "greater than 0"]),
        (lambda: IMQ(bandwidth=-1.0), ["'bandwidth'", "IMQ"]),
        (lambda: IMQ(beta=0.0), ["'beta'", "IMQ", "greater than -1 and less than 0"]),
        (lambda: IMQ(beta=-1), ["'beta'", "IMQ"]),
    ],
)
def test_wrong_settings_are_named(make, words):
    with pytest.raises(ValueError) as caught:
        make()
    for word in words:
        assert word in str(caught.value)


def test_names_do_not_depend_on_case():
    assert as_kernel("RBF") is rbf and as_kernel("gaussian") is rbf
