"""Patches of PyMC3 and ArviZ, once they are imported, without which PyMC3 does not work with their versions."""

import functools
import sys

import arviz as az
import numpy as np
import theano
from pymc3.backends.base import MultiTrace
from pymc3.data import Minibatch
from theano.scalar.basic import Cast
from theano.tensor.opt import FusionOptimizer

from ..results import from_pymc3
from ._contexts import MODEL_CONTEXTS
from ._patch import Replacements

__all__ = ["REPAIRS"]


def _slices_in_tuples():
    make = Minibatch.make_static_slices

    @functools.wraps(make)
    def make_static_slices(user_size):
        slices = make(user_size)
        return tuple(slices) if isinstance(slices, list) else slices

    return [(Minibatch, "make_static_slices", staticmethod(make_static_slices))]


def _traces():
    convert = az.convert_to_inference_data

    @functools.wraps(convert)
    def convert_traces_too(obj, *args, **kwargs):
        if isinstance(obj, MultiTrace):
            return from_pymc3(obj, coords=kwargs.get("coords"), dims=kwargs.get("dims"))
        return convert(obj, *args, **kwargs)

    # ArviZ's modules import the function by name, so each holds a reference of its own.
    owners = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] == "arviz"]
    owners = [module for module in owners if vars(module).get("convert_to_inference_data") is convert]
    return [(owner, "convert_to_inference_data", convert_traces_too) for owner in owners]


def _casts_as_in_c():
    construct = Cast.impl

    @functools.wraps(construct)
    def impl(self, value):
        try:
            return construct(self, value)
        except (OverflowError, ValueError):
            with np.errstate(invalid="ignore"):
                return np.asarray(value).astype(self.o_type.dtype)[()]

    return [(Cast, "impl", impl)]


def _loops_for_numpy():
    fuse = FusionOptimizer.apply

    @functools.wraps(fuse)
    def apply(self, fgraph):
        return fuse(self, fgraph) if theano.config.cxx else None

    return [(FusionOptimizer, "apply", apply)]


REPAIRS = [
    MODEL_CONTEXTS,
    Replacements(
        "fusion",
        "Without a compiler Theano fuses loops over elements all the same, and calls Python for each element: "
        "pm.sample takes several times as long as with the loops of NumPy.",
        _loops_for_numpy,
        when="import",
    ),
    Replacements(
        "casts",
        "Theano's Python code for casts to integers raises for inf and NaN, where its C code gives a number: PyMC3 "
        "builds counts whose parameters overflow at the test point with a compiler, and not without one.",
        _casts_as_in_c,
        when="import",
    ),
    Replacements(
        "minibatch",
        "pm.Minibatch indexes its data with a list of slices, of which NumPy warns and which it refuses from 1.23 on; "
        "with a tuple the meaning is the one intended.",
        _slices_in_tuples,
        when="import",
    ),
    Replacements(
        "from_pymc3",
        "pm.sample calls arviz.from_pymc3, which ArviZ dropped in 0.13.",
        lambda: [(az, "from_pymc3", from_pymc3)],
        when="import",
        needed=not hasattr(az, "from_pymc3"),
    ),
    Replacements(
        "traces",
        "With from_pymc3, ArviZ lost the conversion of traces in az.summary, az.plot_trace, az.compare and the like.",
        _traces,
        when="import",
        needed=not hasattr(az, "from_pymc3"),
    ),
]
