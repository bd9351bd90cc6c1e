"""Rules for Ops that contain a graph."""

from pymc3_vi.compiler.vectorize import NoBatchRule, vectorize_graph

import numpy as np
import pytest
import theano
import theano.tensor as tt
from theano.compile.builders import OpFromGraph
from theano.graph.basic import io_toposort
from theano.scan.op import Scan
from theano.scan.utils import until

from .checks import check_against_loop, compiled


def _loop(step, **kwargs):
    outputs, updates = theano.scan(step, **kwargs)
    assert not updates
    return outputs


def test_a_recursion_keeps_its_number_of_steps(rng):
    def build(x, a, start):
        return _loop(lambda x_t, h, a: tt.tanh(a * h + x_t), sequences=x, outputs_info=start, non_sequences=a)

    check_against_loop(build, [rng.standard_normal(5), 0.7, 0.2])
    x, a, start = tt.dvector(), tt.dscalar(), tt.dscalar()
    many = tt.dvector()
    with theano.config.change_flags(compute_test_value="off"):
        result = vectorize_graph(build(x, a, start), {a: many})
    (loop,) = [node for node in io_toposort([x, many, start], [result]) if isinstance(node.op, Scan)]
    steps = compiled([x, many, start], loop.inputs[0])(rng.standard_normal(5), np.ones(3), 0.2)
    assert steps == 5


def test_vectors_and_several_states(rng):
    def build(x, w, start):
        def step(x_t, h, total, w):
            h = tt.tanh(tt.dot(w, h) + x_t)
            return h, total + tt.sum(h), h**2

        info = [start, tt.constant(np.float64(0)), None]
        return _loop(step, sequences=x, outputs_info=info, non_sequences=w)

    check_against_loop(build, [rng.standard_normal((4, 2)), rng.standard_normal((2, 2)), rng.standard_normal(2)])


def test_several_taps(rng):
    def build(start, a):
        step = lambda before, last, a: a * last + 0.2 * before  # noqa: E731
        return _loop(step, outputs_info=dict(initial=start, taps=[-2, -1]), non_sequences=a, n_steps=4)

    check_against_loop(build, [rng.standard_normal(2), 0.5])


def test_a_state_that_depends_on_a_batched_one_only(rng):
    # The second state starts unbatched and reads the first, so that it becomes batched in turn.
    def build(a):
        zero = tt.constant(np.float64(0))
        step = lambda h, total, constant, a: (a * h + 1, total + h, constant * 0.5)  # noqa: E731
        one = tt.constant(np.float64(1))
        return _loop(step, outputs_info=[one, zero, one], non_sequences=a, n_steps=3)

    check_against_loop(build, [0.3])


def test_a_part_that_does_not_depend_on_the_batch_stays_as_it_is(rng):
    x, a, many = tt.dvector(), tt.dscalar(), tt.dvector()
    step = lambda x_t, free, h, a: (free + x_t, a * h)  # noqa: E731
    one = tt.constant(np.float64(1))
    with theano.config.change_flags(compute_test_value="off"):
        outputs = _loop(step, sequences=x, outputs_info=[one, one], non_sequences=a)
        free, bound = vectorize_graph(outputs, {a: many}, broadcast_unbatched=False)
    assert (free.ndim, bound.ndim) == (1, 2)
    values = compiled([x, many], [free, bound])(np.ones(3), np.array([1.0, 2.0]))
    np.testing.assert_allclose(values[0], [2, 3, 4])
    np.testing.assert_allclose(values[1], [[1, 1, 1], [2, 4, 8]])


def test_a_loop_that_stops_on_a_condition_has_no_rule():
    def build(a):
        step = lambda h, a: (h * a, until(tt.gt(h, 100.0)))  # noqa: E731
        outputs, _ = theano.scan(step, outputs_info=tt.constant(np.float64(1)), non_sequences=a, n_steps=50)
        return outputs[-1]

    a, many = tt.dscalar(), tt.dvector()
    with theano.config.change_flags(compute_test_value="off"):
        with pytest.raises(NoBatchRule, match="stops on a condition"):
            vectorize_graph(build(a), {a: many}, fallback=False)


def test_a_loop_whose_length_depends_on_the_batch_has_no_rule():
    a, many = tt.dscalar(), tt.dvector()
    step = lambda h, a: h * a  # noqa: E731
    with theano.config.change_flags(compute_test_value="off"):
        steps = tt.cast(a, "int64")
        output = _loop(step, outputs_info=tt.constant(np.float64(1)), non_sequences=a, n_steps=steps)
        with pytest.raises(NoBatchRule, match="AllocEmpty"):  # of the length of the result
            vectorize_graph(output, {a: many}, fallback=False)


def test_the_gradient_of_a_loop_has_no_rule():
    a, many = tt.dscalar(), tt.dvector()
    with theano.config.change_flags(compute_test_value="off"):
        step = lambda h, a: tt.tanh(h * a)  # noqa: E731
        output = _loop(step, outputs_info=tt.constant(np.float64(1)), non_sequences=a, n_steps=3)
        with pytest.raises(NoBatchRule, match="gradient of a loop"):
            vectorize_graph(tt.grad(output[-1], a), {a: many}, fallback=False)


def test_graphs_inside_of_an_op(rng):
    def build(a, b):
        x, y = tt.dmatrix(), tt.dvector()
        return OpFromGraph([x, y], [tt.dot(x, y), tt.sum(y)])(a, b)

    check_against_loop(build, [rng.standard_normal((2, 3)), rng.standard_normal(3)])


def test_no_fallback_also_holds_inside_of_an_op():
    x, a, many = tt.dvector(), tt.dvector(), tt.dmatrix()
    with theano.config.change_flags(compute_test_value="off"):
        inner = OpFromGraph([x], [tt.AllocDiag(offset=1)(x)])
        with pytest.raises(NoBatchRule, match="AllocDiag"):
            vectorize_graph(inner(a), {a: many}, fallback=False)
