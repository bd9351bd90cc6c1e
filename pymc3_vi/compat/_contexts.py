"""``with model:`` leaves Theano's flags as it found them.

A model keeps one context of flags, and an inner ``with`` on the same model, which PyMC3 opens for every variable,
overwrites that of the outer one: ``compute_test_value='raise'`` stays on after the first model.  Building graphs then
fails on test values that nobody asked for.  Here every entry has a context of its own, and for its own thread, as
PyMC3's stack of models is.
"""

import threading

import pymc3 as pm
import theano

from ..compiler import flags
from ._patch import Replacements

__all__ = ["MODEL_CONTEXTS", "take_back_flags"]

_thread = threading.local()  # .entered: those of this thread, the innermost last


class _Entry:
    """One ``with model:``, in place of Theano's context of flags."""

    def __init__(self, model, changes):
        self.model, self._flags = model, flags(**changes)

    def __enter__(self):
        self._flags.__enter__()

    def __exit__(self, *error):
        _thread.entered.remove(self)
        self._flags.__exit__(None, None, None)


def _innermost(model):
    """Of this model in this thread, or None."""
    return next((e for e in reversed(getattr(_thread, "entered", ())) if e.model is model), None)


def _enter(model, context):
    # PyMC3 sets None first, and then a context that it enters at once.
    if context is not None:
        vars(_thread).setdefault("entered", []).append(_Entry(model, context.new_vals))


MODEL_CONTEXTS = Replacements(
    "model_contexts",
    "A model that is entered twice leaves compute_test_value='raise' on, under which building graphs fails.",
    lambda: [(pm.Model, "_config_context", property(_innermost, _enter))],
    when="import",
)


def take_back_flags():
    """Take back what models before the patch have left."""
    parameter = theano.config._config_var_dict["compute_test_value"]
    had_models = hasattr(pm.Model, "contexts") and not pm.Model.get_contexts()
    if had_models and parameter.is_default and theano.config.compute_test_value == "raise":
        theano.config.compute_test_value = parameter.default
