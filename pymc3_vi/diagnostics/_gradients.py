"""Gradients that are missing or zero, found in the graph."""

import contextlib
import logging

import theano
import theano.tensor as tt
from theano import scalar
from theano.graph.basic import ancestors, io_toposort
from theano.tensor.elemwise import Elemwise

from ..compiler import without_test_values
from ..errors import GradientError, VariationalInferenceError, ZeroGradientWarning
from ..validation import warn_user

__all__ = ["check_gradients", "gradients_explained", "warn_of_steps"]

logger = logging.getLogger("pymc3_vi")

#: Scalar Ops that are constant almost everywhere.
_STEPS = tuple(
    getattr(scalar, name)
    for name in ("Floor", "Ceil", "Trunc", "RoundHalfToEven", "RoundHalfAwayFromZero", "Sgn", "IntDiv")
    if hasattr(scalar, name)
)


@without_test_values
def warn_of_steps(view):
    """Look for variables that gradients do not see.

    Warns
    -----
    ZeroGradientWarning
        Where the log density depends on a variable only through steps, so that its gradient is zero; names both.
    """
    terms = view.logp_terms()
    flow = _Flow([t.node for t in terms])
    for variable in view.free:
        _warn_of_steps(variable, {t.node for t in terms if t.kind == "prior" and t.name == variable.name}, flow)


@without_test_values
def check_gradients(view, order=1):
    """Look whether the log density has gradients.

    Parameters
    ----------
    view : ModelView
    order : {1, 2}
        Whether second derivatives are needed too.

    Raises
    ------
    GradientError
        Where an Op between a variable and the log density has no gradient; names both.
    """
    slopes = _gradients(tt.add(*view.logp()), view.free)
    if order == 2:
        vectors = [v.type() for v in slopes]
        along = tt.add(*[tt.sum(g * v) for g, v in zip(slopes, vectors)])
        _gradients(along, view.free, "a second derivative, which DADVI and linear response need")


@contextlib.contextmanager
def gradients_explained(view, order):
    """Context in which gradients are made: what is raised for want of one is :func:`check_gradients`'s error."""
    try:
        yield
    except VariationalInferenceError:
        raise
    except Exception:
        try:
            check_gradients(view, order)
        except GradientError:
            raise
        except Exception:
            logger.debug("No gradients either", exc_info=True)
        raise


def _gradients(node, variables, what="a gradient"):
    try:
        return tt.grad(node, variables, disconnected_inputs="ignore")
    except (NotImplementedError, theano.gradient.NullTypeGradError, theano.graph.utils.MethodNotDefined) as error:
        op, names = _without_gradient(node, variables)
        short = str(op) if op is not None else str(error).splitlines()[0] if str(error) else type(error).__name__
        behind = f" The log density depends on {', '.join(names)} through it." if names else ""
        others = (
            "ADVI and the other methods work without one."
            if "second" in what
            else ("All methods here need gradients; pm.sample(step=pm.Slice()) or pm.sample_smc() do without.")
        )
        raise GradientError(
            f"The Op {short} has no {what[2:]}.{behind} Write it with Theano's own functions, or give it a grad "
            f"method. {others}"
        ) from None


def _without_gradient(node, variables):
    """The first Op without a gradient between `variables` and `node`, and the variables that it depends on."""
    wanted = set(variables)
    for variable in ancestors([node]):
        apply = variable.owner
        if apply is None:
            continue
        names = [v.name for v in ancestors(apply.inputs) if v in wanted]
        if not names:
            continue
        try:
            grads = apply.op.L_op(apply.inputs, apply.outputs, [o.zeros_like() for o in apply.outputs])
        except Exception:
            return apply.op, names
        if any(isinstance(g.type, theano.gradient.NullType) for g in grads if g is not None and hasattr(g, "type")):
            return apply.op, names
    return None, []


def _warn_of_steps(variable, own, flow):
    """Warn if every path from `variable` to terms but its `own` ends at an Op that is constant almost everywhere."""
    touched, reached, blocking = flow.reach(variable, own)
    if not touched or any(node in reached for node in touched) or not blocking:
        return
    ops = ", ".join(sorted({_op_name(op) for op in blocking}))
    name = variable.name
    warn_user(
        f"The data and the other variables depend on {name!r} only through {ops}, whose gradient is zero: the fit does "
        f"not see it, and {name!r} keeps its prior. Use a smooth step such as tt.nnet.sigmoid((x - c) / width), sum "
        "over its values, or sample it with pm.sample.",
        ZeroGradientWarning,
    )


class _Flow:
    """Which nodes of some terms depend on a variable, and how; takes time for those nodes alone."""

    def __init__(self, terms):
        self._terms, self._clients, self._position = set(terms), {}, {}
        for position, apply in enumerate(io_toposort([], terms)):
            self._position[apply] = position
            for value in set(apply.inputs):
                self._clients.setdefault(value, []).append(apply)

    def reach(self, variable, own):
        """Terms but `own` that depend on `variable`, nodes that a gradient flows to from it, and Ops that stop it."""
        behind = self._behind(variable)
        touched = [v for apply in behind for v in apply.outputs if v in self._terms and v not in own]
        needed, pending = set(), [v.owner for v in touched]
        while pending:
            apply = pending.pop()
            if apply in behind and apply not in needed:
                needed.add(apply)
                pending.extend(v.owner for v in apply.inputs)
        reached, blocking = {variable}, []
        for apply in sorted(needed, key=self._position.__getitem__):
            flows = False
            for k, value in enumerate(apply.inputs):
                if value in reached:
                    if _stops(apply, k):
                        blocking.append(apply.op)
                    else:
                        flows = True
            for output in apply.outputs:
                if flows and not _is_discrete(output):
                    reached.add(output)
                elif flows:
                    blocking.append(apply.op)
        return touched, reached, blocking

    def _behind(self, variable):
        """Nodes that depend on `variable`."""
        found, pending = set(), [variable]
        while pending:
            for apply in self._clients.get(pending.pop(), ()):
                if apply not in found:
                    found.add(apply)
                    pending.extend(apply.outputs)
        return found


def _is_discrete(variable):
    return str(getattr(variable.type, "dtype", "float")).startswith(("int", "uint", "bool"))


def _stops(apply, k):
    """Whether the gradient of an Op with respect to input `k` is zero almost everywhere."""
    if all(_is_discrete(o) for o in apply.outputs):
        return True
    if isinstance(apply.op, Elemwise):
        op = apply.op.scalar_op
        return isinstance(op, _STEPS) or (isinstance(op, scalar.Switch) and k == 0)
    try:
        return not any(apply.op.connection_pattern(apply)[k])
    except (AttributeError, NotImplementedError):
        return False


def _op_name(op):
    if isinstance(op, Elemwise):
        return str(op.scalar_op).split("{")[0].lower()
    return str(op).split("{")[0]
