"""Squared distances between all pairs of points, and their median."""

import numpy as np
import theano.tensor as tt
from theano.gradient import grad_undefined
from theano.graph.basic import Apply
from theano.graph.op import COp

from .._csrc import c_source
from ._kernels import CTYPES, VECTOR_KERNELS

__all__ = ["MedianDistance", "SquaredDistances"]


class SquaredDistances(COp):
    r"""Squared Euclidean distances :math:`H_{ij} = \sum_k (x_{ik} - x_{jk})^2` of points x (n, d), as (n, n).

    They are sums of squared differences, so that points that lie close together far from the origin keep their digits,
    and points that coincide have distance 0.
    """

    __props__ = ("version",)  # Theano does not cache modules of Ops with empty props
    version = 1

    def make_node(self, x):
        x = tt.as_tensor_variable(x)
        if x.ndim != 2 or x.dtype not in CTYPES:
            raise TypeError(f"SquaredDistances needs a float matrix. Got {x.type} instead.")
        return Apply(self, [x], [tt.TensorType(x.dtype, (x.broadcastable[0],) * 2)()])

    def infer_shape(self, fgraph, node, shapes):
        return [(shapes[0][0], shapes[0][0])]

    def perform(self, node, inputs, output_storage):
        (x,) = inputs
        h = np.zeros((len(x), len(x)), dtype=x.dtype)
        for i, point in enumerate(x):
            h[i, i + 1 :] = h[i + 1 :, i] = np.sum((x[i + 1 :] - point) ** 2, axis=1)
        output_storage[0][0] = h

    def L_op(self, inputs, outputs, output_grads):
        (x,), (g,) = inputs, output_grads
        weights = g + g.T
        return [2 * (x * tt.sum(weights, axis=1, keepdims=True) - tt.dot(weights, x))]

    def c_headers(self, **kwargs):
        return ["<numpy/arrayobject.h>", "<vector>"]

    def c_support_code(self, **kwargs):
        return [VECTOR_KERNELS, c_source("distances.h")]

    def c_code_cache_version(self):
        return (self.version,)

    def c_code(self, node, name, inputs, outputs, sub):
        (x,), (z,), fail = inputs, outputs, sub["fail"]
        return c_source("squared_distances.c", T=CTYPES[node.outputs[0].type.dtype], x=x, z=z, fail=fail)


class MedianDistance(COp):
    """Median of all elements of a matrix (n, n) of squared distances, the zeros of its diagonal included.

    Where it is 0, the mean takes its place, and where that is 0 too, 1.  One triangle is read; it has no gradient.
    """

    __props__ = ("version",)
    version = 1

    def make_node(self, h):
        h = tt.as_tensor_variable(h)
        if h.ndim != 2 or h.dtype not in CTYPES:
            raise TypeError(f"MedianDistance needs a float matrix. Got {h.type} instead.")
        return Apply(self, [h], [tt.TensorType(h.dtype, ())()])

    def infer_shape(self, fgraph, node, shapes):
        return [()]

    def perform(self, node, inputs, output_storage):
        (h,) = inputs
        if h.shape[0] != h.shape[1]:
            raise ValueError(f"MedianDistance needs a square matrix. Got shape {h.shape}.")
        choices = [] if h.size == 0 else [np.median(h), np.mean(h)]
        found = next((x for x in choices if x > 0 or np.isnan(x)), 1)
        output_storage[0][0] = np.asarray(found, dtype=h.dtype)

    def grad(self, inputs, output_grads):
        return [grad_undefined(self, 0, inputs[0], "the median is used as a constant scale")]

    def c_headers(self, **kwargs):
        return ["<numpy/arrayobject.h>", "<vector>", "<algorithm>", "<math.h>"]

    def c_support_code(self, **kwargs):
        return [VECTOR_KERNELS, c_source("select.h")]

    def c_code_cache_version(self):
        return (self.version,)

    def c_code(self, node, name, inputs, outputs, sub):
        (h,), (z,), fail = inputs, outputs, sub["fail"]
        return c_source("median_distance.c", T=CTYPES[node.outputs[0].type.dtype], h=h, fail=fail, z=z)
