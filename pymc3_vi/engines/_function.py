"""The one way in which the package makes a Theano function."""
import theano

from .. import _compat  # noqa: F401
from ..registry import Registry

__all__ = ["ENGINES", "compile_function", "run_steps"]

ENGINES = Registry("engine")


def _stock(inputs, outputs, **kwargs):
    with theano.config.change_flags(compute_test_value="off"):
        return theano.function(inputs, outputs, **kwargs)


ENGINES.register("theano", _stock)
ENGINES.register("island", _stock)


def compile_function(
    inputs,
    outputs=None,
    updates=None,
    givens=None,
    *,
    engine="island",
    mode=None,
    on_unused_input="ignore",
    name=None,
    **fn_kwargs
):
    """Compile a Theano function with one of the engines."""
    arguments = dict(updates=updates, givens=givens, on_unused_input=on_unused_input, name=name, **fn_kwargs)
    if mode is not None or fn_kwargs.get("profile"):
        return _stock(inputs, outputs, mode=mode, **arguments)
    return ENGINES.get(engine)(inputs, outputs, **arguments)


def run_steps(function, k):
    """Call `function`, which takes no arguments, `k` times."""
    for _ in range(k):
        function()
