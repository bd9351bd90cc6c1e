"""The table of parameters is complete, and its constraints do what their words say."""

import inspect

import pymc3_vi
import pymc3_vi.plots
from pymc3_vi.errors import ParameterTypeError, ParameterValueError, VariationalInferenceError
from pymc3_vi.parameters import PARAMETERS, as_markdown, check, checked

import numpy as np
import pytest
import theano.tensor as tt

#: Public names that are built of graphs, for those who write families, flows, kernels, operators or callbacks of their
#: own: what goes wrong with them shows where the graph is built.
FOR_DEVELOPERS = {
    "rbf", "imq", "Callback", "TestFunction", "Schedule", "PartialOptimizer", "PreconditionedOptimizer", "Updates",
    "optimizer", "zeros_like_param", "check_updates", "as_kernel", "median_bandwidth", "squared_distances",
    "weighted_differences", "FitCollection", "Calibration", "CrossValidation",
}  # fmt: skip
#: Methods of public classes that users call.
METHODS = {
    "Inference": ("fit", "refine", "resume", "save", "load", "restore", "run_profiling"),
    "DADVI": ("fit", "refine", "resume", "save", "run_profiling"),
    "ASVGD": ("fit", "run_profiling"),
    "MeanField": (
        "apply_replacements", "collect", "diagnose", "expectation", "frequentist_se", "generator", "group_of",
        "lrvb_cov", "reseed", "rslice", "sample", "sample_arrays", "sample_node", "sample_vp", "save",
        "set_size_and_deterministic", "summary", "to_inference_data",
    ),
    "Calibration": ("levels", "miscalibrated", "ranks"),
    "FitCollection": ("draws", "load", "save", "to_inference_data"),
    "Empirical": ("evaluate_over_trace",),
    "Group": ("reseed",),
    "ObjectiveFunction": ("build_step", "score_function", "step_function", "updates"),
    "Operator": ("__call__",),
    "Stein": ("updates",),
    "TestFunction": ("from_function",),
}  # fmt: skip


def _public():
    """Qualified name -> function, for all that users call."""
    found = {}
    modules = [pymc3_vi, pymc3_vi.plots, pymc3_vi.updates, pymc3_vi.test_functions]
    for module in modules:
        for name in module.__all__:
            thing = getattr(module, name)
            if name in FOR_DEVELOPERS or inspect.ismodule(thing) or not callable(thing):
                continue
            if inspect.isclass(thing):
                if issubclass(thing, BaseException) or "__init__" not in dir(thing):
                    continue
                found[name] = thing.__init__
            else:
                found[name] = thing
    for name, methods in METHODS.items():
        for method in methods:
            function = inspect.getattr_static(getattr(pymc3_vi, name), method)
            function = getattr(function, "__func__", function)
            found[f"{name}.{method}"] = function
    return found


def _parameters(function):
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return [
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.kind not in kinds and p.name not in ("self", "cls")
    ]


@pytest.mark.parametrize("name", sorted(_public()))
def test_every_parameter_of_what_users_call_is_in_the_table(name):
    function = _public()[name]
    if not _parameters(function):
        return
    key = function.__qualname__.replace(".__init__", "").replace(".__call__", "()")
    key = key if key in PARAMETERS else name
    assert set(_parameters(function)) <= set(PARAMETERS[key])


def test_a_function_that_the_table_does_not_know_is_found_when_it_is_defined():
    with pytest.raises(TypeError, match="rows of .*unknown.* differ in {'x'}"):

        @checked
        def unknown(x):
            return x


@pytest.mark.parametrize(
    "entry, parameter, given, taken",
    [
        ("fit", "n", np.int64(7), 7),
        ("fit", "n", np.array(7), 7),
        ("fit", "random_seed", np.uint32(7), 7),
        ("fit", "random_seed", [1, np.int64(2)], [1, 2]),
        ("DADVI.fit", "draws", "SOBOL", "sobol"),
        ("Inference.fit", "score", np.bool_(True), True),
        ("Inference.fit", "callbacks", print, [print]),
        ("Inference.fit", "callbacks", (print,), [print]),
        ("SVGD", "jitter", np.float32(0.5), 0.5),
        ("summary", "var_names", "mu", ["mu"]),
    ],
)
def test_what_notebooks_pass_is_taken_in_one_form(entry, parameter, given, taken):
    value = check(entry, parameter, PARAMETERS[entry][parameter], given)
    assert value == taken and type(value) is type(taken)


