"""Data, names and expressions that do not belong together are refused, or warned of."""

import warnings

import pymc3_vi
from pymc3_vi.errors import GroupError, ParameterTypeError, ParametrizationError, ScalingWarning, UnknownNameError
from pymc3_vi.model import ModelView
from pymc3_vi.model._aligned import batches_behind, random_states

import numpy as np
import pymc3 as pm
import pytest
import theano.tensor as tt


def _normal(**observed):
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("y", pm.Normal("mu", 0.0, 1.0), 1.0, **observed)
    return model


def _regression(rows=(100, 100), seeds=(42, 42), **kwargs):
    rng = np.random.default_rng(1)
    with pymc3_vi.fast_build(), pm.Model() as model:
        x = pm.Minibatch(rng.normal(size=rows[0]), 10, random_seed=seeds[0], name="X")
        y = pm.Minibatch(rng.normal(size=rows[1]), 10, random_seed=seeds[1], name="Y")
        pm.Normal("y", pm.Normal("slope", 0.0, 1.0) * x, 1.0, observed=y, **kwargs)
    return model


@pytest.mark.parametrize("total_size, least", [(0, 3), (-5, 3), (2, 3)])
def test_total_size_of_less_than_the_rows(total_size, least):
    model = _normal(observed=np.arange(3.0), total_size=total_size)
    with pytest.raises(
        ParametrizationError, match=f"'total_size' of variable 'y' must be at least {least}.*Got {total_size}"
    ):
        ModelView(model).check_start()


@pytest.mark.parametrize("total_size", [[2, 4], [Ellipsis, 3], [None, 1], (3, 0)])
def test_total_size_by_axis(total_size):
    model = _normal(observed=np.zeros((3, 4)), total_size=total_size)
    with pytest.raises(ParametrizationError, match="'total_size' of variable 'y'"):
        ModelView(model).check_start()


@pytest.mark.parametrize("total_size", [None, 3, 300, [3, 4], [300], [300, Ellipsis], [Ellipsis, 4], [None, 40]])
def test_what_total_size_may_be(total_size):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ScalingWarning)
        ModelView(_normal(observed=np.zeros((3, 4)), total_size=total_size)).check_start()


@pytest.mark.parametrize("wrong", [dict(rows=(100, 80)), dict(seeds=(1, 42)), dict(rows=(50, 100), seeds=(1, 2))])
def test_minibatches_of_different_rows(wrong):
    model = _regression(total_size=100, **wrong)
    with pytest.raises(ParametrizationError, match="likelihood of 'y' joins minibatches .* 'X' .* 'Y'.* random_seed"):
        ModelView(model).check_start()


@pytest.mark.parametrize("which", [0, 1])
def test_a_minibatch_that_was_evaluated_alone(which):
    """As PyMC3's predictive draws do; the next batches show the same rows again."""
    model = _regression(total_size=100)
    ModelView(model).check_start()
    batches = batches_behind(model.logpt)[:2]
    with pymc3_vi.fast_build():
        batches[which].eval()
    ModelView(model).check_start()
    states = [random_states(batch)[0].get_value() for batch in batches]
    np.testing.assert_array_equal(*states)


def test_minibatches_of_the_same_rows():
    with warnings.catch_warnings():
        warnings.simplefilter("error", ScalingWarning)
        ModelView(_regression(total_size=100)).check_start()
        ModelView(_regression(total_size=100, seeds=(7, 7))).check_start()


def test_columns_of_two_loaders_or_of_a_loader_and_a_minibatch():
    first, second = (pymc3_vi.DataLoader({"x": np.zeros(30), "y": np.zeros(30)}, 10) for _ in range(2))
    for other in (second["x"], pm.Minibatch(np.zeros(30), 10)):
        with pymc3_vi.fast_build(), pm.Model() as model:
            pm.Normal("y", pm.Normal("slope", 0.0, 1.0) * other, 1.0, observed=first["y"], total_size=30)
        with pytest.raises(ParametrizationError, match="'y' reads batches .* do not belong together.*one pymc3_vi"):
            ModelView(model).check_start()


def test_rows_and_columns_picked_apart():
    """A matrix in two random axes, with the effects of its rows and columns picked by the same seeds."""
    data = np.zeros((30, 20))
    with pymc3_vi.fast_build(), pm.Model() as model:
        y = pm.Minibatch(data, [(5, 1), (4, 2)])
        rows = pm.Minibatch(np.arange(30), [(5, 1)], dtype="int64")
        columns = pm.Minibatch(np.arange(20), [(4, 2)], dtype="int64")
        a, b = pm.Normal("a", 0.0, 1.0, shape=30), pm.Normal("b", 0.0, 1.0, shape=20)
        pm.Normal("y", a[rows][:, None] + b[columns][None, :], 1.0, observed=y, total_size=[30, 20])
    ModelView(model).check_start()


def test_a_minibatch_without_total_size():
    with pytest.warns(ScalingWarning, match="'y' is a minibatch without total_size.*total_size=100"):
        ModelView(_regression()).check_start()


def test_a_name_that_pymc3_keeps():
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("a_log__", 0.0, 1.0)
    with pytest.raises(ParametrizationError, match="'a_log__' has a name that PyMC3 keeps.*Rename"):
        pymc3_vi.ADVI(model=model)
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.HalfNormal("a", 1.0)
        pm.Normal("log__", 0.0, 1.0)
    assert ModelView(model).names == ["a_log__", "log__"]


def test_expressions_of_the_models_variables():
    model, other = _normal(), _normal()
    view, free = ModelView(model), tt.dscalar("free")
    assert view.nodes("mu", "node", "f") is model["mu"]
    assert view.nodes(["mu", free], "node", "f")[1] is free
    assert view.nodes(other["mu"] * 2, "node", "f", replacements={other["mu"]: 1.0}).owner is not None
    with pytest.raises(UnknownNameError, match="'node' parameter of f .*'muu'.*Did you mean 'mu'"):
        view.nodes("muu", "node", "f")
    with pytest.raises(ParameterTypeError, match="mu .*which is a variable of another model"):
        view.nodes(model["mu"] + other["mu"], "node", "f")
    with pytest.raises(ParameterTypeError, match="free, which has no value"):
        view.nodes(model["mu"] + free, "node", "f", closed=True)


@pytest.mark.parametrize("nested", [False, True])
def test_a_variable_of_another_model_in_a_group(nested):
    outer = _normal()
    with pymc3_vi.fast_build(), outer, pm.Model("inner") as inner:
        pm.Normal("mu", 0.0, 1.0)
    model = _normal() if not nested else inner
    with pytest.raises(GroupError, match="'group' parameter of MeanFieldGroup is wrong: .*mu.* is not a free"):
        pymc3_vi.Group([_normal()["mu"]], vfam="mf", model=model)
