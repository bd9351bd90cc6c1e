"""Graphs that are rewritten once: tests fit the same few models, and most of a fit's time is Theano's rewriting.

What comes out for a graph is kept, and is copied where the same graph is to be rewritten again: the same Ops, types,
names, constants, and the same flags and rewrites.  The tests of the compiler and the slow tier rewrite every graph.
"""

import collections

import theano
from theano.compile.function.types import Supervisor
from theano.compile.mode import Mode
from theano.graph.basic import Constant, clone_get_equiv
from theano.graph.destroyhandler import DestroyHandler
from theano.graph.optdb import Query

MOST = 100
LARGE = 10_000  # numbers: constants of models that tests repeat are smaller

_known = collections.OrderedDict()  # key -> inputs, outputs, whether memory may be overwritten
_state = {"wanted": False}


def remember(wanted):
    """Keep what is rewritten from now on, or not."""
    _state["wanted"] = wanted


def _flags():
    config, kind = theano.config, type(theano.config)
    return tuple(
        (name, str(parameter.__get__(config, kind)))
        for name, parameter in config._config_var_dict.items()
        if not name.startswith(("dnn", "gpuarray"))
    )


def _rewrites(query):
    extra = tuple(extra if isinstance(extra, tuple) else (extra,) for extra in query.extra_optimizations)
    sets = (frozenset(query.include), frozenset(query.require), frozenset(query.exclude))
    return (*sets, tuple(query.subquery), query.position_cutoff, extra)


def _name(variable):
    return variable.type, variable.name


def _key(query, fgraph):
    """What decides on the rewritten graph; None if there is no telling."""
    number = {variable: k for k, variable in enumerate(fgraph.inputs)}
    leaves, nodes = [], []

    def place(variable):
        if variable not in number:
            if not isinstance(variable, Constant) or getattr(variable.data, "size", 0) > LARGE:
                raise TypeError
            number[variable] = len(number)
            leaves.append((number[variable], variable.name, variable.signature()))
        return number[variable]

    try:
        for node in fgraph.toposort():
            nodes.append((node.op, *map(place, node.inputs), *map(_name, node.outputs)))
            for output in node.outputs:
                number[output] = len(number)
        outputs = tuple(map(place, fgraph.outputs))
        kept = [number[v] for feature in fgraph._features if isinstance(feature, Supervisor) for v in feature.protected]
        updates = tuple(sorted((fgraph.update_mapping or {}).items()))
        key = (
            *(tuple(map(_name, fgraph.inputs)), tuple(leaves), tuple(nodes), outputs, tuple(kept), updates),
            *(_rewrites(query), _flags()),
        )
        hash(key)
    except TypeError:
        return None
    return key


def _copy(inputs, outputs, new_inputs):
    copies = clone_get_equiv(inputs, outputs, copy_orphans=False, memo=dict(zip(inputs, new_inputs)))
    return [copies[variable] for variable in outputs]


class _Remembered:
    """The optimizer that a mode asks for, or what it made of the same graph before."""

    def __init__(self, query, make):
        self.query, self.make = query, make

    def __getattr__(self, name):
        return getattr(self.make(), name)

    def __call__(self, fgraph):
        key = _key(self.query, fgraph)
        if key is None:
            return self.make()(fgraph)
        if key in _known:
            _known.move_to_end(key)
            inputs, outputs, overwrites = _known[key]
            for k, variable in enumerate(_copy(inputs, outputs, fgraph.inputs)):
                fgraph.change_input("output", k, variable)
            if overwrites:
                fgraph.attach_feature(DestroyHandler())
            return None
        profile = self.make()(fgraph)
        inputs = [variable.type(variable.name) for variable in fgraph.inputs]  # without the values of shared variables
        _known[key] = inputs, _copy(fgraph.inputs, fgraph.outputs, inputs), hasattr(fgraph, "destroy_handler")
        while len(_known) > MOST:
            _known.popitem(last=False)
        return profile


def install():
    """Act on all modes of this process."""
    ask = Mode.optimizer.fget

    def optimizer(mode):
        if _state["wanted"] and isinstance(mode._optimizer, Query):
            return _Remembered(mode._optimizer, lambda: ask(mode))
        return ask(mode)

    Mode.optimizer = property(optimizer)
