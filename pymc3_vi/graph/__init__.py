"""Theano graph work that knows nothing of inference: layout, parameters, noise, substitution."""

from ._alike_terms import AlikeTerms
from ._layout import FlatBijection, FlatLayout, VarMap
from ._memo import Memoised, append_name, cache_of, graph_property, made_once, node_property, value_property
from ._noise import NoiseBlock, SeedStream, StepNoise, balance
from ._params import ParamSpec, check_param_names, collect_shared, create_param, create_shared, param_shapes
from ._substitute import floatx, match_pattern, shared_inputs, substitute

__all__ = [
    "AlikeTerms",
    "FlatBijection",
    "FlatLayout",
    "VarMap",
    "Memoised",
    "append_name",
    "cache_of",
    "made_once",
    "balance",
    "graph_property",
    "node_property",
    "value_property",
    "NoiseBlock",
    "SeedStream",
    "StepNoise",
    "ParamSpec",
    "check_param_names",
    "collect_shared",
    "create_param",
    "create_shared",
    "param_shapes",
    "floatx",
    "match_pattern",
    "shared_inputs",
    "substitute",
]
