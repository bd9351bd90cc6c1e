"""Explains non-finite numbers in the words of the model."""

import numpy as np
import theano
import theano.tensor as tt

from ..compiler import UNDEFINED, compile_function, without_test_values
from ..diagnostics import look_mode
from ..errors import NonFiniteError
from ..graph import made_once, substitute
from ..model import reads_rows

__all__ = ["TermsAtDraws", "culprits", "draws_of_rows", "non_finite_error", "undefined"]

_ADVICE = (
    "The parameters are those before that step, and the history is kept. Things that help: a smaller learning rate, "
    "total_grad_norm_constraint=..., another start=..., or a weaker transformation in the model term named above."
)
#: Draws that a fit looks at before its first step and after its last.
LOOKS = 60
#: Where other draws had been left out before.
_EDGE = (
    " If the density ends there (a bound that depends on other variables, a clipped probability), the ELBO of q is not "
    "finite, and none of these helps: bound the variables by their distributions, so that the unconstrained scale has "
    "no forbidden region, or write the term so that it is finite everywhere."
)


class TermsAtDraws:
    """Summands of the log density, one by one, and its slopes, at single draws of q.

    Python evaluates them, where the data are not many: to look once must not wait for a C compiler.

    Parameters
    ----------
    approx : Approximation
    replacements : dict, optional
        Made in the model before draws are put in.
    slopes : bool
        Whether the gradient is wanted too.

    Attributes
    ----------
    terms : list of LogpTerm
    free : list of FreeRV
    """

    @without_test_values
    def __init__(self, approx, replacements=None, slopes=True):
        self.terms, self.free = approx.view.logp_terms(), list(approx.view.free)
        nodes = [t.node for t in self.terms]
        if slopes:
            total = tt.add(*nodes) if len(nodes) > 1 else nodes[0]
            nodes = nodes + tt.grad(total, self.free, disconnected_inputs="ignore")
        eps = [g.input.type("eps") for g in approx.groups]
        z = [g.transform(e) for g, e in zip(approx.groups, eps)]
        nodes = substitute(nodes, {**approx.view.replaced, **(replacements or {})})
        nodes = approx.evaluate(nodes + self.free, z, batched=False)
        is_short = reads_rows(nodes) or look_mode(approx.view, LOOKS) is not None
        mode = theano.Mode(linker="py", optimizer="fast_compile") if is_short else None
        # Data that a random stream picks stay as they are.
        self._function = compile_function(eps, nodes, mode=mode, no_default_updates=True)

    @classmethod
    def of(cls, approx, replacements=None, slopes=True):
        """The same, made once where nothing is replaced: it takes as long as many steps."""
        if replacements or approx.view.replaced:
            return cls(approx, replacements, slopes)
        return made_once(approx, "terms at draws", lambda: cls(approx, slopes=slopes), slopes)

    def __call__(self, draw):
        """Values of the terms, slopes, and values of the free variables at base noise `draw`, one array per group."""
        with np.errstate(all="ignore"):
            values = self._function(*draw)
        first, last = len(self.terms), len(values) - len(self.free)
        return values[:first], values[first:last], values[last:]


def non_finite_error(algorithm, stop, index):
    """The error for a :class:`StepDiverged`.

    Parameters
    ----------
    algorithm : Algorithm
        At the state before the step that broke.
    stop : StepDiverged
    index : int
        1-based index of the step that broke.
    """
    what = "A parameter became non-finite" if stop.loss is None else f"The loss became {stop.loss}"
    if stop.error is not None:
        what = f"An Op raised an error, {undefined(stop.error)},"
    approx, left_out = algorithm.task.approx, algorithm.left_out.count
    often = f" {left_out:,} draws had been left out by then." if left_out > 1 else ""
    lines = [f"{what} at step {index}. NaN or infinity occurred in the optimization.{often}"]
    try:
        names, details = culprits(approx, _failing_draws(approx, algorithm))
    except Exception as error:  # explaining must never hide the failure itself
        names, details = [], [f"(The model's terms could not be evaluated separately: {error})"]
    if not names:
        names = [v.name for v in approx.view.free]
        details.append(
            f"Free variables: {', '.join(names)}."
            if stop.error is not None
            else "Every term of the model is finite there, so a gradient or the step itself overflowed. "
            f"Free variables: {', '.join(names)}."
        )
    advice = _ADVICE + (_EDGE if left_out else "")
    return NonFiniteError("\n".join(lines + details + [advice]), step=index, variables=names)


def _failing_draws(approx, algorithm):
    """Draws of the step that failed; none of amortised groups, which depend on the data."""
    if approx.has_local:
        return []
    noise = algorithm.failing_noise()
    return draws_of_rows(noise, approx) if noise else []


def culprits(approx, draws):
    """What is not finite at the first of `draws` where something is: names of the variables, and sentences."""
    look = TermsAtDraws(approx) if draws else None
    names, details = [], []
    for draw in draws:
        try:
            at_terms, at_slopes, at_free = look(draw)
        except UNDEFINED as error:
            return [v.name for v in look.free], [undefined(error) + "."]
        for term, value in zip(look.terms, at_terms):
            if not np.isfinite(value):
                names.append(term.name)
                details.append(f"The {term.kind} term of variable {term.name!r} is {float(value)}.")
        for var, value, where in zip(look.free, at_slopes, at_free):
            bad = np.flatnonzero(~np.isfinite(np.atleast_1d(value).ravel()))
            if len(bad):
                names.append(var.name)
                at, slope = (float(np.atleast_1d(v).ravel()[bad[0]]) for v in (where, value))
                details.append(
                    f"The gradient of variable {var.name!r} is {slope} at element {bad[0]}, whose value is {at:.6g}."
                )
        if names:
            break
    return list(dict.fromkeys(names)), details


def undefined(error):
    """What an Op said that has no value at a draw, without Theano's account of it."""
    return f"the log density is undefined ({str(error).splitlines()[0]})"


def draws_of_rows(blocks, approx):
    """Single draws, as lists of one array per group, from one row of every noise block, which may hold several."""
    if len(blocks) != len(approx.groups):
        return []
    if blocks[0].ndim == approx.groups[0].core_ndim:
        return [blocks]
    return [[block[i] for block in blocks] for i in range(len(blocks[0]))]