def test_generators_give_seeds_and_move_on():
    seed = PARAMETERS["fit"]["random_seed"]
    for make in (np.random.RandomState, np.random.default_rng):
        first, second = make(3), make(3)
        assert seed.take(first) == seed.take(second) != seed.take(first)


@pytest.mark.parametrize(
    "entry, parameter, value, error, words",
    [
        ("fit", "n", 1.5, ParameterTypeError, "must be an integer of at least 0. Got 1.5 instead."),
        ("fit", "n", 1e4, ParameterTypeError, r"Got 10000.0 instead. Write int\(10000.0\)."),
        ("fit", "n", True, ParameterTypeError, "Got True"),
        ("fit", "n", 10**20, ParameterValueError, "The largest is 1,000,000,000,000."),
        ("Inference.fit", "obj_n_mc", 0, ParameterValueError, "at least 1 .* Got 0"),
        ("Inference.fit", "obj_n_mc", 10**9, ParameterValueError, "take more steps. The largest is"),
        ("Inference.fit", "total_grad_norm_constraint", 0, ParameterValueError, "greater than 0"),
        ("Inference.fit", "total_grad_norm_constraint", tt.dscalar(), ParameterTypeError, r"use theano.shared\(...\)"),
        ("Inference.fit", "obj_optimizer", "adam", ParameterTypeError, r"Pass an optimizer such as pymc3_vi.adam\("),
        ("Inference.fit", "callbacks", [pymc3_vi.Tracker], ParameterTypeError, "position 0 .*instance: Tracker"),
        ("Inference.fit", "callbacks", [lambda approx: 0], ParameterTypeError, "cannot be called with 3 arguments"),
        ("Inference.fit", "more_updates", {1: 2}, ParameterTypeError, "Got 1 as a key instead"),
        ("Inference.fit", "fn_kwargs", {"profil": True}, ParameterValueError, "Did you mean 'profile'"),
        ("ADVI", "cost_part_grad_scale", float("nan"), ParameterValueError, "a finite number at least 0"),
        ("ADVI", "random_seed", -1, ParameterValueError, "RandomState or Generator"),
        ("ADVI", "start", {"mu": "a"}, VariationalInferenceError, "Got 'a' for 'mu' instead"),
        ("ADVI", "start", {"mu": None}, VariationalInferenceError, "Got None for 'mu' instead"),
        ("DADVI.fit", "draws", "sobl", ParameterValueError, "Did you mean 'sobol'"),
        ("summary", "var_names", [], ParameterValueError, "a name or a list of names"),
        ("summary", "hdi_prob", float("inf"), ParameterValueError, "greater than 0 and at most 1"),
        ("load", "into", 5, ParameterTypeError, "an Approximation, or None. Got 5"),
    ],
)  # fmt: skip
def test_refusals_name_the_parameter_and_say_what_to_do(entry, parameter, value, error, words):
    with pytest.raises(error, match=words) as caught:
        check(entry, parameter, PARAMETERS[entry][parameter], value)
    assert isinstance(caught.value, VariationalInferenceError) and f"{parameter!r} parameter of" in str(caught.value)


def test_any_value_can_be_shown():
    class Broken:
        def __repr__(self):
            raise RuntimeError("no text")

    for value, words in [
        (Broken(), "type Broken"),
        (list(range(10**5)), r"\[0, 1, 2, 3, 4, 5, ...\]"),
        ("x" * 999, r"\.\.\."),
    ]:
        with pytest.raises(ParameterTypeError, match=words) as caught:
            check("fit", "n", PARAMETERS["fit"]["n"], value)
        assert len(str(caught.value)) < 400


def test_calls_that_do_not_fit_the_signature():
    with pytest.raises(ParameterTypeError, match="refine cannot be called so: missing a required argument: 'n'"):
        pymc3_vi.Inference.refine(object())
    with pytest.raises(ParameterTypeError, match="load got an unknown keyword 'modle'. Did you mean 'model'"):
        pymc3_vi.load("a", modle=1)
    assert list(inspect.signature(pymc3_vi.load).parameters) == ["path", "model", "into", "same_data", "data"]


def test_the_page_has_every_row_in_the_words_of_the_checks():
    page = as_markdown()
    for name, rows in PARAMETERS.items():
        assert not rows or f"### `{name}`" in page
        for parameter, constraint in rows.items():
            assert f"| `{parameter}` | {constraint.allowed} |" in page
