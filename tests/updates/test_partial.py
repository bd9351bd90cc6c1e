"""Partial application, checks of hyperparameters, checks of what is optimized."""

import inspect
import pickle

from pymc3_vi import updates as module
from pymc3_vi.errors import UnknownNameError
from pymc3_vi.updates import (
    COUNT,
    OPTIMIZERS,
    POSITIVE,
    adadelta,
    adagrad_window,
    adam,
    apply_momentum,
    constant,
    get_or_compute_grads,
    momentum,
    optimizer,
    rmsprop,
    sgd,
)

import numpy as np
import pytest
import theano
import theano.tensor as tt

from .problems import run_path

every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS.names())

SIGNATURES = {
    "sgd": "(loss_or_grads, params, learning_rate=0.001)",
    "momentum": "(loss_or_grads, params, learning_rate=0.001, momentum=0.9)",
    "nesterov_momentum": "(loss_or_grads, params, learning_rate=0.001, momentum=0.9)",
    "adagrad": "(loss_or_grads, params, learning_rate=1.0, epsilon=1e-06)",
    "adagrad_window": "(loss_or_grads, params, learning_rate=0.001, epsilon=0.1, n_win=10)",
    "rmsprop": "(loss_or_grads, params, learning_rate=0.001, rho=0.9, epsilon=1e-06)",
    "adadelta": "(loss_or_grads, params, learning_rate=1.0, rho=0.95, epsilon=1e-06)",
    "adam": "(loss_or_grads, params, learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-08)",
    "adamax": "(loss_or_grads, params, learning_rate=0.002, beta1=0.9, beta2=0.999, epsilon=1e-08)",
    "apply_momentum": "(updates, params=None, momentum=0.9)",
    "apply_nesterov_momentum": "(updates, params=None, momentum=0.9)",
    "norm_constraint": "(tensor, max_norm, norm_axes=None, epsilon=1e-07)",
    "total_norm_constraint": "(tensor_vars, max_norm, epsilon=1e-07, return_norm=False)",
}


@pytest.fixture
def w():
    return theano.shared(np.array([1.0, -2.0]), "w")


@pytest.mark.parametrize("name", sorted(SIGNATURES))
def test_signature_is_the_documented_one(name):
    assert str(inspect.signature(getattr(module, name))) == SIGNATURES[name]


def test_public_names_exist_and_are_documented():
    for name in module.__all__:
        assert getattr(module, name).__doc__, name


@every_optimizer
def test_partial_equals_direct_call(name, w):
    function = OPTIMIZERS.get(name)
    other = theano.shared(w.get_value(), "other")
    partial = function(learning_rate=0.01)
    assert callable(partial) and repr(partial) == f"{name}(learning_rate=0.01)"
    (one,) = run_path(partial((w**2).sum(), [w]), [w], 2)[-1]
    (two,) = run_path(function((other**2).sum(), [other], learning_rate=0.01), [other], 2)[-1]
    np.testing.assert_array_equal(one, two)


@every_optimizer
def test_partial_without_settings_and_in_two_goes(name, w):
    function = OPTIMIZERS.get(name)
    assert repr(function()) == f"{name}()"
    twice = function()(learning_rate=0.25)
    assert repr(twice) == f"{name}(learning_rate=0.25)"
    updates = twice((w**2).sum(), [w], learning_rate=0.125)
    assert updates.hyperparameters["learning_rate"].get_value() == 0.125
    assert twice.keywords == {"learning_rate": 0.25}


def test_two_uses_of_one_partial_share_nothing(w):
    partial = adam(learning_rate=0.5)
    first, second = (partial((w**2).sum(), [w]) for _ in range(2))
    assert not set(first.state) & set(second.state)
    assert first.hyperparameters["learning_rate"] is not second.hyperparameters["learning_rate"]


@every_optimizer
def test_optimizer_and_partial_can_be_pickled(name):
    function = OPTIMIZERS.get(name)
    assert pickle.loads(pickle.dumps(function)) is function
    restored = pickle.loads(pickle.dumps(function(learning_rate=0.25)))
    assert repr(restored) == f"{name}(learning_rate=0.25)"
    assert restored.func is function


def test_partial_with_a_schedule_can_be_pickled():
    restored = pickle.loads(pickle.dumps(adam(learning_rate=constant(0.1))))
    assert restored.keywords == {"learning_rate": constant(0.1)}


@every_optimizer
def test_only_one_of_loss_and_params_is_an_error(name, w):
    function = OPTIMIZERS.get(name)
    with pytest.raises(ValueError, match=f"{name} needs both 'loss_or_grads' and 'params'.*'params' is missing"):
        function((w**2).sum(), learning_rate=0.1)
    with pytest.raises(ValueError, match="'loss_or_grads' is missing"):
        function(params=[w], learning_rate=0.1)
    with pytest.raises(ValueError, match="'params' is missing"):
        function(0.1)


@every_optimizer
def test_unknown_keyword_names_the_close_match(name, w):
    function = OPTIMIZERS.get(name)
    with pytest.raises(TypeError, match=rf"{name} got an unknown keyword 'learning_rat'. Did you mean 'learning_rate'"):
        function(learning_rat=0.1)
    with pytest.raises(TypeError, match="Did you mean 'learning_rate'"):
        function(learning_rate=0.1)((w**2).sum(), [w], learnin_rate=0.1)


