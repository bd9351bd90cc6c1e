"""Draws without a finite log density or gradient: which they are, what takes their place, how many there were."""

import numpy as np

from ..compiler import as_undefined, run_steps

__all__ = ["LeftOut", "redraw", "run_defined"]

#: More than twice the draws that are used, and those of this number of steps, may not be left out: where q's centre
#: lies just inside an edge, half of all draws and some more are, until its scale has become small.
ALLOWANCE, MOST = 100, 2
#: Where more than this share of the draws used in the last steps was left out beside them, others are drawn in towards
#: q's centre, so many times at most.
OFTEN, LAST, DRAWN_IN = 0.5, 100, 5


def run_defined(function, count):
    """Run steps, keeping their memory; what an Op raises that has no value at a draw is one of `UNDEFINED`."""
    try:
        # Large temporaries that are freed go back to the system, and asking for them again is slow.
        run_steps(function, count, keep_memory=True)
    except ValueError as error:
        undefined = as_undefined(error)
        if undefined is None:
            raise
        raise undefined from error


class LeftOut:
    """Draws that were left out of their steps.

    Attributes
    ----------
    count, in_run : int
        Of all runs, and since :meth:`begin_run`.
    events : list of (int, int)
        Number of steps done before, and number of draws left out there.
    last : list of ndarray or None
        Base noise of the last of them, (count, d) for each block; None where the steps themselves left them out.
    """

    def __init__(self):
        self.count, self.events, self.last = 0, [], None
        self._since = 0, 0
        self._inside = None  # parameters whose central draw gave a step
        self._before = 0

    @property
    def in_run(self):
        """Number left out in the run that is under way."""
        return self.count - self._before

    def begin_run(self):
        """Count `in_run` from here on."""
        self._before = self.count

    def note(self, steps_done, count, noise):
        """Add `count` draws that were left out after `steps_done` steps."""
        self.count += count
        self.events.append((steps_done, count))
        self.last = noise

    def exceed(self, steps, draws):
        """Whether more were left out than `MOST` times what `steps` steps use, since the last time that it was so."""
        count, begin = self._since
        if self.count - count <= (ALLOWANCE + MOST * (steps - begin)) * draws:
            return False
        self._since = self.count, steps
        return True

    def stay_inside(self, step, often):
        """Take back what carried q's centre across an edge, where draws are left out `often`.

        Of all parameters only the shortest piece goes back to where the centre gave a step last: the others, the scale
        above all, keep what they have learned, without which the centre would be carried there again and again.
        """
        blocks = [(b.shared.get_value(borrow=True)[step.position], b.kind) for b in step.graph.noise.blocks]
        if not blocks:
            return
        centre = [np.array(row * (kind != "normal"), dtype=row.dtype)[None] for row, kind in blocks]
        params, fine = step.graph.params, np.isfinite(step.trial(centre)[0])
        now = [p.get_value() for p in params]
        if fine:
            self._inside = now
        if fine or not often or self._inside is None:
            return
        sizes = np.cumsum([0] + [p.size for p in now])

        def is_inside(low, high):
            for k, param in enumerate(params):
                value = now[k].copy()
                piece = slice(max(low - sizes[k], 0), max(high - sizes[k], 0))
                value.reshape(-1)[piece] = self._inside[k].reshape(-1)[piece]
                param.set_value(value)
            return np.isfinite(step.trial(centre)[0])

        low, high = 0, sizes[-1]
        while high - low > 1:
            middle = (low + high) // 2
            if is_inside(low, middle):
                high = middle
            elif is_inside(middle, high):
                low = middle
            else:
                break
        is_inside(low, high)

    def often(self, steps, draws):
        """Whether half as many draws as the last steps before number `steps` used were left out."""
        allowed = OFTEN * LAST * draws
        for at, count in reversed(self.events):
            if at < steps - LAST or allowed < 0:
                break
            allowed -= count
        return allowed < 0

    def since(self, step):
        """Number left out from step number `step` on."""
        return sum(count for at, count in self.events if at >= step)

    # ---------------------------------------------------------------- state
    def snapshot(self):
        """What coming steps and reports depend on, as a dict of arrays, numbers and lists."""
        return {
            "count": int(self.count),
            "events": [[int(at), int(count)] for at, count in self.events],
            "since": [int(n) for n in self._since],
            "inside": self._inside,
            "last": self.last,
        }

    def restore(self, snapshot):
        """Take over a :meth:`snapshot`."""
        self.count, self.events = int(snapshot["count"]), [tuple(event) for event in snapshot["events"]]
        self._since, self._inside, self.last = tuple(snapshot["since"]), snapshot["inside"], snapshot["last"]


def redraw(step):
    """Put other noise in place of the draws at which the coming step of `step` breaks.

    It is fresh where such draws are few.  Near the edge of a region without density fresh draws all lie on the one
    side, and their gradients, which point to the optimum there, carry q's mean across the edge, where it is lost.  So
    where they are many, draws are halved, once or a few times: then they lie before the edge on the side on which they
    fell, where the gradient points back, and q's mean moves away and its sd falls.

    Returns
    -------
    count : int
        Number of draws left out.
    noise : list of ndarray
        What they were, (count, ...) for each block.
    """
    blocks, row = step.graph.noise.blocks, step.position
    values = [block.shared.get_value(borrow=True)[row] for block in blocks]
    draws = step.graph.noise.draws
    bad = [] if draws == 1 else _bad_draws(step, [np.array(v) for v in values], np.arange(draws))
    often = step.left_out.often(step.steps_done, draws)
    if step.tries == 1:
        step.left_out.stay_inside(step, often)
    if len(bad) in (0, draws):  # one draw, or all of them, or they break it only together
        old = [np.array(v if draws > 1 else v[None]) for v in values]
        bad = Ellipsis
    else:
        old = [value[bad] for value in values]
    left_out = draws if bad is Ellipsis else len(bad)
    drawn_in = often and step.tries <= DRAWN_IN
    for block, value in zip(blocks, values):
        value[bad] = 0.5 * value[bad] if drawn_in and block.kind == "normal" else block.draw(1)[0][bad]
    return 0 if drawn_in and step.tries > 1 else left_out, old  # a draw that is drawn in again counts once


def _bad_draws(step, values, indices):
    """Those of the draws `indices` with which alone the step breaks, by halving."""
    others = np.resize(indices, len(values[0])) if values else indices
    if np.isfinite(step.trial([value[others][None] for value in values])[0]):
        return []
    if len(indices) == 1:
        return [int(indices[0])]
    half = len(indices) // 2
    return _bad_draws(step, values, indices[:half]) + _bad_draws(step, values, indices[half:])
