"""The same steps as ``pymc3.updates``, given the same hyperparameters."""

import numpy as np
import pytest
import theano
from theano import config

pymc3 = pytest.importorskip("pymc3")

from pymc3_vi import updates as ours  # noqa: E402

from .numpy_rules import RULES  # noqa: E402
from .problems import PROBLEMS, compile_step, run_path, shared_params  # noqa: E402


@pytest.mark.parametrize("name", sorted(RULES))
@pytest.mark.parametrize("problem", PROBLEMS)
def test_same_path_as_pymc3(name, problem):
    hyperparameters = RULES[name][1]
    # Not broadcastable: pymc3's adagrad_window cannot do that.
    mine, theirs = (shared_params(problem, "float64", broadcast=False) for _ in range(2))
    n = 25
    path = run_path(getattr(ours, name)(problem.loss(*mine), mine, **hyperparameters), mine, n)
    expected = run_path(getattr(pymc3.updates, name)(problem.loss(*theirs), theirs, **hyperparameters), theirs, n)
    for values, others in zip(path, expected):
        for value, other in zip(values, others):
            np.testing.assert_allclose(value, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n_win", [1, 3, 10])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_default_adagrad_window_on_changing_gradients(n_win, dtype):
    # Gradients that change sign and size, through several turns of the window.
    gradients = np.random.RandomState(7).standard_t(2, size=(3 * n_win + 5, 4))
    with config.change_flags(floatX=dtype):
        paths = []
        for function in (ours.adagrad_window, pymc3.updates.adagrad_window):
            w = theano.shared(np.zeros(4, dtype), "w")
            g = theano.shared(np.zeros(4, dtype), "g")
            step = compile_step(function([g], [w], n_win=n_win))
            path = []
            for gradient in gradients:
                g.set_value(gradient.astype(dtype))
                step()
                path.append(w.get_value())
            paths.append(np.array(path))
    np.testing.assert_allclose(*paths, rtol=1e-4 if dtype == "float32" else 1e-12, atol=1e-9)


@pytest.mark.parametrize("name", ["apply_momentum", "apply_nesterov_momentum"])
def test_momentum_on_adam(name):
    paths = []
    for module in (ours, pymc3.updates):
        w = theano.shared(np.array([1.0, -3.0]), "w")
        updates = getattr(module, name)(module.adam((w**4).sum(), [w], 0.1), [w], 0.8)
        paths.append(run_path(updates, [w], 15))
    np.testing.assert_allclose(*paths, rtol=1e-10)


def test_norm_constraints():
    values = [np.random.RandomState(5).normal(size=s) for s in [(3, 4), (2, 3, 2)]]
    tensors = [theano.shared(v) for v in values]
    for tensor in tensors:
        mine, theirs = (m.norm_constraint(tensor, 1.0).eval() for m in (ours, pymc3.updates))
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)
    mine, theirs = (m.total_norm_constraint(tensors, 2.0, return_norm=True) for m in (ours, pymc3.updates))
    for one, other in zip(mine[0] + [mine[1]], theirs[0] + [theirs[1]]):
        np.testing.assert_allclose(one.eval(), other.eval(), rtol=1e-12)
