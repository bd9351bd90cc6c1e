"""Optimizers in rescaled coordinates: with the exact scale a badly conditioned bowl is a sphere."""

import pickle

from pymc3_vi.updates import OPTIMIZERS, adam, apply_momentum, cosine, preconditioned, sgd, tail_average

import numpy as np
import pytest
import theano
import theano.tensor as tt

from .numpy_rules import RULES, trajectory
from .problems import compile_step, run_path

every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS.names())
SPHERE_START = np.array([1.0, -0.5, 2.0])
OPTIMUM = np.array([3.0, -1.0, 0.5])


def bowl(hessian, root):
    """Parameter at ``OPTIMUM + root @ SPHERE_START`` and the loss whose Hessian is ``inv(root @ root.T)``."""
    w = theano.shared(OPTIMUM + root @ SPHERE_START, "w")
    return w, 0.5 * tt.dot(w - OPTIMUM, tt.dot(hessian, w - OPTIMUM))


DIAGONAL = np.array([1.0, 1e-2, 1e-4])
TRIANGULAR = np.array([[1.0, 0.0, 0.0], [0.9, 0.01, 0.0], [-0.5, 0.3, 1e-3]])


@every_optimizer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [DIAGONAL, TRIANGULAR], ids=["diagonal", "triangular"])
def test_exact_scale_makes_the_bowl_a_sphere(name, dtype, scale):
    if dtype == "float32" and scale is TRIANGULAR:
        scale = np.array([[1.0, 0.0, 0.0], [0.9, 0.5, 0.0], [-0.5, 0.3, 0.2]])  # what float32 can resolve
    root = np.diag(scale) if scale.ndim == 1 else scale
    hessian = np.linalg.inv(root @ root.T)
    rule, hyperparameters = RULES[name]
    w = theano.shared((root @ SPHERE_START).astype(dtype), "w")
    if scale.ndim == 1:
        gradient = w / (scale**2).astype(dtype)
    else:
        gradient = tt.dot(hessian.astype(dtype), w)
    with theano.config.change_flags(floatX=dtype):
        updates = preconditioned(OPTIMIZERS.get(name)(**hyperparameters), {w: scale})([gradient], [w])
        path = run_path(updates, [w], 10)
    assert all(value.type == variable.type for variable, value in updates.items())
    sphere = trajectory(rule, [SPHERE_START], lambda phi: [phi], 10, **hyperparameters)
    for (value,), (phi,) in zip(path, sphere):
        tolerance = 1e-4 if dtype == "float32" else 1e-7
        np.testing.assert_allclose(np.linalg.solve(root, value), phi, atol=tolerance * abs(SPHERE_START).max())


def test_gradient_descent_converges_at_once_where_it_crawls_without():
    root = TRIANGULAR
    hessian = np.linalg.inv(root @ root.T)
    w, loss = bowl(hessian, root)
    run_path(preconditioned(sgd(learning_rate=1.0), {w: root})(loss, [w]), [w], 2)
    np.testing.assert_allclose(w.get_value(), OPTIMUM, atol=1e-6)
    plain, loss = bowl(hessian, root)
    largest = np.linalg.eigvalsh(hessian)[-1]
    start = plain.get_value()
    run_path(sgd(loss, [plain], 1.0 / largest), [plain], 100)
    assert np.linalg.norm(plain.get_value() - OPTIMUM) > 0.5 * np.linalg.norm(start - OPTIMUM)


@every_optimizer
def test_unit_scale_changes_nothing(name):
    a, b = theano.shared(np.array([1.0, -2.0]), "a"), theano.shared(np.array([1.0, -2.0]), "b")
    function = OPTIMIZERS.get(name)(learning_rate=0.1)
    one = run_path(preconditioned(function, {a: 1.0})((a**4).sum(), [a]), [a], 5)
    other = run_path(function((b**4).sum(), [b]), [b], 5)
    np.testing.assert_allclose(one, other, rtol=1e-12)


def test_scales_can_be_set_later_and_do_not_move_the_parameters():
    w = theano.shared(np.array([8.0, 8.0]), "w")
    updates = preconditioned(sgd(learning_rate=0.5), {w: np.ones(2)})([w], [w])
    step = compile_step(updates)
    step()
    np.testing.assert_allclose(w.get_value(), [4.0, 4.0])
    updates.scales[w].set_value(np.array([1.0, 0.5]))
    np.testing.assert_allclose(w.get_value(), [4.0, 4.0])
    step()
    np.testing.assert_allclose(w.get_value(), [2.0, 3.5])


def test_several_parameters_in_a_list_or_a_dict():
    def build(scales_of):
        a = theano.shared(np.array([[1.0, 2.0]]), "a", broadcastable=(True, False))
        b = theano.shared(np.array([1.0, 1.0]), "b")
        c = theano.shared(1.0, "c")
        updates = preconditioned(sgd(learning_rate=1.0), scales_of(a, b, c))([a, b, c], [a, b, c])
        return run_path(updates, [a, b, c], 1)[-1], updates

    triangle = np.array([[1.0, 0.0], [0.5, 0.5]])
    values, updates = build(lambda a, b, c: [np.array([[0.5, 0.1]]), triangle, None])
    others, _ = build(lambda a, b, c: {b: triangle, a: np.array([[0.5, 0.1]])})
    np.testing.assert_allclose(values[0], [[0.75, 1.98]])
    np.testing.assert_allclose(values[1], np.ones(2) - triangle @ triangle.T @ np.ones(2))
    assert values[2] == 0.0
    for one, other in zip(values, others):
        np.testing.assert_array_equal(one, other)
    assert [p.name for p in updates.params] == ["a", "b", "c"] and len(updates.scales) == 2


