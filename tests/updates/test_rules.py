"""Every optimizer against its NumPy twin, dtype by dtype, and the contract that all of them share."""

from pymc3_vi.updates import OPTIMIZERS, Updates

import numpy as np
import pytest
import theano
import theano.tensor as tt
from theano import config

from .numpy_rules import RULES, trajectory
from .problems import PROBLEMS, Quadratic, compile_step, run_path, shared_params

every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS.names())
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def settings(name):
    return dict(RULES[name][1])


def required_settings(name):
    """Hyperparameters that have no default: the learning rate of three rules."""
    return {"learning_rate": 1e-3} if name in ("sgd", "momentum", "nesterov_momentum") else {}


def test_every_optimizer_has_a_numpy_twin():
    assert set(OPTIMIZERS.names()) == set(RULES)


@every_optimizer
@both_dtypes
@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("own_settings", [True, False])
def test_ten_steps_equal_the_numpy_twin(name, dtype, problem, own_settings):
    rule = RULES[name][0]
    hyperparameters = settings(name) if own_settings else required_settings(name)
    with config.change_flags(floatX=dtype):
        params = shared_params(problem, dtype)
        updates = OPTIMIZERS.get(name)(problem.loss(*params), params, **hyperparameters)
        path = run_path(updates, params, 10)
    expected = trajectory(rule, problem.start, problem.gradient, 10, **hyperparameters)
    # Ten steps amplify rounding by the curvature (1000) at most: 1e3 * 10 * eps, relative to the size of the step.
    rtol = {"float32": 5e-5, "float64": 1e-9}[dtype]
    for values, twins, start in zip(zip(*path), zip(*expected), problem.start):
        moved = np.abs(np.array(twins) - start).max()
        assert moved > 0
        np.testing.assert_allclose(np.array(values), np.array(twins), rtol=rtol, atol=rtol * moved)
        assert all(value.dtype == dtype for value in values)


@every_optimizer
def test_defaults_are_those_of_the_numpy_twin_in_one_step_at_a_tiny_gradient(name):
    # Where the gradient is small against epsilon, a wrong default of epsilon shows at once.
    rule, _ = RULES[name]
    hyperparameters = required_settings(name)
    w = theano.shared(np.array([1.0, 1.0]), "w")
    grad = np.array([1e-7, -1e-4])
    updates = OPTIMIZERS.get(name)([tt.as_tensor_variable(grad)], [w], **hyperparameters)
    ((value,),) = run_path(updates, [w], 1)
    ((twin,),) = trajectory(rule, [np.array([1.0, 1.0])], lambda _: [grad], 1, **hyperparameters)
    np.testing.assert_allclose(value - 1, twin - 1, rtol=1e-6, atol=1e-16)


@every_optimizer
@pytest.mark.parametrize(
    "floatX, param, rate",
    [
        ("float64", "float32", "float64"),
        ("float32", "float32", "float64"),
        ("float32", "float64", "float32"),
        ("float64", "float32", "int64"),
    ],
)
def test_parameters_and_state_keep_their_dtype_whatever_the_rate_has(name, floatX, param, rate):
    with config.change_flags(floatX=floatX):
        params = shared_params(Quadratic, param)
        learning_rate = theano.shared(np.dtype(rate).type(1), "rate")
        updates = OPTIMIZERS.get(name)(Quadratic.loss(*params), params, learning_rate=learning_rate)
    for variable, value in updates.items():
        assert value.type == variable.type, variable
    assert all(updates[p].dtype == param for p in params)
    compile_step(updates)()


@every_optimizer
def test_float64_gradients_do_not_widen_float32_parameters(name):
    w = theano.shared(np.ones(2, "float32"), "w")
    updates = OPTIMIZERS.get(name)([tt.as_tensor_variable(np.ones(2))], [w], learning_rate=0.1)
    for variable, value in updates.items():
        assert value.type == variable.type, variable


@every_optimizer
def test_a_gradient_without_the_broadcast_pattern_of_its_parameter(name):
    row = theano.shared(np.ones((1, 2)), "row", broadcastable=(True, False))
    grad = theano.shared(np.full((1, 2), 2.0), "grad")
    assert grad.broadcastable == (False, False)
    updates = OPTIMIZERS.get(name)([grad], [row], learning_rate=0.1)
    assert updates[row].broadcastable == (True, False)
    compile_step(updates)()
    assert row.get_value().shape == (1, 2) and (row.get_value() < 1).all()


@every_optimizer
def test_result_is_an_ordered_dict_that_names_its_parts(name):
    params = shared_params(Quadratic, "float64")
    updates = OPTIMIZERS.get(name)(Quadratic.loss(*params), params, **settings(name))
    assert isinstance(updates, Updates) and isinstance(updates, dict)
    assert updates.params == params
    assert set(updates) == set(params) | set(updates.state) and not set(updates.state) & set(params)
    rate = updates.hyperparameters["learning_rate"]
    assert isinstance(rate, theano.compile.SharedVariable) and rate not in updates
    assert rate.dtype == config.floatX and rate.get_value() == settings(name)["learning_rate"]
    copy = updates.copy()
    assert type(copy) is Updates and dict(copy) == dict(updates) and copy.hyperparameters == updates.hyperparameters


