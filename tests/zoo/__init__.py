"""Small PyMC3 models over its distributions and constructs, for tests and benchmarks that run over many of them.

``ZOO`` maps a name to a factory; every factory takes its sizes as arguments, draws invented data from a fixed seed and
builds its model without a C compiler, whose test values would take half a minute each.
"""

from . import _constructs, _mixtures, _multivariate, _processes, _regression, _univariate  # noqa: F401
from ._points import dimension, split, start_vector
from ._registry import EVERY_KIND_OF_NODE, INNER_LOOPS, ZOO

__all__ = ["EVERY_KIND_OF_NODE", "INNER_LOOPS", "ZOO", "dimension", "split", "start_vector"]
