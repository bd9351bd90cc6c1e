"""Arrays of draws as a PyMC3 trace."""

import numpy as np
from pymc3.backends.base import MultiTrace
from pymc3.backends.ndarray import NDArray

from ..compiler import building
from ..errors import ParametrizationError

__all__ = ["trace_from_arrays", "draws_from_trace"]


class _ArrayTrace(NDArray):
    """One chain around finished arrays.

    PyMC3's own constructor compiles a function of the model only to learn shapes that the arrays already tell.
    """

    def __init__(self, model, variables, arrays, chain):
        self.name = None
        self.model = model
        self.vars = variables
        self.varnames = [v.name for v in variables]
        self.var_shapes = {name: arrays[name].shape[1:] for name in self.varnames}
        self.var_dtypes = {name: arrays[name].dtype for name in self.varnames}
        self.chain = chain
        self.sampler_vars = None
        self.samples = {name: arrays[name] for name in self.varnames}
        self.draws = self.draw_idx = len(next(iter(arrays.values())))
        self._is_base_setup = True
        self._warnings = []
        self._stats = None

    @property
    def fn(self):
        """Function point -> values of the variables, compiled when first used."""
        if "_fn" not in self.__dict__:
            self._fn = self.model.fastfn(self.vars)
        return self._fn

    def _slice(self, idx):
        start, stop, step = idx.indices(len(self))
        arrays = {name: values[start:stop:step] for name, values in self.samples.items()}
        return _ArrayTrace(self.model, self.vars, arrays, self.chain)


def trace_from_arrays(view, arrays, chain=0):
    """MultiTrace with one chain.

    Parameters
    ----------
    view : ModelView
    arrays : dict of name to ndarray
        Draws with a leading sample axis.
    """
    variables = [v for v in view.model.unobserved_RVs if v.name in arrays]
    return MultiTrace([_ArrayTrace(view.model, variables, arrays, chain)])


def draws_from_trace(view, trace, layout):
    """Matrix (n, d) of unconstrained draws of the layout's variables.

    Parameters
    ----------
    view : ModelView
    trace : MultiTrace, arviz.InferenceData, or dict of name to array (draws, ...)
        Chains are put one after another.  Where only an untransformed variable is present, it is transformed.
    layout : FlatLayout

    Raises
    ------
    ParametrizationError
        If a variable is missing.
    """
    columns = [_draws_of(view, trace, name) for name in layout.names]
    sizes = {len(c) for c in columns}
    if len(sizes) > 1:
        raise ParametrizationError(
            f"The 'trace' parameter must hold equally many draws of every variable. Got {sizes}."
        )
    return np.concatenate([np.reshape(c, (len(c), -1)) for c in columns], axis=1)


def _draws_of(view, trace, name):
    values = _lookup(trace, name)
    if values is not None:
        return values
    plain = view.untransformed_name(name)
    values = _lookup(trace, plain) if plain != name else None
    if values is None:
        raise ParametrizationError(
            f"The 'trace' parameter has not all free variables: {name!r} is missing. "
            "Sample with all variables kept, or with include_transformed=True."
        )
    transform = view.model.named_vars[plain].transformation
    with building(cxx=""):
        return np.stack([np.asarray(transform.forward_val(value, point={})) for value in values])


def _lookup(trace, name):
    """Draws (n, ...) called `name`, or None."""
    if isinstance(trace, MultiTrace):
        return trace.get_values(name) if name in trace.varnames else None
    if hasattr(trace, "posterior"):
        for group in ("posterior", "unconstrained_posterior"):
            data = getattr(trace, group, {})
            if name in data:
                values = np.asarray(data[name])
                return values.reshape((-1,) + values.shape[2:])
        return None
    return np.asarray(trace[name]) if name in trace else None
