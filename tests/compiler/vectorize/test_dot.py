"""Rules for matrix products."""

import itertools

from pymc3_vi.compiler.ops import BatchMatmul, batch_matmul, tril_matvec
from pymc3_vi.compiler.vectorize import vectorize_graph

import numpy as np
import pytest
import scipy.sparse
import theano
import theano.sparse
import theano.tensor as tt
from theano.graph.basic import io_toposort

from .checks import check_against_loop


def _values(rng, *shapes):
    return [rng.standard_normal(shape) for shape in shapes]


@pytest.mark.parametrize("left, right", list(itertools.product([(3,), (2, 3)], [(3,), (3, 4)])))
def test_dot(rng, left, right):
    check_against_loop(tt.dot, _values(rng, left, right))


@pytest.mark.parametrize("left, right", [((1, 3), (3, 1)), ((2, 1), (1, 2)), ((1,), (1, 1))])
def test_dot_along_axes_of_one_element(rng, left, right):
    check_against_loop(tt.dot, _values(rng, left, right))


def test_a_shared_matrix_meets_many_vectors_in_one_product():
    x, w, many = tt.dmatrix(), tt.dvector(), tt.dmatrix()
    with theano.config.change_flags(compute_test_value="off"):
        result = vectorize_graph(tt.dot(x, w), {w: many})
    ops = [node.op for node in io_toposort([many, x], [result])]
    assert sum(isinstance(op, tt.Dot) for op in ops) == 1 and not any(isinstance(op, BatchMatmul) for op in ops)


def test_dot_with_integers(rng):
    counts = rng.integers(0, 5, (4, 3))
    check_against_loop(lambda w: tt.dot(counts, w), _values(rng, (3,)))
    check_against_loop(lambda w: tt.dot(counts, tt.cast(tt.round(w), "int64")), _values(rng, (3, 2)), gradient=False)


def test_tensordot_and_outer(rng):
    build = lambda a, b: [tt.tensordot(a, b, axes=[[1], [0]]), tt.outer(a[0], b[:, 0])]  # noqa: E731
    check_against_loop(build, _values(rng, (2, 3), (3, 4)))
    check_against_loop(lambda a, b: tt.tensordot(a, b, axes=2), _values(rng, (4, 2, 3), (2, 3, 2)))


@pytest.mark.parametrize("left, right", [((2, 3, 4), (2, 4, 2)), ((2, 3, 4), (2, 4)), ((2, 4), (2, 4, 3))])
def test_batched_dot(rng, left, right):
    # Theano's own gradient and C code need a system BLAS, so the loop runs on NumPy.
    check_against_loop(tt.batched_dot, _values(rng, left, right))


def test_batch_matmul(rng):
    check_against_loop(batch_matmul, _values(rng, (2, 3, 4), (2, 4, 2)))
    check_against_loop(batch_matmul, _values(rng, (1, 3, 4), (2, 4, 2)))
    check_against_loop(batch_matmul, _values(rng, (3, 4), (2, 4, 2)))


@pytest.mark.parametrize("shape", [(3,), (2, 3)])
def test_packed_triangles(rng, shape):
    check_against_loop(tril_matvec, _values(rng, (6,), shape))


@pytest.mark.parametrize("dot", [theano.sparse.dot, theano.sparse.structured_dot])
def test_sparse_matrices_that_are_shared(rng, dot):
    sparse = theano.sparse.as_sparse_variable(scipy.sparse.csr_matrix(np.diag([1.0, 2.0, 0.0]) + np.eye(3, k=1)))
    check_against_loop(lambda w: dot(sparse, w), _values(rng, (3, 2)))


def test_a_sparse_matrix_on_the_right(rng):
    sparse = theano.sparse.as_sparse_variable(scipy.sparse.csc_matrix(np.eye(3, k=1)))
    check_against_loop(lambda w: theano.sparse.dot(w, sparse), _values(rng, (2, 3)))
