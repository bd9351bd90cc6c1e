"""Rules for linear algebra."""

import itertools

from pymc3_vi.compiler.ops import CholeskyFactor, CholeskyGrad, Diagonal, DiagonalMatrix, Triangle, TriangularSolve
from pymc3_vi.compiler.vectorize import Blockwise, blockwise, rule, stacked, vectorize_graph

import numpy as np
import pytest
import theano
import theano.tensor as tt
from theano.graph.basic import Apply
from theano.graph.op import Op
from theano.tensor import nlinalg, slinalg

from .checks import check_against_loop, compiled


def _spd(x):
    """A positive definite matrix from any square one."""
    return tt.dot(x, x.T) + 2 * tt.eye(x.shape[0])


@pytest.fixture
def square(rng):
    return rng.standard_normal((3, 3)) + 3 * np.eye(3)


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("on_error", ["raise", "nan"])
def test_cholesky(square, lower, on_error):
    check_against_loop(lambda a: slinalg.Cholesky(lower, on_error)(_spd(a)), [square])


@pytest.mark.parametrize("structure", ["general", "lower_triangular", "upper_triangular"])
@pytest.mark.parametrize("right", [(3,), (3, 2)])
def test_solve(square, rng, structure, right):
    check_against_loop(slinalg.Solve(structure), [square, rng.standard_normal(right)])


@pytest.mark.parametrize("structure", ["lower_triangular", "upper_triangular"])
@pytest.mark.parametrize("n, size", [(3, 10), (20, 2), (20, 10)])
def test_triangular_systems_of_all_sizes(rng, structure, n, size):
    # Small matrices in large batches are solved by substitution over the batch, others by LAPACK.
    values = [rng.standard_normal((n, n)) + 3 * np.sqrt(n) * np.eye(n), rng.standard_normal((n, 2))]
    check_against_loop(slinalg.Solve(structure), values, sizes=(size,), gradient=False)


def test_inverses_and_determinants(square):
    build = lambda a: [nlinalg.matrix_inverse(a), nlinalg.det(a), nlinalg.trace(a), nlinalg.pinv(a)]  # noqa: E731
    check_against_loop(build, [square])


def test_eigenvalues(square):
    check_against_loop(lambda a: nlinalg.eigh(_spd(a))[0], [square])
    check_against_loop(lambda a: slinalg.eigvalsh(_spd(a), tt.eye(3)), [square])


def test_exponential_of_a_matrix(square):
    check_against_loop(lambda a: slinalg.expm(a / 5), [square])


def test_factorisations_without_gradient(square):
    build = lambda a: [*nlinalg.qr(a), nlinalg.svd(a, compute_uv=False), slinalg.kron(a, a)]  # noqa: E731
    check_against_loop(build, [square], gradient=False)


@pytest.mark.parametrize(
    "build, shapes",
    [
        (lambda a: slinalg.cholesky(_spd(a)), [(3, 3)]),
        (slinalg.solve, [(3, 3), (3, 2)]),
        (slinalg.solve_lower_triangular, [(3, 3), (3,)]),
        (nlinalg.matrix_inverse, [(3, 3)]),
        (nlinalg.det, [(3, 3)]),
    ],
)
def test_gradients_agree_with_finite_differences(rng, build, shapes):
    with theano.config.change_flags(cxx="", compute_test_value="off"):
        single = [tt.TensorType("float64", (False,) * len(shape))() for shape in shapes]

        def batched(*inputs):
            return vectorize_graph(build(*single), dict(zip(single, inputs)))

        points = [rng.standard_normal((2,) + shape) for shape in shapes]
        points[0] += 3 * np.eye(3)
        mode = theano.compile.mode.Mode("py", "fast_compile")
        theano.gradient.verify_grad(batched, points, rng=np.random.RandomState(3), mode=mode)


def test_second_derivatives(square):
    build = lambda a: tt.grad(tt.sum(tt.log(tt.diag(slinalg.cholesky(_spd(a))))), a)  # noqa: E731
    check_against_loop(build, [square])


@pytest.mark.parametrize("on_error", ["raise", "nan"])
@pytest.mark.parametrize("lower", [True, False])
def test_only_the_bad_elements_become_nan(rng, lower, on_error):
    a, batch = tt.dmatrix(), tt.dtensor3()
    good = np.array([[2.0, 0.3], [0.3, 1.0]])
    with theano.config.change_flags(compute_test_value="off"):
        factor = vectorize_graph(slinalg.Cholesky(lower, on_error=on_error)(a), {a: batch})
        function = compiled([batch], [factor, tt.grad(tt.sum(factor), batch)])
    factors, gradients = function(np.stack([good, -good, 4 * good]))
    for found in (factors, gradients):
        assert np.all(np.isnan(found[1])) and np.all(np.isfinite(found[[0, 2]]))
    expected = np.linalg.cholesky(good)
    np.testing.assert_allclose(factors[0], expected if lower else expected.T)
    np.testing.assert_allclose(factors[2], 2 * factors[0])


