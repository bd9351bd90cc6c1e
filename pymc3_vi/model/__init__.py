"""The only part of the package that reads a ``pymc3.Model``."""
from ._trace import draws_from_trace, trace_from_arrays
from ._view import LogpTerm, ModelView, model_context, scaling_of, transformed

__all__ = ["LogpTerm", "ModelView", "model_context", "draws_from_trace", "scaling_of", "trace_from_arrays", "transformed"]
