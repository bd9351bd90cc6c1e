"""Start values of users on their way to the unconstrained scale."""

import pymc3_vi
from pymc3_vi.errors import StartError
from pymc3_vi.model import ModelView

import numpy as np
import pymc3 as pm
import pytest


@pytest.fixture(scope="module")
def view():
    with pymc3_vi.fast_build(), pm.Model() as model:
        top = pm.HalfNormal("top", 5.0, testval=2.0)
        pm.Uniform("u", 0.0, top, testval=0.5)
        pm.Uniform("twice", -top, 2 * top, testval=0.5)
        pm.LKJCholeskyCov("c", n=2, eta=1, sd_dist=pm.HalfNormal.dist(1.0))
        pm.Dirichlet("w", np.ones(3))
        pm.Normal("o", 0.0, 1.0, shape=4, transform=pm.transforms.ordered, testval=np.arange(4.0))
        pm.Normal("n", 0.0, 1.0, shape=4)
    return ModelView(model)


def test_bounds_that_are_variables_have_their_own_start(view):
    for seed in range(3):
        np.random.seed(seed)
        assert view.start({"u": 1.0})["u_interval__"] == pytest.approx(np.log(1 / (2 - 1)))
        assert view.start({"twice": 1.0})["twice_interval__"] == pytest.approx(np.log(3 / 3))
    state = np.random.get_state()[1].copy()
    assert view.start({"u": 1.0, "top": 4.0})["u_interval__"] == pytest.approx(np.log(1 / 3))
    assert view.start({"u": 1.0, "top_log__": np.log(5.0)})["u_interval__"] == pytest.approx(np.log(1 / 4))
    np.testing.assert_array_equal(np.random.get_state()[1], state)


@pytest.mark.parametrize("name, value", [("c", [2.0, 0.1, 3.0]), ("w", [0.25, 0.25, 0.5]), ("o", [1.0, 2.0, 4.0, 8.0])])
def test_arrays_are_not_changed_and_lists_will_do(view, name, value):
    start = {name: np.array(value)}
    first, second = view.start(start), view.start(start)
    np.testing.assert_array_equal(start[name], value)
    for key in first:
        np.testing.assert_array_equal(first[key], second[key])
        np.testing.assert_array_equal(first[key], view.start({name: value})[key])
    model = view.model
    transform = model.named_vars[name].transformation
    free = next(v for v in view.names if v.startswith(name + "_"))
    np.testing.assert_allclose(transform.backward(first[free]).eval(), value, rtol=1e-6)


@pytest.mark.parametrize("name", ["o", "n"])
@pytest.mark.parametrize("value", [[5.0], [1.0, 2.0, 3.0], np.ones((1, 4)), np.ones((4, 1))])
def test_shapes_are_exact(view, name, value):
    with pytest.raises(StartError, match=rf"{name!r} must have shape \(4,\)"):
        view.start({name: value})


def test_single_numbers_are_repeated(view):
    np.testing.assert_array_equal(view.start({"n": 2.5})["n"], np.full(4, 2.5))


@pytest.mark.parametrize("value", ["a", {"b": 1}, [1.0, [2.0, 3.0]]])
def test_what_is_no_number_is_refused(view, value):
    with pytest.raises(StartError, match="'n' must be numbers of shape"):
        view.start({"n": value})
