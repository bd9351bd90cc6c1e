"""apply_momentum and apply_nesterov_momentum on updates of other rules."""

from collections import OrderedDict

from pymc3_vi.updates import adagrad_window, adam, apply_momentum, apply_nesterov_momentum, momentum, sgd

import numpy as np
import pytest
import theano

from . import numpy_rules
from .problems import Quadratic, compile_step, run_path, shared_params


def steps_of(rule, start, gradient, n, mu, nesterov, **hyperparameters):
    """Momentum on the steps of any NumPy rule; the rule sees the gradient at the moved point."""
    inner = rule(start, **hyperparameters)
    inner_theta, theta, velocity = next(inner), start, np.zeros_like(start)
    path = []
    for _ in range(n):
        inner_new = inner.send(gradient(theta))
        step, inner_theta = inner_new - inner_theta, inner_new
        velocity = mu * velocity + step
        theta = theta + (mu * velocity + step if nesterov else velocity)
        path.append(theta)
    return path


@pytest.mark.parametrize("apply, nesterov", [(apply_momentum, False), (apply_nesterov_momentum, True)])
@pytest.mark.parametrize(
    "function, rule",
    [
        (sgd, numpy_rules.sgd),
        (adam, numpy_rules.adam),
        (adagrad_window, numpy_rules.adagrad_window),
    ],
)
def test_momentum_on_any_rule(apply, nesterov, function, rule):
    curvature = np.array([1.0, 20.0])
    w = theano.shared(np.array([1.0, -2.0]), "w")
    updates = apply(function([curvature * w], [w], learning_rate=0.01), momentum=0.6)
    path = [values[0] for values in run_path(updates, [w], 10)]
    expected = steps_of(
        rule, np.array([1.0, -2.0]), lambda theta: curvature * theta, 10, 0.6, nesterov, learning_rate=0.01
    )
    np.testing.assert_allclose(path, expected, rtol=1e-10, atol=1e-12)


def test_momentum_leaves_the_optimizers_state_alone():
    w = theano.shared(np.ones(2), "w")
    before = adagrad_window([w], [w])
    after = apply_momentum(before)
    assert set(after) == set(before) | {v for v in after.state if v.name == "w_velocity"}
    assert all(after[variable] is before[variable] for variable in before.state)
    assert before.params == after.params == [w]


def test_a_plain_dict_gets_momentum_on_all_keys_or_on_those_named():
    a, b = theano.shared(np.ones(2), "a"), theano.shared(np.ones(2), "b")
    plain = OrderedDict([(a, a - 0.1), (b, b - 0.1)])
    assert [v.name for v in apply_momentum(plain).state] == ["a_velocity", "b_velocity"]
    some = apply_momentum(plain, [b], 0.5)
    path = run_path(some, [a, b], 2)
    np.testing.assert_allclose(path[-1][0], 0.8)
    np.testing.assert_allclose(path[-1][1], 0.75)
    assert list(plain) == [a, b]  # the argument is not changed


def test_momentum_coefficient_may_be_shared():
    w = theano.shared(np.ones(1), "w")
    mu = theano.shared(0.0, "mu")
    updates = momentum([w], [w], 0.5, momentum=mu)
    assert updates.hyperparameters["momentum"] is mu
    step = compile_step(updates)
    step()
    np.testing.assert_allclose(w.get_value(), [0.5])
    mu.set_value(0.5)
    step()  # velocity -0.5 -> -0.5 * 0.5 - 0.25
    np.testing.assert_allclose(w.get_value(), [0.0])


def test_dtype_and_broadcast_pattern_are_kept():
    params = shared_params(Quadratic, "float32")
    for apply in (apply_momentum, apply_nesterov_momentum):
        updates = apply({p: p * np.float64(0.5) for p in params}, momentum=theano.shared(np.float64(0.9)))
        assert all(value.type == variable.type for variable, value in updates.items())


def test_errors():
    w, other = theano.shared(np.ones(2), "w"), theano.shared(np.ones(2), "other")
    with pytest.raises(ValueError, match="apply_momentum must hold keys of 'updates'. other has no update"):
        apply_momentum(sgd([w], [w], 0.1), [other])
    with pytest.raises(TypeError, match="'updates' parameter of apply_nesterov_momentum must be a dict"):
        apply_nesterov_momentum([w])
    with pytest.raises(ValueError, match="'momentum' parameter of apply_momentum"):
        apply_momentum(sgd([w], [w], 0.1), momentum=-0.5)
