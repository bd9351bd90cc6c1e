"""Rewritten graphs on disk, beside the compiled modules: rewriting takes most of the time until a known graph runs."""

import contextlib
import functools
import hashlib
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import theano
from numpy.lib.stride_tricks import as_strided
from theano.compile.function.types import Supervisor, std_fgraph
from theano.compile.mode import Mode
from theano.graph.destroyhandler import DestroyHandler
from theano.graph.fg import FunctionGraph
from theano.graph.opt import GlobalOptimizer

from ..compat._patch import switched_off
from ._config import version_of
from ._flat_graph import Digests, NotPlain, flatten, packed, rebuild
from ._module_files import cache_dir, graph_path, is_trusted
from ._registered_rewrites import describe_rewrites

__all__ = ["KeepingMode", "keep_rewrites"]

#: Graphs of fewer nodes are rewritten in a few milliseconds.
FEWEST_NODES = 10
#: Bytes of one kept graph, which is a copy of the data where it holds more; and of the data of one that is looked for,
#: whose hash takes longer than the rewriting where there are more.
MOST_BYTES, MOST_DATA = 2**20, 2**26
#: Bytes of a constant that is kept by itself even where it shows a part of another one.
SMALL_BYTES = 1000

_FLAGS_THAT_SHOW = ("optimizer_verbose", "profile", "profile_optimizer")
_REWRITERS = ("pymc3_vi", "Theano-PyMC", "pymc3", "numpy", "scipy")
_state = {"keep": True}


def keep_rewrites(wanted):
    """Whether rewritten graphs are kept and looked for from now on; they are, unless a rewrite itself is changed."""
    _state["keep"] = wanted


class KeepingMode(Mode):
    """A mode that finds the graphs that it has rewritten before, in this process or another one."""

    @property
    def optimizer(self):
        """What rewrites a graph."""
        return _Kept(self._optimizer, functools.partial(Mode.optimizer.fget, self))


class _Kept(GlobalOptimizer):
    def __init__(self, query, make):
        self.query, self.make = query, make

    def rewrite(self, fgraph):
        """What the rewrites do to any graph; they are collected when they are needed."""
        return self.make()(fgraph)

    def apply(self, fgraph):
        try:
            graph = _Graph(fgraph)
            key = _key(_versions(), _flags(), describe_rewrites(self.query), graph.description())
        except NotPlain:
            return self.rewrite(fgraph)
        try:
            graph.replace(pickle.loads(_read(key)))
            return None
        except Exception:  # missing, cut short, or of a class that is not there any more
            copy = graph.copy()
        profile = self.rewrite(copy)
        try:
            content = packed(graph.rewritten(copy))
            graph.replace(pickle.loads(content))  # nodes in another order would be another module
        except NotPlain:
            self.rewrite(fgraph)
        else:
            _write(key, content)
        return profile


