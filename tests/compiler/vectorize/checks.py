"""Comparison of a batched graph with a loop over the single graph."""

import itertools

from pymc3_vi.compiler.vectorize import record_fallbacks, vectorize_graph

import numpy as np
import theano
import theano.tensor as tt
from theano.compile.mode import Mode

RTOL = 1e-10


def compiled(inputs, outputs):
    """Function on the Python linker."""
    with theano.config.change_flags(cxx="", compute_test_value="off"):
        return theano.function(inputs, outputs, mode=Mode("py", "fast_compile"), on_unused_input="ignore")


def placeholder(value, lead=()):
    """Float64 variable of the shape of `value`, with axes of one element broadcastable, after the axes `lead`."""
    return tt.TensorType("float64", tuple(lead) + tuple(n == 1 for n in np.shape(value)))()


def _gradients(cost, inputs):
    return tt.grad(cost, inputs, disconnected_inputs="ignore")


def check_against_loop(build, values, batched=None, sizes=(1, 3), gradient=True, fallbacks=(), rng=None):
    """Assert that values and gradients of the batched graph are those of one graph per element.

    Parameters
    ----------
    build : callable
        Takes the variables, returns an output or a list of them.
    values : list of arrays
        One point of the single graph; the batches are drawn around it.
    batched : list of tuples of bool, optional
        Which inputs are batched; by default every combination with at least one batched input.
    fallbacks : tuple of str
        Types of the Ops that are expected to be left to a loop.
    """
    rng = rng or np.random.default_rng(7)
    values = [np.asarray(v, dtype="float64") for v in values]
    choices = batched or [c for c in itertools.product([True, False], repeat=len(values)) if any(c)]
    for flags in choices:
        with theano.config.change_flags(compute_test_value="off"):
            single_inputs = [placeholder(v) for v in values]
            outputs = build(*single_inputs)
            outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
            inputs = [placeholder(v, (False,)) if f else x for v, f, x in zip(values, flags, single_inputs)]
            replace = {x: b for x, b, f in zip(single_inputs, inputs, flags) if f}
            with record_fallbacks() as records:
                results = vectorize_graph(outputs, replace)
            assert sorted({type(op).__name__ for op, _ in records}) == sorted(fallbacks)
            for result, output in zip(results, outputs):
                assert result.type == tt.TensorType(output.dtype, (False,) + tuple(output.broadcastable))
            single, many = list(outputs), list(results)
            if gradient:
                floats = [k for k, output in enumerate(outputs) if output.dtype.startswith("float")]
                weighed = [tt.sum(tt.cos(outputs[k] + k)) for k in floats]
                single += _gradients(sum(weighed), single_inputs)
                costs = vectorize_graph(weighed, replace)
                many += _gradients(sum(tt.sum(cost) for cost in costs), inputs)
        one, all_at_once = compiled(single_inputs, single), compiled(inputs, many)
        for size in sizes:
            batch = [v + 0.1 * rng.standard_normal((size,) + v.shape) if f else v for v, f in zip(values, flags)]
            found = all_at_once(*batch)
            loop = [one(*[b[s] if f else b for b, f in zip(batch, flags)]) for s in range(size)]
            _compare(found, loop, len(outputs), flags, f"batched {flags}, S = {size}")


def _compare(found, loop, n_outputs, flags, label):
    for k, got in enumerate(found):
        wanted = np.stack([values[k] for values in loop])
        if k >= n_outputs and not flags[k - n_outputs]:
            wanted = wanted.sum(axis=0)
        assert np.all(np.isfinite(wanted)), f"{label}: the single graph is not finite"
        assert got.shape == wanted.shape, label
        scale = np.max(np.abs(wanted), initial=0)
        np.testing.assert_allclose(got, wanted, rtol=RTOL, atol=1e-13 * (1 + scale), err_msg=f"{label}, result {k}")
