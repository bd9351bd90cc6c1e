"""Parameters, Jacobians and evaluation for the tests of flows."""

import numpy as np
import theano
import theano.tensor as tt


def random_params(flow_class, d, rng, rows=None, size=1.0):
    """Arrays of standard normal numbers times `size`, nothing like the initial values."""
    lead = () if rows is None else (rows,)
    return {name: size * rng.normal(size=lead + shape) for name, shape in flow_class.get_param_spec_for(d=d).items()}


def evaluate(outputs, given=()):
    """Values of `outputs` (one or a list), with ``{input: array}`` given."""
    given = dict(given)
    function = theano.function(list(given), outputs, on_unused_input="ignore", mode="FAST_COMPILE")
    return function(*given.values())


def jacobian(z_next, z, d):
    """Symbolic d x d Jacobian of one draw, a gradient per row."""
    return tt.stack([tt.grad(z_next[i], z, disconnected_inputs="ignore") for i in range(d)])


def jacobians(transform, values):
    """Jacobian (d, d) of `transform` (vector to vector) at each row of `values` (s, d)."""
    d = values.shape[1]
    z = tt.vector("z", dtype=values.dtype)
    function = theano.function([z], jacobian(transform(z), z, d), mode="FAST_COMPILE")
    return np.stack([function(row) for row in values])
