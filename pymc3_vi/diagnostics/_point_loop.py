"""log p and its gradient at many points, one after the other in one compiled call."""

from collections import OrderedDict

import numpy as np
import theano
import theano.tensor as tt

from ..compiler import compile_function, release_memory, with_linear_algebra_in_c, without_test_values
from ..graph import floatx, substitute
from ..steps import run_rows

__all__ = ["PointLoop"]


class PointLoop:
    """Function from points, one matrix (s, d) a group, to values (s,) and gradients (s, d) a group.

    Where the temporaries of a few points together leave the processor's cache (covariances of a Gaussian process, say),
    single points are several times as fast as a batched graph, as long as no Python is between them.

    Parameters
    ----------
    approx : Approximation
        Whose groups' draws the points are.
    terms : list of Variable
        Graphs of the model's variables whose sum is evaluated.
    fn_kwargs : dict
        Of ``compile_function``.
    """

    @without_test_values
    def __init__(self, approx, terms, fn_kwargs):
        dtype = theano.config.floatX
        self._row = theano.shared(np.int64(0), "row")
        self._points = [theano.shared(np.zeros((1, g.ddim), dtype=dtype), "points") for g in approx.groups]
        self._slopes = [theano.shared(np.zeros((1, g.ddim), dtype=dtype), "slopes") for g in approx.groups]
        self._values = theano.shared(np.zeros(1), "values")
        rows = [block[self._row] for block in self._points]
        draws = [row.clone() for row in rows]
        (logp,) = with_linear_algebra_in_c([tt.add(*approx.evaluate(terms, draws, batched=False))])
        nodes = [logp] + tt.grad(logp, draws, disconnected_inputs="ignore")
        value, *slopes = substitute(nodes, dict(zip(draws, rows)))
        updates = OrderedDict()
        updates[self._values] = tt.set_subtensor(self._values[self._row], tt.cast(value, "float64"))
        for shared, slope in zip(self._slopes, slopes):
            updates[shared] = tt.set_subtensor(shared[self._row], floatx(slope))
        updates[self._row] = self._row + 1
        self._function = compile_function([], None, updates=updates, name="log density", stable=True, **fn_kwargs)

    @property
    def profile(self):
        """Theano's profile, when compiled with ``profile=True``."""
        return self._function.profile

    def __call__(self, *points):
        """Value (s,) and gradients, one array (s, d) a group; NaN at points for which an Op raises."""
        count = len(points[0])
        for shared, value in zip(self._points, points):
            shared.set_value(value, borrow=True)
        for shared in self._slopes:
            shared.set_value(np.zeros((count,) + shared.get_value(borrow=True).shape[1:], shared.dtype), borrow=True)
        self._values.set_value(np.zeros(count), borrow=True)
        self._row.set_value(np.int64(0))
        outputs = [self._values] + self._slopes
        run_rows(self._function, self._row, outputs, count)
        release_memory(self._function)
        return [np.array(shared.get_value(borrow=True)) for shared in outputs]