def test_a_shared_scale_is_used_itself():
    w = theano.shared(np.ones(2), "w")
    scale = theano.shared(np.full(2, 0.5), "scale")
    updates = preconditioned(sgd(learning_rate=1.0), {w: scale})([w], [w])
    assert updates.scales[w] is scale
    np.testing.assert_allclose(run_path(updates, [w], 1)[-1], [[0.75, 0.75]])


def test_handles_of_the_optimizer_stay_reachable():
    w = theano.shared(np.ones(2), "w")
    optimizer = preconditioned(adam(learning_rate=cosine(0.1, 10)), {w: 0.5})
    updates = optimizer([w], [w])
    assert updates.hyperparameters["learning_rate"].get_value() == 0.1
    assert updates.params == [w] and w not in updates.state and len(updates.state) == 5
    overridden = optimizer([w], [w], learning_rate=0.25)
    assert overridden.hyperparameters["learning_rate"].get_value() == 0.25
    partial = optimizer(learning_rate=0.5)
    assert partial([w], [w]).hyperparameters["learning_rate"].get_value() == 0.5
    assert list(apply_momentum(tail_average(updates, [w], 0)).averages) == [w]


def test_plain_functions_are_optimizers_too():
    w = theano.shared(np.ones(2), "w")
    updates = preconditioned(lambda grads, params: {p: p - g for p, g in zip(params, grads)}, [0.5])([w], [w])
    np.testing.assert_allclose(run_path(updates, [w], 1)[-1], [[0.75, 0.75]])


def test_can_be_pickled_with_its_parameters():
    w = theano.shared(np.ones(2), "w")
    v, optimizer = pickle.loads(pickle.dumps((w, preconditioned(adam(learning_rate=0.5), {w: 0.5}))))
    assert optimizer([v], [v]).params == [v]
    assert repr(optimizer) == "preconditioned(adam(learning_rate=0.5), {w: 0.5})"


def test_the_coordinates_leave_no_trace_in_the_optimized_graph():
    w = theano.shared(np.ones(3), "w")
    updates = preconditioned(adam(learning_rate=0.5), {w: 0.5})([2 * w], [w])
    query = theano.graph.optdb.Query(include=["fast_run"], exclude=["inplace"])
    with theano.config.change_flags(cxx=""):
        f = theano.function([], [], updates=updates, mode=theano.Mode(linker="py", optimizer=query))
    used = {variable.name for node in f.maker.fgraph.toposort() for variable in node.inputs}
    assert "w_phi" not in used and {"w", "w_scale", "w_phi_mean", "w_phi_square"} <= used


@pytest.mark.parametrize(
    "scale, error, words",
    [
        (np.ones(3), ValueError, r"shape \(2,\) or \(2, 2\). Got shape \(3,\)"),
        (np.array([1.0, 0.0]), ValueError, "finite and positive"),
        (np.array([1.0, np.nan]), ValueError, "finite and positive"),
        (-1.0, ValueError, "finite and positive"),
        (np.array([[1.0, 0.5], [0.5, 1.0]]), ValueError, "lower triangular.*Cholesky"),
        (np.array([[1.0, 0.0], [0.5, 0.0]]), ValueError, "positive diagonal"),
        ("wide", TypeError, "an array or a shared variable"),
        (theano.shared(1.0), ValueError, r"Got shape \(\)"),
    ],
)
def test_bad_scales_are_explained(scale, error, words):
    w = theano.shared(np.ones(2), "w")
    with pytest.raises(error, match="The scale of w must be .*" + words):
        preconditioned(adam, {w: scale})([w], [w])


def test_misuse_is_explained():
    w, other = theano.shared(np.ones(2), "w"), theano.shared(np.ones(2), "other")
    with pytest.raises(ValueError, match="keys are among the parameters.*Got other"):
        preconditioned(adam, {other: 1.0})([w], [w])
    with pytest.raises(ValueError, match="one scale for each of the 1 parameters"):
        preconditioned(adam, [1.0, 1.0])([w], [w])
    with pytest.raises(TypeError, match="'scales' parameter of preconditioned"):
        preconditioned(adam, 1.0)
    with pytest.raises(TypeError, match="'optimizer' parameter of preconditioned"):
        preconditioned("adam", [1.0])
    with pytest.raises(TypeError, match="unknown keyword 'rate'"):
        preconditioned(adam, [1.0])([w], [w], rate=1.0)
    with pytest.raises(ValueError, match="must not average"):
        preconditioned(lambda g, p: tail_average(sgd(g, p, 0.1), p, 0), [1.0])([w], [w])
    with pytest.raises(TypeError, match="must be a list of shared variables"):
        preconditioned(adam, [1.0])([w])
