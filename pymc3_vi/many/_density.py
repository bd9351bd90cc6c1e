"""log p of one model at many points for many data sets, in one compiled call."""

import numpy as np
import theano
import theano.tensor as tt

from ..compiler import UNDEFINED, compile_function, without_test_values
from ..compiler.vectorize import bytes_per_row, vectorize_graph
from ..graph import substitute
from ..model import log_density, pointwise_logp, untransformed_nodes

__all__ = ["BatchDensity"]

#: Bytes that the temporaries of one call may take, so that they stay in a core's cache.
CALL_BUDGET = 2560 * 1024


class BatchDensity:
    r"""Evaluates :math:`\log p(z_{bs}, D_b)` and gradients for data sets b and points s.

    The graph of one point and one data set is rewritten twice, for a batch of points and for a batch of data sets, so
    that data stay as they are and meet all points in one product.  Both functions are compiled once, for data sets of
    any size.

    Parameters
    ----------
    view : ModelView
    inputs : dict of str to variable
        What takes a value of its own in every data set.
    names : list of str, optional
        What :meth:`values` gives; default: the free variables as users see them.

    Attributes
    ----------
    compiled : int
        Functions compiled so far.
    evaluations : int
        Points evaluated so far.
    """

    def __init__(self, view, inputs, names=None):
        self.view, self.inputs = view, dict(inputs)
        self.layout = view.layout()
        self.d = self.layout.size
        self.nodes = untransformed_nodes(view, names)
        self.compiled = self.evaluations = 0
        self._functions = {}
        self._bytes_per_number = None

    # ---------------------------------------------------------------- compiled parts
    @without_test_values
    def _graph(self, nodes):
        """`nodes` for all data sets and points, (B, S, ...), of the points Z (B, S, d) and batches of the inputs."""
        z, points = tt.matrix(dtype=theano.config.floatX), tt.tensor3(dtype=theano.config.floatX)
        of_points = vectorize_graph(nodes, dict(zip(self.view.free, self.layout.slices(z).values())))
        data = [tt.TensorType(v.dtype, (False,) + tuple(v.broadcastable))(name) for name, v in self.inputs.items()]
        found = vectorize_graph(of_points, dict([(z, points), *zip(self.inputs.values(), data)]))
        return [points, *data], found

    def function(self, what):
        """The compiled function 'slopes', 'values' or 'rows'."""
        if what not in self._functions:
            self._functions[what] = self._compile(what)
            self.compiled += 1
        return self._functions[what]

    def compile(self):
        """Compile what fits need."""
        self.function("slopes"), self.function("values")

    @without_test_values
    def _compile(self, what):
        if what == "slopes":
            inputs, (logp,) = self._graph([log_density(self.view)])
            outputs = [logp, tt.grad(tt.sum(logp), inputs[0], disconnected_inputs="ignore")]
        elif what == "rows":
            terms = [tt.sum(tt.flatten(v, 2), axis=1) if v.ndim > 1 else v for v in pointwise_logp(self.view).values()]
            inputs, outputs = self._graph([tt.add(*terms) if len(terms) > 1 else terms[0]])
        else:
            inputs, outputs = self._graph(list(self.nodes.values()))
        return compile_function(inputs, outputs, name=f"{what} of many data sets")

    def _row_bytes(self, data):
        """Bytes of the temporaries of one point, by the number of numbers in its data set."""
        numbers = self.d + sum(a[0].size for a in data.values())
        if self._bytes_per_number is None:
            self._bytes_per_number = self._measured_bytes(data) / numbers
        return max(int(self._bytes_per_number * numbers), 1)

    @without_test_values
    def _measured_bytes(self, data):
        start = self.view.start()
        stand_ins = {v: tt.constant(data[name][0]) for name, v in self.inputs.items()}
        node = substitute(log_density(self.view), stand_ins)
        return bytes_per_row([node], {v: start[v.name] for v in self.view.free})

    # ---------------------------------------------------------------- what it gives
    def slopes(self, z, data):
        """log p (B, S) and gradients (B, S, d), float64, at `z` (B, S, d); NaN where an Op has no value.

        Parameters
        ----------
        z : ndarray (B, S, d)
        data : DataSets of length B
        """
        logp, grad = np.empty(z.shape[:2]), np.empty(z.shape)
        with np.errstate(all="ignore"):
            for where, arrays in data.of_one_shape():
                step = max(1, CALL_BUDGET // (z.shape[1] * self._row_bytes(arrays)))
                for begin in range(0, len(where), step):
                    part, rows = where[begin : begin + step], slice(begin, begin + step)
                    logp[part], grad[part] = self._slopes(z[part], {name: a[rows] for name, a in arrays.items()})
        self.evaluations += logp.size
        return logp, grad

    def _slopes(self, z, data):
        try:
            return self.function("slopes")(np.asarray(z, dtype=theano.config.floatX), *data.values())
        except UNDEFINED:
            axis = 0 if len(z) > 1 else 1
            half = z.shape[axis] // 2
            if not half:
                return np.full(z.shape[:2], np.nan), np.full(z.shape, np.nan)
            first, second = np.split(z, [half], axis)
            parts = [{n: a[:half] for n, a in data.items()}, {n: a[half:] for n, a in data.items()}]
            pairs = zip((first, second), (data, data) if axis else parts)
            return [np.concatenate(both, axis) for both in zip(*[self._slopes(*pair) for pair in pairs])]

    def rows(self, z, data):
        """Log-likelihood (B, S, rows) of each row of `data`, a dict of str to array (B, rows, ...)."""
        return np.asarray(self.function("rows")(np.asarray(z, dtype=theano.config.floatX), *data.values())[0])

    def values(self, z, data):
        """Dict name -> values (B, S, ...) of the variables as users see them, at `z` (B, S, d)."""
        z, found = np.asarray(z, dtype=theano.config.floatX), {}
        for where, arrays in data.of_one_shape():
            for name, part in zip(self.nodes, self.function("values")(z[where], *arrays.values())):
                if name not in found:
                    found[name] = np.empty((len(z),) + part.shape[1:], dtype=part.dtype)
                found[name][where] = part
        return found
