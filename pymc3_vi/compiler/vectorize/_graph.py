"""The walk over the graph."""

import logging
from contextlib import contextmanager
from contextvars import ContextVar

import theano.tensor as tt
from theano.graph.basic import Variable, io_toposort

from ...validation import require
from .._building import without_test_values
from .._pattern import with_pattern
from ._fallback import scan_over_node
from ._rules import NoBatchRule, Operand, Unbatched, is_tensor, rule

__all__ = ["record_fallbacks", "vectorize_graph", "vectorize_operands"]

logger = logging.getLogger("pymc3_vi")

_recorders = []
_reported = set()

#: What rules for Ops that contain a graph inherit from the call that they are part of.
_fallback_allowed = ContextVar("fallback_allowed", default=True)


@contextmanager
def record_fallbacks():
    """Context in which the nodes without a rule are listed.

    Yields
    ------
    list of (Op, str)
        Grows by the Op and the reason whenever `vectorize_graph` leaves a node to `theano.scan`.
    """
    records = []
    _recorders.append(records)
    try:
        yield records
    finally:
        # By identity: two empty lists are equal.
        _recorders[:] = [other for other in _recorders if other is not records]


def _note_fallback(op, reason):
    for records in _recorders:
        records.append((op, reason))
    name = type(op).__name__
    if name not in _reported:
        _reported.add(name)
        logger.debug(
            "%s is evaluated in a loop over the batch, because %s. Register a rule for it with "
            "pymc3_vi.compiler.vectorize.rule to make it faster.",
            op,
            reason,
        )


def _fit(variable, old, batched):
    """`variable` with the dtype and broadcast pattern that stand-ins of `old` have."""
    if not is_tensor(old):
        return variable
    if variable.dtype != old.dtype:
        variable = tt.cast(variable, old.dtype)
    pattern = ((False,) if batched else ()) + tuple(old.broadcastable)
    if variable.ndim != len(pattern):
        raise NoBatchRule(f"its rule returned {variable.ndim} dimensions instead of {len(pattern)}")
    return with_pattern(variable, pattern)


def _rewrite(node, operands, batch):
    """Operands that stand for the outputs of `node`."""
    try:
        results = rule(node.op, node, operands, batch)
        return _as_operands(node, results)
    except NoBatchRule as reason:
        if not _fallback_allowed.get():
            raise NoBatchRule(f"{node.op} cannot be rewritten for a batch, because {reason}.") from None
        _note_fallback(node.op, str(reason))
    return _as_operands(node, scan_over_node(node, operands, batch))


def _as_operands(node, results):
    if len(results) != len(node.outputs):
        raise NoBatchRule(f"its rule returned {len(results)} results for {len(node.outputs)} outputs")
    found = []
    for old, result in zip(node.outputs, results):
        batched = not isinstance(result, Unbatched)
        found.append(Operand(_fit(result if batched else result.variable, old, batched), batched))
    return found


def _check_replacements(replace):
    caller = "vectorize_graph"
    require(bool(replace), ValueError, "replace", caller, "a dict that names at least one variable", replace)
    for old, new in replace.items():
        if not (is_tensor(old) and is_tensor(new) and new.ndim == old.ndim + 1):
            # Not the variable itself: PyMC3 compiles and runs functions to write some of its own.
            constraint = f"a dict whose values have one more leading axis than their keys ({old.name}: {old.type})"
            require(False, ValueError, "replace", caller, constraint, new.type)


@without_test_values
def vectorize_operands(outputs, replace):
    """As `vectorize_graph` for a list of outputs, but returns the Operands and so tells which are batched."""
    _check_replacements(replace)
    done = {old: Operand(_fit(new, old, True), True) for old, new in replace.items()}
    batch = next(iter(done.values())).variable.shape[0]
    for node in io_toposort(list(replace), outputs):
        operands = [done.get(i) or Operand(i, False) for i in node.inputs]
        if any(operand.batched for operand in operands):
            done.update(zip(node.outputs, _rewrite(node, operands, batch)))
        elif any(operand.variable is not i for operand, i in zip(operands, node.inputs)):
            # Independent of the batch, yet an input was built anew: the shape of a batched variable, say.
            clone = node.clone_with_new_inputs([operand.variable for operand in operands], strict=False)
            for old, new in zip(node.outputs, clone.outputs):
                done[old] = Operand(_fit(new, old, False), False)
    return [done.get(output) or Operand(output, False) for output in outputs]


@without_test_values
def vectorize_graph(outputs, replace, fallback=True, broadcast_unbatched=True):
    r"""Evaluate a graph at many points at once, as one graph with a leading batch axis.

    For a graph :math:`f` and a batch :math:`x_1, \dots, x_S`, builds the graph of
    :math:`(f(x_1), \dots, f(x_S))`.

    Parameters
    ----------
    outputs : Variable or list of Variable
        What is to be evaluated.
    replace : dict of Variable to Variable
        Batched stand-ins: tensors of shape ``(S,) + shape of the key``, with the same S for all.
    fallback : bool
        Whether a node without a rule is evaluated by `theano.scan` over the batch; if not, it is an error.
    broadcast_unbatched : bool
        Whether outputs that do not depend on `replace` are repeated S times; if not, they are returned as they are.

    Returns
    -------
    Variable or list of Variable, like `outputs`
        Of shape ``(S,) + shape of the output`` and the dtype of the output.

    Raises
    ------
    NoBatchRule
        For a node that cannot be rewritten, which happens only without `fallback` or for types that are no tensors.

    Notes
    -----
    Nodes that do not depend on the batch are shared with the original graph, so that random draws and minibatches
    are the same for all elements.  Differentiate the result, rather than vectorising a gradient.  Rules for further
    Ops are registered with :func:`rule`; :func:`record_fallbacks` lists the nodes that had none.
    """
    single = isinstance(outputs, Variable)
    token = _fallback_allowed.set(fallback)
    try:
        operands = vectorize_operands([outputs] if single else list(outputs), replace)
    finally:
        _fallback_allowed.reset(token)
    batch = next(iter(replace.values())).shape[0]
    results = [o.filled(batch) if o.batched or broadcast_unbatched else o.variable for o in operands]
    return results[0] if single else results
