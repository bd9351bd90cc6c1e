"""Constraints that many parameters share."""

import inspect

import theano

from ..errors import GroupError, ParametrizationError, StartError
from ._constraints import (
    AnyOf,
    Anything,
    Array,
    DictOf,
    Flag,
    Function,
    Instance,
    Interval,
    ListOf,
    Off,
    OneOf,
    Optional,
    Raising,
    Subclass,
    Text,
)
from ._graphs import Mode, Seed, Shared, SymbolicScalar, Tensor, Variable

__all__ = [
    "APPROX", "CALLBACKS", "CLIENT", "CORRECT", "DRAWS_MAX", "FITTED", "FLAG", "FLOW", "FN_KWARGS", "GRAD_SCALE",
    "GROUPS", "KERNEL", "LOCAL_RV", "MODEL", "NAMES", "NAME_OR_VARIABLE", "NODE", "OPERATOR_CLASS", "OPTIMIZER",
    "POSITIVE", "REPLACEMENTS", "SEED", "START", "STEPS", "STEP_OPTIONS", "TEST_FUNCTION", "TRACE", "count",
    "nodes",
]  # fmt: skip

#: Most draws that one call makes.
DRAWS_MAX = 10**8


def count(least=1, most=DRAWS_MAX, **kwargs):
    """A whole number of things."""
    return Interval(int, least, most, **kwargs)


FLAG = Flag()
POSITIVE = Interval(float, 0, low_open=True)
STEPS = count(0, 10**12, kind_hint="A model goes to model=..., or is opened with `with model:`.")
SEED = Seed()
MODEL = Optional(Instance("pymc3.Model", allowed="a pymc3.Model"))
START = Raising(Optional(AnyOf(Text("the name of a start"), DictOf(Text("a variable's name"), Array()))), StartError)
APPROX = Instance("pymc3_vi.Approximation", allowed="an Approximation", hint="Make one, e.g. MeanField(model=model).")
CLIENT = Instance(
    "distributed.Client", "concurrent.Executor", allowed="a dask.distributed.Client or a concurrent.futures.Executor"
)
FITTED = AnyOf(
    APPROX,
    Instance("pymc3.MultiTrace", allowed="a MultiTrace"),
    Instance("arviz.InferenceData", allowed="InferenceData"),
    DictOf(Text("a name"), Array(ndim=1), "a dict of arrays of draws", least=1),
    allowed="an Approximation, MultiTrace, InferenceData or dict of arrays (draws, ...)",
)
TRACE = Optional(
    AnyOf(
        Instance("pymc3.MultiTrace", allowed="a MultiTrace"),
        Instance("arviz.InferenceData", allowed="InferenceData"),
        DictOf(Text("a variable's name"), Array(ndim=1), "a dict of arrays of draws"),
    )
)
NAME_OR_VARIABLE = AnyOf(Text("a variable's name"), Variable("a variable"))
LOCAL_RV = Optional(
    DictOf(NAME_OR_VARIABLE, DictOf(AnyOf(Text(), Interval(int, 0)), Anything("a parameter"), "a dict of parameters"))
)
GROUPS = Raising(ListOf(Instance("pymc3_vi.Group", allowed="a Group"), allowed="a list of Groups", least=1), GroupError)
FLOW = AnyOf(Text("a string such as 'scale-hh*4-loc'", empty=True), Instance("pymc3_vi.Formula", allowed="a Formula"))
GRAD_SCALE = AnyOf(SymbolicScalar(Interval(float, 0), closed=True), Function("(step)"))
OPERATOR_CLASS = Subclass("pymc3_vi.Operator", allowed="an Operator class")
TEST_FUNCTION = AnyOf(
    Text("a kernel's name"),
    Instance("pymc3_vi.TestFunction", allowed="a TestFunction"),
    Subclass("pymc3_vi.TestFunction", allowed="a class of them"),
    Function("(X)"),
    allowed="a kernel name such as 'rbf' or 'imq', a callable X -> (K, dK) or a TestFunction",
)
KERNEL = Raising(TEST_FUNCTION, ParametrizationError)
NODE = AnyOf(Variable("an expression of the model's variables"), Text("the name of a variable"))
NAMES = Optional(ListOf(Text("a name"), "a name or a list of names", least=1, single=True))
CORRECT = Optional(
    AnyOf(
        Text("the name of a correction such as 'psis' or 'hmc'"),
        Function("(approx, draws, generator)"),
        Off(),
    )
)


def nodes():
    """One expression or several."""
    return AnyOf(NODE, ListOf(NODE, "a list of them", least=1))


CALLBACKS = Optional(
    ListOf(
        Function("(approx, losses, i)"),
        "a callable with signature (approx, losses, i) or a list of them",
        single=True,
    )
)
OPTIMIZER = Optional(
    Function("(loss_or_grads, params)", hint="Pass an optimizer such as pymc3_vi.adam(learning_rate=0.01).")
)
_PARAMS = Raising(Optional(ListOf(Shared(), "a list of shared variables")), ParametrizationError)
REPLACEMENTS = Optional(DictOf(Variable("a variable"), Tensor(), "a dict from variables to what stands in for them"))
_N_MC = count(1, 10**6, hint="With more draws a step is slower and a fit not better; take more steps.")

#: Options of one step, in the order of ``Inference.fit``.
STEP_OPTIONS = dict(
    obj_n_mc=Optional(_N_MC),
    tf_n_mc=Optional(_N_MC),
    obj_optimizer=OPTIMIZER,
    test_optimizer=OPTIMIZER,
    more_obj_params=_PARAMS,
    more_tf_params=_PARAMS,
    more_updates=Optional(DictOf(Shared(), Tensor(), "a dict from shared variables to their new values")),
    more_replacements=REPLACEMENTS,
    total_grad_norm_constraint=Optional(SymbolicScalar(POSITIVE, closed=True)),
)
#: Steps bring these themselves.
_OURS = ("inputs", "outputs", "updates")
_KEYWORDS = [name for name in inspect.signature(theano.function).parameters if name not in _OURS]
FN_KWARGS = Optional(
    DictOf(
        OneOf("engine", *_KEYWORDS),
        Anything("its value"),
        "a dict of keywords of theano.function, or 'engine'",
        special={
            "mode": Optional(Mode()),
            "profile": Optional(AnyOf(FLAG, Instance("theano.ProfileStats", allowed="a theano.ProfileStats"), Text())),
            "givens": Optional(AnyOf(DictOf(Variable(), Anything("its replacement")), ListOf(Anything("a pair")))),
            "on_unused_input": Optional(OneOf("raise", "warn", "ignore")),
            "no_default_updates": AnyOf(FLAG, ListOf(Variable())),
        },
    )
)
