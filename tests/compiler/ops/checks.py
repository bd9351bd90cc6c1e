"""Checks that every Op with C code must pass."""

from pymc3_vi.compiler import compile_function

import numpy as np
import theano
import theano.tensor as tt

PYTHON = theano.Mode(linker="py", optimizer="fast_compile")


def _in_python(inputs, outputs):
    """The graph without any C code."""
    return theano.function(inputs, outputs, mode=PYTHON, on_unused_input="ignore")


def evaluate(inputs, outputs, values, rtol=1e-12):
    """Results of the Op's C code, after checking that its Python code gives the same ones."""
    python = _in_python(inputs, outputs)(*values)
    compiled = compile_function(inputs, outputs)(*values)
    for a, b in zip(python, compiled):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        np.testing.assert_allclose(b, a, rtol=rtol, atol=rtol)
    return compiled


def check_gradient(build, values, rng, rtol=1e-6):
    """Compare the gradient of a random projection, in C and in Python, with central differences in Python.

    Parameters
    ----------
    build : callable
        Symbolic inputs -> output or list of outputs.
    values : list of float64 arrays
    """
    inputs = [tt.TensorType("float64", [n == 1 for n in value.shape])() for value in values]
    outputs = build(*inputs)
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    shapes = [r.shape for r in _in_python(inputs, list(outputs))(*values)]
    cost = sum((output * rng.standard_normal(shape)).sum() for output, shape in zip(outputs, shapes))
    gradients = evaluate(inputs, theano.grad(cost, inputs), values)
    function = _in_python(inputs, cost)
    for position, gradient in enumerate(gradients):
        direction = rng.standard_normal(values[position].shape)
        step = 1e-5
        ends = []
        for sign in (1, -1):
            moved = list(values)
            moved[position] = values[position] + sign * step * direction
            ends.append(float(function(*moved)))
        numeric = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose((gradient * direction).sum(), numeric, rtol=rtol, atol=1e-7)


def check_shapes(inputs, outputs, values):
    """`infer_shape` agrees with the shapes of the results, and needs no value of the Op."""
    results = compile_function(inputs, outputs)(*values)
    function = compile_function(inputs, [output.shape for output in outputs])
    own = {type(output.owner.op) for output in outputs}
    assert not any(type(node.op) in own for node in function.maker.fgraph.toposort())
    for result, shape in zip(results, function(*values)):
        assert result.shape == tuple(shape)
