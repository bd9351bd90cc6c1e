"""Theano's random streams, with the numbers of several streams computed side by side."""

from theano.sandbox.rng_mrg import mrg_uniform

from .._csrc import c_source

__all__ = ["UniformStreams"]


class UniformStreams(mrg_uniform):
    """Uniform numbers of ``MRG_RandomStream``, to the last bit: minibatches draw their indices with them."""

    def c_support_code(self, **kwargs):
        return c_source("uniform_streams.h")

    def c_code(self, node, name, inputs, outputs, sub):
        return super().c_code(node, name, inputs, outputs, sub).replace("cpu_rng_mrg_uniform_", "pv_uniform_")

    def c_code_cache_version(self):
        return (1,)
