"""Explains a non-finite step in the words of the model."""
import numpy as np
import theano
import theano.tensor as tt

from ..engines import compile_function
from ..errors import NonFiniteError

__all__ = ["non_finite_error"]

_ADVICE = (
    "The parameters are those before that step, and the history is kept. Things that help: a smaller learning rate, "
    "total_grad_norm_constraint=..., another start=..., or a weaker transformation in the model term named above."
)


def non_finite_error(approx, step, stop, index):
    """The error for a :class:`StepDiverged`.

    Parameters
    ----------
    approx : Approximation
    step : Step
        At the state before the step that broke.
    stop : StepDiverged
    index : int
        1-based index of the step that broke.
    """
    what = "A parameter became non-finite" if stop.loss is None else f"The loss became {stop.loss}"
    lines = [f"{what} at step {index}. NaN or infinity occurred in the optimization."]
    try:
        names, details = _culprits(approx, step)
    except Exception as error:  # explaining must never hide the failure itself
        names, details = [], [f"(The model's terms could not be evaluated separately: {error})"]
    if not names:
        names = [v.name for v in approx.view.free]
        details.append("Every term of the model is finite there, so a gradient or the step itself overflowed. "
                       f"Free variables: {', '.join(names)}.")
    return NonFiniteError("\n".join(lines + details + [_ADVICE]), step=index, variables=names)


def _culprits(approx, step):
    """Names of the variables whose logp term or gradient is not finite at the draw of the failing step."""
    if approx.has_local:
        return [], []
    terms = approx.view.logp_terms()
    free = approx.view.free
    with theano.config.change_flags(compute_test_value="off"):
        total = tt.add(*[t.node for t in terms]) if len(terms) > 1 else terms[0].node
        gradients = tt.grad(total, free, disconnected_inputs="ignore")
        eps = [g.input.type("eps") for g in approx.groups]
        z = [g.transform(e) for g, e in zip(approx.groups, eps)]
        nodes = approx.evaluate([t.node for t in terms] + gradients + list(free), z, batched=False)
        # Explaining a failure once must not wait for a C compiler.
        function = compile_function(eps, nodes, mode=theano.Mode(linker="py", optimizer="fast_compile"))
    row = step.position
    blocks = [block.shared.get_value(borrow=True)[row] for block in step.graph.noise.blocks]
    names, details = [], []
    for draw in _draws(blocks, len(approx.groups)):
        values = function(*draw)
        at_terms, at_grads, at_free = _split(values, len(terms), len(free))
        for term, value in zip(terms, at_terms):
            if not np.isfinite(value):
                names.append(term.name)
                details.append(f"The {term.kind} term of variable {term.name!r} is {float(value)}.")
        for var, value, where in zip(free, at_grads, at_free):
            bad = np.flatnonzero(~np.isfinite(np.atleast_1d(value).ravel()))
            if len(bad):
                names.append(var.name)
                at = np.atleast_1d(where).ravel()[bad[0]]
                details.append(f"The gradient of variable {var.name!r} is non-finite at element {bad[0]} (value {at:.6g}).")
        if names:
            break
    return list(dict.fromkeys(names)), details


def _draws(blocks, groups):
    """Single draws from rows of noise; a batch gives one draw per row."""
    if len(blocks) != groups:
        return []
    if blocks[0].ndim == 1:
        return [blocks]
    return [[block[i] for block in blocks] for i in range(len(blocks[0]))]


def _split(values, *sizes):
    a, b = sizes
    return values[:a], values[a : a + b], values[a + b :]
