"""Patches of Theano that make building and rewriting graphs faster; what is built is the same."""

import functools
import inspect
import types
import weakref

import theano.gradient
import theano.graph.toolbox
from theano.tensor.elemwise import DimShuffle

from ._patch import Replacements

__all__ = ["CONNECTIONS", "REFUSED_REWRITES", "SHUFFLES"]


def _inspect_without_source():
    def getframeinfo(frame):
        return types.SimpleNamespace(function=frame.f_code.co_name)

    names = types.SimpleNamespace(currentframe=inspect.currentframe, getframeinfo=getframeinfo)
    return [(theano.graph.toolbox, "inspect", names)]


def _made_once():
    load, known, parameters = DimShuffle.load_c_code, {}, DimShuffle((), ()).params_type

    @functools.wraps(load)
    def load_c_code(self, func_files):
        key = type(self), tuple(func_files)
        if key not in known:
            load(self, func_files)
            known[key] = self.func_codes, self.code_sections
        self.func_codes, self.code_sections = known[key]

    return [(DimShuffle, "load_c_code", load_c_code), (DimShuffle, "params_type", parameters)]


def _asked_once():
    find, known = theano.gradient._node_to_pattern, weakref.WeakKeyDictionary()

    @functools.wraps(find)
    def pattern(node):
        if node not in known:
            known[node] = find(node)
        return known[node]

    return [(theano.gradient, "_node_to_pattern", pattern)]


REFUSED_REWRITES = Replacements(
    "refused_rewrites",
    "Where an inplace rewrite is refused, Theano asks for the name of the function that tried.  inspect looks for its "
    "file and reads the source around the call, for which the path of every module in the process is resolved: 0.15 s.",
    _inspect_without_source,
    when="build",
)
SHUFFLES = Replacements(
    "shuffles",
    "Every DimShuffle reads the file of its C code and makes the types of its parameters, several times, which are the "
    "same for all: a tenth of the time of rewriting, a quarter of that of a model in `fast_build`.",
    _made_once,
    when="build",
)
CONNECTIONS = Replacements(
    "connections",
    "For a gradient Theano lists all pairs of a node's inputs and outputs anew for each of these: a sum of 4,000 terms "
    "took 16 million steps.",
    _asked_once,
    when="build",
)
