"""Values on the scale that users gave variables, for those whose transforms act value by value."""

import numpy as np
import theano
import theano.tensor as tt
from pymc3.distributions.transforms import ElemwiseTransform
from pymc3.util import get_untransformed_name, is_transformed_name
from theano.graph.basic import Constant, graph_inputs

from ..compiler import compile_function, without_test_values

__all__ = ["Constrained"]

#: Not worth rewriting: one short formula a variable.
_MODE = theano.Mode("py", optimizer=None)


class Constrained:
    """Function from flat points (..., d) to the constrained values (..., k) of their transformed variables.

    Variables whose transform mixes values (a simplex, say), or whose bounds are random, are left out.

    Parameters
    ----------
    model : pymc3.Model
    layout : Layout

    Attributes
    ----------
    labels : list of str
    """

    def __init__(self, model, layout):
        self.labels, self._parts = [], []
        names = layout.labels()
        for entry in layout.vmap:
            function = _backward(model, entry.var)
            if function is not None:
                own = get_untransformed_name(entry.var)
                self.labels += [label.replace(entry.var, own, 1) for label in names[entry.slc]]
                self._parts.append((entry, function))

    def __call__(self, z):
        lead, values = z.shape[:-1], []
        for entry, function in self._parts:
            flat = z[..., entry.slc].reshape((-1,) + tuple(entry.shp)).astype(theano.config.floatX)
            values.append(np.asarray(function(flat), dtype="float64").reshape(lead + (-1,)))
        return np.concatenate(values, axis=-1) if values else np.empty(lead + (0,))


@without_test_values
def _backward(model, name):
    """Compiled backward transform of the free variable `name`, by Python; None where it has none of its own."""
    whole = model.named_vars.get(get_untransformed_name(name)) if is_transformed_name(name) else None
    transform = getattr(whole, "transformation", None)
    if not isinstance(transform, ElemwiseTransform):
        return None
    x = tt.TensorType(theano.config.floatX, (False,) * (1 + model.named_vars[name].ndim))()
    node = transform.backward(x)
    others = [v for v in graph_inputs([node]) if v is not x]
    if not all(isinstance(v, (Constant, theano.compile.SharedVariable)) for v in others):
        return None
    return compile_function([x], node, mode=_MODE)