@pytest.mark.parametrize("solve", [slinalg.solve_lower_triangular, slinalg.solve])
@pytest.mark.parametrize("size", [2, 10])
def test_singular_systems_have_nan_for_solutions(size, solve):
    a, batch, b = tt.dmatrix(), tt.dtensor3(), tt.dvector()
    with theano.config.change_flags(compute_test_value="off"):
        solution = vectorize_graph(solve(a, b), {a: batch})
    matrices = np.stack([2 * np.eye(2)] * size)
    matrices[1, 1, 1] = 0
    found = compiled([batch, b], solution)(matrices, np.ones(2))
    assert np.isnan(found[1]).any()
    np.testing.assert_array_equal(np.delete(found, 1, axis=0), 0.5)


def test_where_no_matrix_has_an_inverse_it_is_an_error():
    a, batch = tt.dmatrix(), tt.dtensor3()
    with theano.config.change_flags(compute_test_value="off"):
        inverse = vectorize_graph(nlinalg.matrix_inverse(a), {a: batch})
    with pytest.raises(np.linalg.LinAlgError):
        compiled([batch], inverse)(np.zeros((2, 2, 2)))


def test_empty_batches(square):
    a, batch = tt.dmatrix(), tt.dtensor3()
    with theano.config.change_flags(compute_test_value="off"):
        outputs = [slinalg.cholesky(a), nlinalg.det(a)]
        function = compiled([batch], vectorize_graph(outputs, {a: batch}))
    assert [len(found) for found in function(np.zeros((0, 3, 3)))] == [0, 0]


@pytest.mark.parametrize("op", [CholeskyFactor(), CholeskyFactor(False), Triangle(), Triangle(False, 0.5), Diagonal()])
def test_own_ops_on_matrices(rng, op):
    positive = isinstance(op, CholeskyFactor)
    check_against_loop(lambda a: op(_spd(a) if positive else a), [rng.standard_normal((3, 3))])
    stack = np.stack([np.eye(3) * 2 + 0.1, np.eye(3)])
    check_against_loop(op, [stack], gradient=False, sizes=(2,)) if not positive else None


def test_own_diagonal_matrix_and_gradient_of_a_factor(rng, square):
    check_against_loop(DiagonalMatrix(), [rng.standard_normal(3)])
    check_against_loop(lambda f, g: CholeskyGrad()(tt.tril(f), g), [square, rng.standard_normal((3, 3))])


@pytest.mark.parametrize("lower, transposed", list(itertools.product([True, False], [True, False])))
@pytest.mark.parametrize("right", [(3,), (3, 2)])
def test_own_triangular_systems(square, rng, lower, transposed, right):
    check_against_loop(TriangularSolve(lower, transposed), [square, rng.standard_normal(right)])


def test_own_triangular_systems_in_stacks(square, rng):
    values = [np.stack([square, 2 * square]), rng.standard_normal((2, 3, 2))]
    check_against_loop(TriangularSolve(), values)


class _Cube(Op):
    """The third power of a matrix, in Python."""

    __props__ = ()

    def make_node(self, x):
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        (x,) = inputs
        assert x.ndim == 2
        output_storage[0][0] = x @ x @ x

    def L_op(self, inputs, outputs, output_grads):
        x, g = inputs[0].T, output_grads[0]
        return [g.dot(x).dot(x) + x.dot(g).dot(x) + x.dot(x).dot(g)]


class _FastCube(_Cube):
    pass


rule.register(_Cube)(blockwise)


@stacked.register(_FastCube)
def _cubes(op, batched, x):
    return np.linalg.matrix_power(x, 3)


def test_blockwise_runs_any_op_with_python_code(square, monkeypatch):
    check_against_loop(_Cube(), [square])
    monkeypatch.setattr(_FastCube, "perform", None)  # the form for stacks is used instead
    a, batch = tt.dmatrix(), tt.dtensor3()
    with theano.config.change_flags(compute_test_value="off"):
        cubes = vectorize_graph(_FastCube()(a), {a: batch})
    assert isinstance(cubes.owner.op, Blockwise)
    np.testing.assert_allclose(compiled([batch], cubes)(square[None])[0], square @ square @ square)


def test_batches_of_batches(rng):
    """Many points of many data sets: a Cholesky factor and a solution each, with their gradients."""
    a, b = tt.matrix(), tt.vector()
    node = tt.sum(tt.slinalg.solve(tt.slinalg.cholesky(a), b) ** 2)
    points, stacks, data, shift = tt.matrix(), tt.tensor3(), tt.matrix(), tt.vector()
    node = theano.clone(node, {a: tt.eye(3) * (1 + tt.sum(shift**2)) + tt.outer(b, b)})
    many = vectorize_graph(vectorize_graph(node, {shift: points}), {points: stacks, b: data})
    function = compiled([stacks, data], [many, tt.grad(tt.sum(many), stacks)])
    single = compiled([shift, b], [node, tt.grad(node, shift)])
    z, y = rng.standard_normal((3, 2, 4)), rng.standard_normal((3, 3))
    found = function(z, y)
    for i in range(3):
        for s in range(2):
            value, grad = single(z[i, s], y[i])
            np.testing.assert_allclose(found[0][i, s], value, rtol=1e-9)
            np.testing.assert_allclose(found[1][i, s], grad, rtol=1e-9)