class _Graph:
    """A graph before it is rewritten, and what was made of it."""

    def __init__(self, fgraph):
        self.fgraph = fgraph
        self.flat, self.variables = flatten(fgraph.inputs, fgraph.outputs)
        self.numbers = {constant: k for k, constant in enumerate(self.flat.constants)}
        data = sum(getattr(constant.data, "nbytes", 0) for constant in self.flat.constants)
        if not _state["keep"] or len(self.flat.nodes) < FEWEST_NODES or data > MOST_DATA:
            raise NotPlain("it is not to be kept")
        number = {variable: k for k, variable in enumerate(fgraph.inputs)}
        supervisors = [feature for feature in fgraph._features if isinstance(feature, Supervisor)]
        self.protected = sorted(number[v] for feature in supervisors for v in feature.protected)

    def description(self):
        """All that decides on the rewritten graph, names of the variables included."""
        text = Digests()
        inputs = [(type(v).__name__, text(v.type), v.name) for v in self.fgraph.inputs]
        constants = [(type(v).__name__, text(v.type), v.name, text(v.data)) for v in self.flat.constants]
        nodes = [(text(op), at, [(text(kind), name) for kind, name in kinds]) for op, at, kinds in self.flat.nodes]
        updates = sorted((self.fgraph.update_mapping or {}).items())
        return inputs, constants, nodes, self.flat.outputs, self.protected, updates

    def copy(self):
        """The same graph, to be rewritten."""
        inputs = [variable.clone() for variable in self.fgraph.inputs]
        outputs, variables = rebuild(self.flat, inputs)
        for old, new in zip(self.variables, variables):
            if new is not old:
                new.tag = old.tag
        copy = FunctionGraph(inputs, outputs, clone=False, update_mapping=self.fgraph.update_mapping)
        copy.attach_feature(Supervisor(inputs[k] for k in self.protected))
        for feature in std_fgraph.features:
            copy.attach_feature(feature())
        return copy

    def rewritten(self, fgraph):
        """What is kept: whether nodes overwrite memory, the graph without the data, and what its variables were."""
        flat, variables = flatten(fgraph.inputs, fgraph.outputs)
        constants = [self._without_data(constant) for constant in flat.constants]
        origin = {_trace(variable): k for k, variable in enumerate(self.variables)}
        origins = [origin.get(_trace(variable) or None) for variable in variables]
        return hasattr(fgraph, "destroy_handler"), flat._replace(constants=constants), origins

    def _without_data(self, constant):
        """`constant`, or how to find it: the number of the one that it is, or of the one whose data it shows."""
        if constant in self.numbers:
            return self.numbers[constant]
        data = constant.data
        for k, given in enumerate(self.flat.constants) if getattr(data, "nbytes", 0) > SMALL_BYTES else ():
            if _is_within(data, given.data):
                begin = _bounds(data)[1] - _bounds(given.data)[1]
                shown = begin // data.itemsize, data.shape, data.strides
                return k, shown, type(constant), constant.type, constant.name
        return constant

    def _with_data(self, kept):
        """The constant of which :meth:`_without_data` gave `kept`."""
        if isinstance(kept, int):
            return self.flat.constants[kept]
        if isinstance(kept, tuple):
            k, (begin, shape, strides), kind, type_, name = kept
            return kind(type_, as_strided(self.flat.constants[k].data.reshape(-1)[begin:], shape, strides), name)
        return kept

    def replace(self, kept):
        """Put what :meth:`rewritten` gave in the place of the graph."""
        overwrites, flat, origins = kept
        constants = [self._with_data(constant) for constant in flat.constants]
        outputs, variables = rebuild(flat._replace(constants=constants), self.fgraph.inputs)
        if any(old.type != new.type for old, new in zip(self.fgraph.outputs, outputs)):
            raise NotPlain("it has a type that is equal to none but itself")
        for variable, origin in zip(variables, origins):
            if variable.owner is not None and origin is not None:  # errors tell the line of the model
                variable.tag.trace = self.variables[origin].tag.trace
        for k, variable in enumerate(outputs):
            self.fgraph.change_input("output", k, variable)
        if overwrites:
            self.fgraph.attach_feature(DestroyHandler())


def _bounds(array):
    """Addresses of the lowest byte of an array, of its first element, and of what follows its highest byte."""
    first = array.__array_interface__["data"][0]
    ends = [(n - 1) * step for n, step in zip(array.shape, array.strides)]
    return first + sum(e for e in ends if e < 0), first, first + sum(e for e in ends if e > 0) + array.itemsize


def _is_within(part, whole):
    """Whether all elements of the array `part` are elements of `whole`."""
    if not isinstance(whole, np.ndarray) or whole.dtype != part.dtype or not whole.flags.c_contiguous or not whole.size:
        return False
    (low, _, high), (lowest, _, highest) = _bounds(part), _bounds(whole)
    return lowest <= low and high <= highest and (low - lowest) % whole.itemsize == 0


def _trace(variable):
    """Where in the source a variable was made."""
    return tuple(map(tuple, getattr(variable.tag, "trace", ())))


def _key(*parts):
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _checksum(key, content):
    return hashlib.sha256(key.encode() + content).digest()


def _read(key):
    path = graph_path(cache_dir(), key)
    if not is_trusted(path):
        raise FileNotFoundError(path)
    content = path.read_bytes()
    if _checksum(key, content[32:]) != content[:32]:
        raise EOFError(path)
    os.utime(path)  # files that nobody reads go away
    return content[32:]


def _write(key, content):
    if len(content) > MOST_BYTES:
        return
    with contextlib.suppress(OSError):
        path = graph_path(cache_dir(), key)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_bytes(_checksum(key, content) + content)
        os.chmod(temporary, 0o600)
        os.replace(temporary, path)


@functools.lru_cache(None)
def _versions():
    """Of everything that rewrites, or that computes what is folded; of this package the files."""
    folder = Path(__file__).parent.parent
    files = [(str(path.relative_to(folder)), path.stat()) for path in sorted(folder.rglob("*.py"))]
    own = [(name, found.st_mtime_ns, found.st_size) for name, found in files]
    return sys.version, sorted(switched_off()), [version_of(name) for name in _REWRITERS], own


def _flags():
    config, kind = theano.config, type(theano.config)
    if any(getattr(config, name) for name in _FLAGS_THAT_SHOW):
        raise NotPlain("what the rewrites do is to be seen")
    return [
        (name, str(parameter.__get__(config, kind)))
        for name, parameter in sorted(config._config_var_dict.items())
        if not name.startswith(("blas__", "dnn__", "gpuarray__", "compiledir", "base_compiledir"))  # some are searches
    ]
