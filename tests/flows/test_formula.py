"""Formulas, and what is registered under which name."""

import pickle

from pymc3_vi.errors import ParametrizationError, UnknownNameError
from pymc3_vi.flows import (
    FLOWS,
    AbstractFlow,
    Formula,
    HouseholderFlow,
    LocFlow,
    PlanarFlow,
    RadialFlow,
    ScaleFlow,
    flow_for_params,
    flow_for_short_name,
    register_flow,
    seems_like_flow_params,
    seems_like_formula,
)
from pymc3_vi.graph import ParamSpec

import numpy as np
import pytest


@pytest.mark.parametrize(
    "formula, flows",
    [
        ("planar", [PlanarFlow]),
        ("planar*2", [PlanarFlow] * 2),
        ("planar-planar*2", [PlanarFlow] * 3),
        ("scale-hh*4-loc", [ScaleFlow] + [HouseholderFlow] * 4 + [LocFlow]),
        (" Radial * 2 - LOC ", [RadialFlow] * 2 + [LocFlow]),
    ],
)
def test_a_formula_lists_its_flows(formula, flows):
    assert Formula(formula).flows == flows
    assert Formula(formula).formula == formula.lower().replace(" ", "")


def test_a_chain_knows_its_formula():
    flow = Formula("scale-hh*2-loc")(dim=2)
    assert flow.formula == "scale-hh-hh-loc"
    assert Formula(flow.formula) == Formula("scale-hh*2-loc")
    assert Formula(Formula("loc")).formula == "loc"
    assert len({Formula("hh*2"), Formula("hh-hh")}) == 1


def test_a_formula_can_be_pickled():
    formula = pickle.loads(pickle.dumps(Formula("scale-hh*2")))
    assert formula.formula == "scale-hh*2" and formula.flows == [ScaleFlow, HouseholderFlow, HouseholderFlow]
    assert repr(formula) == "Formula('scale-hh*2')"


@pytest.mark.parametrize("formula, named, hint", [("plana*2", "plana", "planar"), ("scale-radal", "radal", "radial")])
def test_an_unknown_flow_is_named_with_the_closest_match(formula, named, hint):
    with pytest.raises(UnknownNameError) as caught:
        Formula(formula)
    assert isinstance(caught.value, KeyError)
    assert f"Unknown flow {named!r}. Did you mean {hint!r}?" in str(caught.value)


@pytest.mark.parametrize("formula", ["", "-", "planar-", "planar**2", "planar*", "planar*0", "planar*2.5", "*2"])
def test_a_malformed_formula_is_refused(formula):
    with pytest.raises(ParametrizationError) as caught:
        Formula(formula)
    assert "'formula'" in str(caught.value) and "scale-hh*4-loc" in str(caught.value)


def test_a_formula_must_be_a_string():
    with pytest.raises(TypeError, match="'formula' parameter of Formula must be a string"):
        Formula(3)


@pytest.mark.parametrize(
    "text, answer",
    [
        ("planar", True),
        ("scale-hh*4-loc", True),
        ("mean_field", False),
        ("", False),
        ("planar*x", False),
        (None, False),
    ],
)
def test_seems_like_formula(text, answer):
    assert seems_like_formula(text) is answer


def test_shapes_run_from_first_step_to_last():
    assert Formula("scale-planar-radial").get_param_spec_for(d=3) == {
        0: {"rho": (3,)},
        1: {"u": (3,), "w": (3,), "b": ()},
        2: {"a": (), "b": (), "z_ref": (3,)},
    }


def test_parameters_of_a_formula_are_counted_from_the_first_step():
    flow = Formula("scale-loc")(dim=2, params={1: {"loc": np.array([5.0, 6.0])}})
    np.testing.assert_array_equal(flow.shared_params["loc"].eval(), [5, 6])
    with pytest.raises(ParametrizationError, match=r"keys from 0 to 1.*Got the key 2"):
        Formula("scale-loc")(dim=2, params={2: {}})


@pytest.mark.parametrize(
    "params, flow",
    [
        ({"u", "w", "b"}, PlanarFlow),
        ({"a": 1, "b": 2, "z_ref": 3}, RadialFlow),
        (["v"], HouseholderFlow),
        (["rho"], ScaleFlow),
    ],
)
def test_flow_for_params(params, flow):
    assert flow_for_params(params) is flow
    assert AbstractFlow.flow_for_params(params) is flow


def test_unknown_parameters_are_named():
    with pytest.raises(UnknownNameError, match=r"No flow has the parameters \['q', 'u'\].*planar: \['b', 'u', 'w'\]"):
        flow_for_params({"u": 1, "q": 2})


def test_flow_for_short_name():
    assert flow_for_short_name("HH") is HouseholderFlow
    with pytest.raises(KeyError):
        flow_for_short_name("h")


@pytest.mark.parametrize(
    "params, answer",
    [
        ({0: {"loc": 1}}, True),
        ({0: {"rho": 1}, 1: {"u": 1, "w": 1, "b": 1}}, True),
        ({1: {"loc": 1}}, False),
        ({0: {"mu": 1}}, False),
        ({0: 3}, False),
        ({"mu": 1, "rho": 2}, False),
        ({}, False),
        (None, False),
    ],
)
def test_seems_like_flow_params(params, answer):
    assert seems_like_flow_params(params) is answer


class TestRegistration:
    def test_a_name_that_formulas_could_not_hold_is_refused(self):
        for bad in ("", "a-b", "a*2", "a b"):
            cls = type("Bad", (AbstractFlow,), {"short_name": bad, "param_specs": (ParamSpec("q", lambda d: (d,)),)})
            with pytest.raises(ValueError, match="'short_name' of Bad"):
                register_flow(cls)

    def test_parameter_names_of_another_flow_are_refused(self):
        cls = type("Double", (AbstractFlow,), {"short_name": "double", "param_specs": LocFlow.param_specs})
        with pytest.raises(ValueError, match="'loc'.*Double.*Rename one"):
            register_flow(cls)

    def test_a_taken_name_is_refused(self):
        cls = type("Other", (AbstractFlow,), {"short_name": "loc", "param_specs": (ParamSpec("q", lambda d: (d,)),)})
        with pytest.raises(ValueError, match="taken"):
            register_flow(cls)
        assert FLOWS.get("loc") is LocFlow

    def test_an_unfinished_flow_says_what_it_lacks(self):
        cls = type("Unfinished", (AbstractFlow,), {"short_name": "unfinished"})
        with pytest.raises(NotImplementedError, match=r"Unfinished must implement transform_and_log_det\(z, params\)"):
            _ = cls(dim=2).forward
        with pytest.raises(NotImplementedError, match="Unfinished must implement solve_jacobian_transpose"):
            cls(dim=2).solve_jacobian_transpose(None, None, None)
