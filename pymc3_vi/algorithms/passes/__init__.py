"""Few passes over all rows, from a pilot on some of them: the default where a likelihood is a sum over minibatches."""

from ._before import gaussian_before
from ._passes import Passes

__all__ = ["Passes", "gaussian_before"]
