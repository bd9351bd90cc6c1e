"""What a fit looks at before its first step: the log density at draws of q."""

import numpy as np
from theano.graph.basic import ancestors

from ...compiler import UNDEFINED
from ...errors import NonFiniteDrawsWarning, StartError
from ...validation import warn_user
from .._non_finite import TermsAtDraws, draws_of_rows, undefined

__all__ = ["check_draws", "DRAWS"]

#: Number of draws that are looked at.
DRAWS = 20
#: Particles that lie closer together are all at the start point, which has been looked at.
APART = 1e-3

_ADVICE = (
    "Begin closer to the posterior with start='map' or start={'name': value}, or bound the variable by its "
    "distribution, so that its unconstrained scale has no forbidden region."
)


def check_draws(approx, step, n, replacements=None):
    """Look at `DRAWS` draws of q before a fit of `n` steps.

    A compiled step with a loss is tried on them, and put back; the model's terms are evaluated one by one only where
    that shows something, or where there is no loss.  Nothing is looked at where it would say nothing: draws of
    amortised groups depend on the data; items taken from a generator cannot be put back.

    Parameters
    ----------
    approx : Approximation
    step : Step
    n : int
    replacements : dict, optional

    Raises
    ------
    StartError
        When no draw has a finite log density.

    Warns
    -----
    NonFiniteDrawsWarning
        When some have none.
    """
    if n < 1 or step.reads_stream:
        return
    generator = approx.groups[0].seeds.generator("pre-flight")
    if step.has_loss:
        draws = _draws_that_break(approx, step, generator)
    else:
        draws = _draws_apart(approx, generator)
    if not draws:
        return
    try:
        found = _Findings(TermsAtDraws.of(approx, replacements, slopes=step.has_loss), draws)
    except Exception:  # looking must never be what ends a fit
        return
    if found.bad == len(draws):
        raise StartError(f"None of {len(draws)} draws of q has a finite log density and gradient: {found}. {_ADVICE}")
    if found.bad:
        then = "They are left out of their steps."
        warn_user(
            f"{found.bad} of {len(draws)} draws of q before the first step have no finite log density or gradient: "
            f"{found}. {then} {_ADVICE}",
            NonFiniteDrawsWarning,
        )


def _draws_that_break(approx, step, generator):
    """All draws of rows on which the step was tried, if it broke on one of them."""
    blocks = step.graph.noise.blocks
    if len(blocks) != len(approx.groups) or approx.has_local:
        return []
    each = 1 if len(blocks[0].shape) == approx.groups[0].core_ndim else blocks[0].shape[0]
    noise = step.graph.noise.sample(-(-DRAWS // each), generator)
    if np.isfinite(step.trial(noise)).all():
        return []
    return [draw for row in zip(*noise) for draw in draws_of_rows(list(row), approx)][:DRAWS]


def _draws_apart(approx, generator):
    """Draws of q by group, unless they all are the start point."""
    if approx.has_local:
        return []
    arrays = [group.noise_array(DRAWS, generator) for group in approx.groups]
    if approx.all_histograms:
        spread = max(np.ptp(a, axis=0).max() for a in arrays)
        if spread < APART:
            return []
    return list(zip(*arrays))


class _Findings:
    """What is not finite at draws, in words.

    Attributes
    ----------
    bad : int
        Number of draws at which something is not finite.
    """

    def __init__(self, look, draws):
        self.look, self.bad = look, 0
        self.counts, self.examples = {}, {}
        for draw in draws:
            names = self._at(draw)
            self.bad += bool(names)
            for name in names:
                self.counts[name] = self.counts.get(name, 0) + 1

    def _at(self, draw):
        """Keys of what is not finite at a draw; the first of each kind is kept as an example."""
        try:
            terms, slopes, point = self.look(draw)
        except UNDEFINED as error:
            self.examples.setdefault("the log density", undefined(error)[len("the log density is ") :])
            return ["the log density"]
        names = []
        for term, value in zip(self.look.terms, terms):
            if not np.isfinite(value):
                names.append(f"the {term.kind} term of variable {term.name!r}")
                self.examples.setdefault(names[-1], f"{float(value)} at {self._where(term.node, point)}")
        if names:
            return names
        for variable, slope, value in zip(self.look.free, slopes, point):
            bad = np.flatnonzero(~np.isfinite(np.ravel(slope)))
            if len(bad):
                names.append(f"the gradient of variable {variable.name!r}")
                self.examples.setdefault(names[-1], f"{np.ravel(slope)[bad[0]]} at {_short(variable, value)}")
        return names

    def _where(self, node, point):
        behind = set(ancestors([node]))
        return ", ".join(_short(v, value) for v, value in zip(self.look.free, point) if v in behind)

    def __str__(self):
        return "; ".join(f"{name} is {self.examples[name]} (in {count})" for name, count in self.counts.items())


def _short(variable, value):
    return f"{variable.name}={np.array2string(np.asarray(value), threshold=6, precision=4)}"