@every_optimizer
def test_the_learning_rate_acts_on_a_compiled_step(name):
    params = shared_params(Quadratic, "float64")
    updates = OPTIMIZERS.get(name)(Quadratic.loss(*params), params, **settings(name))
    step = compile_step(updates)
    updates.hyperparameters["learning_rate"].set_value(0.0)
    step()
    for param, start in zip(params, Quadratic.start):
        np.testing.assert_array_equal(param.get_value(), start)
    updates.hyperparameters["learning_rate"].set_value(1e-3)
    step()
    assert all((param.get_value() != start).all() for param, start in zip(params, Quadratic.start))


@every_optimizer
@pytest.mark.parametrize("kind", ["float", "numpy", "array", "shared", "symbolic"])
def test_all_forms_of_the_learning_rate_agree(name, kind):
    rule, hyperparameters = RULES[name]
    value = hyperparameters["learning_rate"]
    half = theano.shared(value / 2, "half")
    form = {
        "float": value,
        "numpy": np.float64(value),
        "array": np.array(value),
        "shared": theano.shared(value, "rate"),
        "symbolic": half + half,
    }[kind]
    params = shared_params(Quadratic, "float64")
    updates = OPTIMIZERS.get(name)(Quadratic.loss(*params), params, **dict(hyperparameters, learning_rate=form))
    (path,) = run_path(updates, params, 1)
    (expected,) = trajectory(rule, Quadratic.start, Quadratic.gradient, 1, **hyperparameters)
    for value, twin in zip(path, expected):
        np.testing.assert_allclose(value, twin, rtol=1e-12)
    if kind == "symbolic":
        assert "learning_rate" not in updates.hyperparameters
    elif kind == "shared":
        assert updates.hyperparameters["learning_rate"] is form


@every_optimizer
def test_a_symbolic_learning_rate_acts_on_a_compiled_step(name):
    half = theano.shared(0.0, "half")
    params = shared_params(Quadratic, "float64")
    updates = OPTIMIZERS.get(name)(Quadratic.loss(*params), params, **dict(settings(name), learning_rate=2 * half))
    step = compile_step(updates)
    step()
    for param, start in zip(params, Quadratic.start):
        np.testing.assert_array_equal(param.get_value(), start)
    half.set_value(1e-3)
    step()
    assert all((param.get_value() != start).all() for param, start in zip(params, Quadratic.start))


@every_optimizer
def test_all_other_hyperparameters_may_be_shared(name):
    rule, hyperparameters = RULES[name]
    given = {k: v if k == "n_win" else theano.shared(v, k) for k, v in hyperparameters.items()}
    params = shared_params(Quadratic, "float64")
    updates = OPTIMIZERS.get(name)(Quadratic.loss(*params), params, **given)
    path = run_path(updates, params, 3)
    expected = trajectory(rule, Quadratic.start, Quadratic.gradient, 3, **hyperparameters)
    for value, twin in zip(path[-1], expected[-1]):
        np.testing.assert_allclose(value, twin, rtol=1e-10, atol=1e-12)
    assert dict(updates.hyperparameters) == {k: v for k, v in given.items() if k != "n_win"}


@every_optimizer
def test_gradients_instead_of_a_loss(name):
    params, others = shared_params(Quadratic, "float64"), shared_params(Quadratic, "float64")
    function = OPTIMIZERS.get(name)
    from_loss = run_path(function(Quadratic.loss(*params), params, **settings(name)), params, 3)
    grads = tt.grad(Quadratic.loss(*others), others)
    from_grads = run_path(function(tuple(grads), tuple(others), **settings(name)), others, 3)
    for one, other in zip(from_loss[-1], from_grads[-1]):
        np.testing.assert_array_equal(one, other)


@every_optimizer
def test_no_parameters_no_parameter_updates(name):
    updates = OPTIMIZERS.get(name)([], [], **settings(name))
    assert updates.params == [] and all(value.ndim == 0 for value in updates.values())


@every_optimizer
def test_works_inside_a_context_that_demands_test_values(name):
    w = theano.shared(np.ones(2), "w")
    x = tt.vector("x")
    grad = x * w
    with config.change_flags(compute_test_value="raise"):
        updates = OPTIMIZERS.get(name)([grad], [w], **settings(name))
    assert w in updates


@every_optimizer
def test_converges_on_a_noisy_bowl(name):
    # Optimum at 3 with gradient noise: the mean of the last iterates is there, up to the noise.
    w = theano.shared(np.zeros(4), "w")
    noise = theano.shared(np.zeros(4), "noise")
    rate = {"sgd": 0.05, "momentum": 0.01, "nesterov_momentum": 0.01, "adagrad": 1.0, "adadelta": 5.0}.get(name, 0.05)
    step = compile_step(OPTIMIZERS.get(name)([w - 3 + noise], [w], learning_rate=rate))
    rng = np.random.RandomState(4)
    tail = []
    for i in range(1200):
        noise.set_value(0.5 * rng.normal(size=4))
        step()
        if i >= 600:
            tail.append(w.get_value())
    # The mean of the last 600 noisy gradients has sd 0.5 / sqrt(600) = 0.02, and 0.01 after averaging over 4.
    assert abs(np.mean(tail) - 3) < 0.06