def test_too_many_or_twice_given_arguments(w):
    with pytest.raises(TypeError, match="adam takes at most 6 arguments.*Got 7"):
        adam((w**2).sum(), [w], 0.1, 0.9, 0.99, 1e-8, 7)
    with pytest.raises(TypeError, match="'learning_rate' twice"):
        adam((w**2).sum(), [w], 0.1, learning_rate=0.1)


@pytest.mark.parametrize("function", [sgd, momentum])
def test_bare_names_work_as_in_pymc3(function, w):
    bare, explicit = function((w**2).sum(), [w]), function((w**2).sum(), [w], learning_rate=0.001)
    assert bare.hyperparameters["learning_rate"].get_value() == explicit.hyperparameters["learning_rate"].get_value()


@pytest.mark.parametrize(
    "function, given, error",
    [
        (adam, dict(learning_rate=0.0), ValueError),
        (adam, dict(learning_rate=-1), ValueError),
        (adam, dict(learning_rate=np.nan), ValueError),
        (adam, dict(learning_rate=np.inf), ValueError),
        (adam, dict(learning_rate="fast"), TypeError),
        (adam, dict(learning_rate=True), TypeError),
        (adam, dict(learning_rate=None), TypeError),
        (adam, dict(learning_rate=np.ones(2)), TypeError),
        (adam, dict(learning_rate=tt.vector("v")), TypeError),
        (adam, dict(learning_rate=tt.bscalar("b") > 0), TypeError),
        (adam, dict(beta1=1.0), ValueError),
        (adam, dict(beta2=-0.1), ValueError),
        (adam, dict(epsilon=-1e-8), ValueError),
        (adadelta, dict(epsilon=0), ValueError),
        (rmsprop, dict(rho=1.5), ValueError),
        (momentum, dict(momentum=1), ValueError),
        (adagrad_window, dict(n_win=0), ValueError),
        (adagrad_window, dict(n_win=2.5), TypeError),
    ],
)
def test_bad_hyperparameters_are_named_at_once(function, given, error):
    (name,) = given
    with pytest.raises(error, match=f"The '{name}' parameter of {function.__name__} must be "):
        function(**given)


def test_gradients_are_checked(w):
    v = theano.shared(1.0, "v")
    with pytest.raises(ValueError, match="Got 1 gradients for 2 parameters"):
        get_or_compute_grads([w], [w, v])
    with pytest.raises(ValueError, match="gradient of v must have its 0 dimensions. Got w with 1"):
        get_or_compute_grads([w, w], [w, v])
    with pytest.raises(TypeError, match=r"scalar loss.*Got an expression with 1 dimensions.*\.sum\(\)"):
        get_or_compute_grads(w**2, [w])
    with pytest.raises(TypeError, match="'loss_or_grads' parameter must be a scalar loss"):
        get_or_compute_grads("loss", [w])
    with pytest.raises(TypeError, match="gradients; the one of w"):
        get_or_compute_grads([None], [w])


def test_params_are_checked(w):
    with pytest.raises(ValueError, match="must hold shared variables only.*at position 1"):
        adam((w**2).sum(), [w, w * 2])
    with pytest.raises(TypeError, match="must be a list of shared variables.*Got w instead"):
        adam((w**2).sum(), w)
    with pytest.raises(TypeError, match="must be a list of shared variables"):
        adam((w**2).sum(), 3)
    with pytest.raises(TypeError, match="floating point variables. Got k of type"):
        adam([tt.constant(0)], [theano.shared(3, "k")])
    with pytest.raises(TypeError, match="floating point"):
        adam([tt.constant(0)], [theano.shared(np.random.RandomState(1), "rng")])
    with pytest.raises(ValueError, match="every variable once. Got w twice"):
        adam([w, w], [w, w])


def test_get_or_compute_grads_gives_the_gradient(w):
    (grad,) = get_or_compute_grads((w**3).sum(), [w])
    np.testing.assert_allclose(grad.eval(), 3 * w.get_value() ** 2)
    assert get_or_compute_grads([grad], iter([w])) == [grad]


def test_registry_knows_optimizers_by_name():
    assert OPTIMIZERS.get("Adam") is adam
    with pytest.raises(UnknownNameError, match="Unknown optimizer 'adamm'. Did you mean 'adam'"):
        OPTIMIZERS.get("adamm")


def test_a_rule_of_ones_own(w):
    @optimizer(learning_rate=POSITIVE, repeat=COUNT)
    def many_steps(loss_or_grads, params, learning_rate=0.5, repeat=2):
        """Several gradient steps at once."""
        return {p: p - learning_rate * repeat * g for p, g in zip(params, loss_or_grads)}

    updates = many_steps([w], [w], repeat=1)
    (value,) = run_path(updates, [w], 1)[-1]
    np.testing.assert_array_equal(value, [0.5, -1.0])
    assert many_steps.__doc__ == "Several gradient steps at once." and updates.state == []
    momentous = apply_momentum(many_steps([w], [w]), momentum=0.5)
    assert momentous.params == [w] and len(momentous.state) == 1


def test_a_rule_without_constraints_is_refused():
    with pytest.raises(TypeError, match=r"one constraint for each of \['learning_rate'\]"):
        optimizer()(lambda loss_or_grads, params, learning_rate=1.0: {})
