"""What makes a model this model and no other, as data that can be stored and compared."""

import hashlib
import re

import numpy as np
import pymc3 as pm
import theano
from theano.graph.basic import Constant, ancestors, io_toposort

from ..data import RowsVariable
from ._data import observed_tensors

__all__ = ["column_digest", "model_fingerprint", "model_differences"]

#: Rows at either end of a loader that its digest is made of.
_END_ROWS = 500

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]+")


def model_fingerprint(view):
    """Names, shapes, dtypes and transforms of a model's variables, digests of its data and of its formulas.

    Parameters
    ----------
    view : ModelView

    Returns
    -------
    dict
        JSON-able.  ``free``, ``observed`` and ``potentials`` are dicts by name.  ``formula`` is a digest of the graph
        of the variable's log density with all constants in it (priors, fixed covariates), ``data`` one of the
        observed values, None where they come from a generator.  The values of other shared variables do not count:
        they may be weights that a fit trains.

    Notes
    -----
    Digests of formulas depend on how PyMC3 and Theano write them, so they are compared only between equal versions
    (``versions``).
    """
    free = {v.name: _entry(v, list(v.dshape), v.distribution) for v in view.free}
    for v in view.free:
        plain = view.untransformed_name(v.name)
        transform = getattr(getattr(view.model.named_vars.get(plain), "transformation", None), "name", None)
        free[v.name].update(transform=transform if plain != v.name else None, formula=_formula(v.logp_elemwiset))
    observed = {}
    for v in view.observed:
        tensors = list(observed_tensors(v).values())
        observed[v.name] = _entry(v, None, v.distribution)
        observed[v.name].update(
            data=_data_digest(tensors),
            formula=_formula(v.logp_elemwiset, opaque=tensors),
            total_size=_plain(v.total_size),
        )
    return {
        "order": view.names,
        "free": free,
        "observed": observed,
        "potentials": {p.name: {"formula": _formula(p)} for p in view.model.potentials},
        "versions": {"pymc3": pm.__version__, "theano": theano.__version__},
    }


def _entry(variable, shape, distribution):
    inner = getattr(distribution, "dist", None)
    distribution = inner if isinstance(inner, pm.Distribution) else distribution  # what a transform wraps
    entry = {"dtype": getattr(variable, "dtype", None), "distribution": type(distribution).__name__}
    if shape is not None:
        entry["shape"] = [int(n) for n in shape]
    return entry


def _plain(total_size):
    if isinstance(total_size, (list, tuple)):
        return [_plain(n) for n in total_size]
    return int(total_size) if isinstance(total_size, (int, np.integer)) else None if total_size is None else "symbolic"


# ---------------------------------------------------------------------------------------------------- digests
def _digest(*parts):
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _array_digest(value):
    value = np.ascontiguousarray(value)
    return _digest(str(value.dtype), str(value.shape), hashlib.sha256(value.tobytes()).hexdigest())


def _data_digest(tensors):
    """Digest of all arrays behind `tensors`; None when some of them come from elsewhere."""
    behind = list(ancestors(tensors))
    if any(v.owner is not None and not v.owner.inputs for v in behind):  # a Python generator feeds it
        return None
    values = [_value(v) for v in behind if v.owner is None]
    digests = [_array_digest(v) for v in values if v is not None]
    digests += [column_digest(v) for v in behind if isinstance(v, RowsVariable)]
    return _digest(*sorted(digests))


def column_digest(variable):
    """Digest of the number of rows of a loader's column and of the first and last of them: all may take minutes."""
    column = variable.loader.table.columns[variable.position]
    ends = column.read(0, _END_ROWS), column.read(max(len(column) - _END_ROWS, 0), len(column))
    return _digest(str(column.shape), *map(_array_digest, ends))


def _value(leaf):
    """Array of a constant or shared variable, None for anything else (random states, free variables)."""
    if getattr(leaf, "default_update", None) is not None:  # the random state that minibatches are drawn with
        return None
    value = (
        leaf.get_value(borrow=True) if isinstance(leaf, theano.compile.SharedVariable) else getattr(leaf, "data", None)
    )
    return value if isinstance(value, np.ndarray) and not value.dtype.hasobject else None


def _formula(output, opaque=()):
    """Digest of the graph that computes `output`; what lies behind the variables in `opaque` is left out."""
    known = {variable: f"data {position}" for position, variable in enumerate(opaque)}
    return _graph_digest([output], known)


def _graph_digest(outputs, known):
    digests = dict(known)
    for node in io_toposort(list(known), outputs):
        inputs = [_digest_of(i, digests) for i in node.inputs]
        mine = _digest(_op_text(node.op), *inputs)
        for position, variable in enumerate(node.outputs):
            digests.setdefault(variable, _digest(mine, str(position)))
    return _digest(*[_digest_of(o, digests) for o in outputs])


def _digest_of(variable, digests):
    if variable not in digests:
        digests[variable] = _leaf_text(variable)
    return digests[variable]


def _leaf_text(variable):
    if isinstance(variable, Constant):
        try:
            return "constant " + _array_digest(variable.data)
        except (TypeError, ValueError):  # slices and other things that are no arrays
            return f"constant {_ADDRESS.sub('', repr(variable.data))}"
    kind = "shared" if isinstance(variable, theano.compile.SharedVariable) else "input"
    # Random states are named after their number in the process.
    name = variable.name if isinstance(getattr(variable, "type", None), theano.tensor.TensorType) else ""
    return f"{kind} {name} {variable.type}"


def _op_text(op):
    text = f"{type(op).__name__} {_ADDRESS.sub('', str(op))}"
    inner = getattr(op, "outputs", None)
    if isinstance(inner, (list, tuple)) and hasattr(op, "inputs"):  # a scan
        known = {variable: f"inner {position}" for position, variable in enumerate(op.inputs)}
        text += _graph_digest(list(inner), known)
    return text


# ---------------------------------------------------------------------------------------------------- comparing
_WORDS = {
    "dtype": "dtype {}",
    "shape": "shape {}",
    "transform": "transform {}",
    "distribution": "distribution {}",
    "total_size": "total_size {}",
}


def model_differences(saved, current, data=True):
    """How the model of a file differs from another one, in sentences.

    Parameters
    ----------
    saved, current : dict
        From :func:`model_fingerprint`.
    data : bool
        Whether other observed values and other constants count.

    Returns
    -------
    list of str
        Empty when the models are the same.
    """
    found = []
    formulas = data and saved["versions"] == current["versions"]
    for group, word in (("free", "variable"), ("observed", "observed variable"), ("potentials", "potential")):
        before, now = saved[group], current[group]
        missing, extra = [n for n in before if n not in now], [n for n in now if n not in before]
        if missing:
            found.append(f"the model has no {word} {', '.join(map(repr, missing))}, the file has")
        if extra:
            found.append(f"the model has the {word} {', '.join(map(repr, extra))}, the file has not")
        for name in before:
            if name in now:
                found.extend(_entry_differences(f"{word} {name!r}", before[name], now[name], data, formulas))
    if not found and saved["order"] != current["order"]:
        found.append("the model defines its variables in another order")
    return found


def _entry_differences(what, before, now, data, formulas):
    changed = [key for key in _WORDS if before.get(key) != now.get(key)]
    if changed:
        return [
            f"{what} has {_WORDS[key].format(now.get(key))} in the model and {before.get(key)} in the file"
            for key in changed
        ]
    if data and before.get("data") != now.get("data"):
        return [f"{what} has other observed values"]
    if formulas and before.get("formula") != now.get("formula"):
        return [f"{what} has another formula or other constants in it (prior, covariates, link)"]
    return []
