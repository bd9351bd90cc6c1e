"""log p and its gradient at many points, one after the other in one compiled call."""

from collections import OrderedDict

import numpy as np
import theano
import theano.tensor as tt

from ..compiler import (
    as_undefined,
    calls_done,
    compile_function,
    release_memory,
    run_steps,
    with_linear_algebra_in_c,
    without_test_values,
)
from ..graph import floatx, substitute

__all__ = ["PointLoop"]

#: Temporaries of a point up to which they are kept from call to call.
KEPT_BYTES = 2**24


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
    bytes_per_point : int
        Of the temporaries: few are kept between calls.
    """

    @without_test_values
    def __init__(self, approx, terms, fn_kwargs, bytes_per_point):
        dtype = theano.config.floatX
        self._is_small = bytes_per_point <= KEPT_BYTES
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

    def held(self):
        """Context in which other threads wait."""
        return self._function.held()

    def __call__(self, *points):
        """Value (s,) and gradients, one array (s, d) a group; NaN at points for which an Op raises."""
        with self.held():
            count = len(points[0])
            if count != len(_array(self._values)):
                for shared in (*self._points, *self._slopes, self._values):
                    shared.set_value(np.zeros((count,) + _array(shared).shape[1:], shared.dtype), borrow=True)
            for shared, value in zip(self._points, points):
                _array(shared)[...] = value
            self._run(count)
            if not self._is_small:
                release_memory(self._function)
            return [_array(shared).copy() for shared in (self._values, *self._slopes)]

    def _run(self, count):
        """Evaluate `count` rows."""
        begin = 0
        while begin < count:
            _array(self._row)[...] = begin
            before = calls_done(self._function, 0)
            try:
                # Large temporaries that are freed go back to the system, and asking for them again is slow.
                run_steps(self._function, count - begin, keep_memory=True)
                return
            except Exception as error:
                if as_undefined(error) is None:
                    raise
            begin += calls_done(self._function, before) - before
            for shared in (self._values, *self._slopes):
                _array(shared)[begin] = np.nan
            begin += 1


def _array(shared):
    """The memory of a shared variable."""
    return shared.get_value(borrow=True)
