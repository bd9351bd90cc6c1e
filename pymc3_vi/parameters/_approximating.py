"""What approximations, groups, operators, kernels and flows take."""

from ._common import (
    APPROX,
    FLAG,
    FLOW,
    FN_KWARGS,
    GRAD_SCALE,
    GROUPS,
    KERNEL,
    LOCAL_RV,
    MODEL,
    NAME_OR_VARIABLE,
    POSITIVE,
    REPLACEMENTS,
    SEED,
    START,
    STEP_OPTIONS,
    TRACE,
    count,
    nodes,
)
from ._constraints import AnyOf, Anything, DictOf, Instance, Interval, ListOf, OneOf, Optional, Text
from ._graphs import Seed, SymbolicScalar, Tensor, Variable

__all__ = ["APPROXIMATING"]

_FAMILY = dict(
    start=START,
    trace=TRACE,
    size=Optional(count(1, 10**7)),
    jitter=Interval(float, 0),
    flow=Optional(FLOW),
    params=Optional(
        DictOf(AnyOf(Text("a parameter's name"), Interval(int, 0)), Anything("its value"), "a dict of parameters")
    ),
    options=Optional(DictOf(Text("a name"), Anything("its value"))),
    rowwise=FLAG,
)
_MEAN_FIELD = dict(
    _FAMILY,
    local_rv=LOCAL_RV,
    model=MODEL,
    cost_part_grad_scale=GRAD_SCALE,
    scale_cost_to_minibatch=FLAG,
    random_seed=SEED,
)
_DETERMINISTIC = SymbolicScalar(FLAG)
_SIZE = Optional(SymbolicScalar(count()))
_OPERATOR = Instance("pymc3_vi.Operator", allowed="an Operator on an approximation, e.g. KL(approx)")
_TEST_FUNCTION = Instance("pymc3_vi.TestFunction", allowed="a TestFunction")
_FLOW_PARAMS = Optional(DictOf(AnyOf(Text(), Interval(int, 0)), Anything("its value"), "a dict of parameters"))

APPROXIMATING = {
    "Group": dict(
        _FAMILY,
        group=Optional(ListOf(NAME_OR_VARIABLE, "a list of variables or of their names", single=True)),
        vfam=Optional(Text("the name of a family or a flow formula")),
        random_seed=SEED,
        model=MODEL,
        local=FLAG,
    ),
    "Group.reseed": dict(random_seed=SEED),
    "Approximation": dict(groups=GROUPS, model=MODEL, cost_part_grad_scale=GRAD_SCALE, scale_cost_to_minibatch=FLAG),
    "SingleGroupApproximation": _MEAN_FIELD,
    "MeanField": _MEAN_FIELD,
    "FullRank": _MEAN_FIELD,
    "Empirical": _MEAN_FIELD,
    "NormalizingFlow": _MEAN_FIELD,
    "Approximation.collect": dict(
        item=Text("the name of an attribute"), part=OneOf("total", "local", "global", "batched")
    ),
    "Approximation.group_of": dict(variable=NAME_OR_VARIABLE),
    "Approximation.reseed": dict(random_seed=SEED),
    "Approximation.sample_node": dict(
        node=nodes(), size=_SIZE, deterministic=_DETERMINISTIC, more_replacements=REPLACEMENTS
    ),
    "Approximation.apply_replacements": dict(
        node=nodes(), more_replacements=REPLACEMENTS, deterministic=_DETERMINISTIC
    ),
    "JointPlaceholders.set_size_and_deterministic": dict(
        node=AnyOf(Variable(), ListOf(Variable(), "a list of them")),
        s=_SIZE,
        d=_DETERMINISTIC,
        more_replacements=REPLACEMENTS,
        test_values=Optional(AnyOf(Variable(), ListOf(Variable(), "a list of them"))),
    ),
    "JointPlaceholders.rslice": dict(name=Text("the name of a variable")),
    "Empirical.evaluate_over_trace": dict(node=nodes()),
    "Operator": dict(approx=APPROX),
    "KL": dict(approx=APPROX, beta=Interval(float, 0)),
    "KSD": dict(approx=APPROX, temperature=POSITIVE),
    "KSD.stein": dict(f=KERNEL),
    "Operator()": dict(f=Optional(KERNEL)),
    "ObjectiveFunction": dict(op=_OPERATOR, tf=_TEST_FUNCTION),
    "ObjectiveFunction.build_step": dict(score=FLAG, **STEP_OPTIONS),
    "ObjectiveFunction.step_function": dict(score=FLAG, fn_kwargs=FN_KWARGS, **STEP_OPTIONS),
    "ObjectiveFunction.updates": STEP_OPTIONS,
    "ObjectiveFunction.score_function": dict(
        sc_n_mc=Optional(SymbolicScalar(count(1, 10**6))), more_replacements=REPLACEMENTS, fn_kwargs=FN_KWARGS
    ),
    "Stein": dict(
        approx=APPROX,
        kernel=KERNEL,
        use_histogram=FLAG,
        temperature=POSITIVE,
        terms=Optional(Instance("pymc3_vi.Terms", allowed="evaluated log densities")),
    ),
    "Stein.updates": dict(obj=Instance("pymc3_vi.ObjectiveFunction", allowed="an ObjectiveFunction"), **STEP_OPTIONS),
    "TestFunction.from_function": dict(f=KERNEL),
    "RBF": dict(bandwidth=Optional(SymbolicScalar(POSITIVE))),
    "IMQ": dict(
        bandwidth=Optional(SymbolicScalar(POSITIVE)), beta=Interval(float, -1, 0, low_open=True, high_open=True)
    ),
    "Formula": dict(formula=FLOW),
    "Formula()": dict(
        z0=Optional(AnyOf(Instance("pymc3_vi.AbstractFlow", allowed="a flow"), Tensor())),
        dim=Optional(count(1, 10**7)),
        jitter=Interval(float, 0),
        params=_FLOW_PARAMS,
        batch_size=Optional(Interval(int, -1, 10**9)),
        local=FLAG,
        random_seed=Seed(keep=True),
    ),
}
APPROXIMATING["AbstractFlow"] = APPROXIMATING["Formula()"]
