"""How many draws are evaluated at once."""

import numpy as np
import theano

from ..compiler.vectorize import bytes_per_row, rows_per_slice
from ..model import data_size, is_streamed

__all__ = ["draws_at_once"]

#: Arrays of the size of the data and of all variables that a draw is taken to need where its graph cannot be asked.
_ARRAYS_PER_DRAW = 4


def draws_at_once(approx, nodes, n):
    """How many of `n` draws a batched graph of `nodes` should evaluate at once.

    Parameters
    ----------
    approx : Approximation
    nodes : list of Variable
        Graphs of the model's variables.
    n : int

    Returns
    -------
    int
        `n`, or fewer where the temporaries of values and gradients would exceed
        :data:`pymc3_vi.compiler.vectorize.BATCH_BUDGET_BYTES`.
    """
    if n < 2:
        return n
    return rows_per_slice(n, _bytes_per_draw(approx, nodes))


def _bytes_per_draw(approx, nodes):
    view = approx.view
    if approx.has_local or is_streamed(view):
        # The rows of amortised variables are not known here, and looking at a stream takes from it.
        variables = [v.tag.test_value for v in view.unobserved(True) if hasattr(v.tag, "test_value")]
        values = data_size(view) + sum(np.size(value) for value in variables)
        return _ARRAYS_PER_DRAW * max(values, 1) * np.dtype(theano.config.floatX).itemsize
    start = view.start()
    for group in approx.groups:
        start.update(group.start_point)
    return bytes_per_row(nodes, {v: start[v.name] for v in view.free})
