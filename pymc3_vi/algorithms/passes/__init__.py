"""Few passes over all rows, from a pilot on some of them: the default where a likelihood is a sum over minibatches."""

from ._before import gaussian_before
from ._passes import Passes
from ._subsets import climb, part_of, part_rows, pilot_rows

__all__ = ["Passes", "climb", "gaussian_before", "part_of", "part_rows", "pilot_rows"]
