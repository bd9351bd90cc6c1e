"""The only part of the package that reads a ``pymc3.Model``."""

from . import _vectorize_rules  # noqa: F401  (it registers them)
from ._constrained import Constrained
from ._continued import ContinuedView, matched_rows
from ._data import (
    batch_data,
    constant_arrays,
    data_size,
    full_data,
    is_streamed,
    model_coords,
    next_items,
    observed_arrays,
    pointwise_logp,
    reads_rows,
    row_columns,
    row_numbers,
    variable_dims,
    warn_of_data,
)
from ._data_read import DataRead
from ._fingerprint import model_differences, model_fingerprint
from ._gaussian_prior import GaussianPrior
from ._inputs import (
    built_with,
    data_containers,
    fixed_data,
    log_density,
    observed_inputs,
    row_inputs,
    untransformed_nodes,
)
from ._predictive import predictive_draws
from ._prior import prior_points, simulated
from ._rows import NotASum, RowModel, RowPart, row_model
from ._trace import draws_from_trace, trace_from_arrays
from ._view import LogpTerm, ModelView, model_context, scaling_of, simplex_variables, transformed

__all__ = [
    "Constrained",
    "ContinuedView",
    "DataRead",
    "GaussianPrior",
    "matched_rows",
    "LogpTerm",
    "ModelView",
    "model_context",
    "simplex_variables",
    "draws_from_trace",
    "scaling_of",
    "trace_from_arrays",
    "transformed",
    "constant_arrays",
    "data_size",
    "batch_data",
    "full_data",
    "is_streamed",
    "next_items",
    "model_coords",
    "observed_arrays",
    "pointwise_logp",
    "reads_rows",
    "row_columns",
    "row_numbers",
    "predictive_draws",
    "prior_points",
    "NotASum",
    "RowModel",
    "RowPart",
    "row_model",
    "variable_dims",
    "warn_of_data",
    "model_differences",
    "model_fingerprint",
    "built_with",
    "data_containers",
    "fixed_data",
    "log_density",
    "observed_inputs",
    "row_inputs",
    "simulated",
    "untransformed_nodes",
]
