"""Draws without a finite log density or gradient: which they are, what takes their place, how many there were."""

import numpy as np

from ..compiler import run_steps

__all__ = ["LeftOut", "UNDEFINED", "redraw", "run_defined"]

#: What an Op raises that has no value at a draw, as Cholesky factors do.
UNDEFINED = (np.linalg.LinAlgError, ArithmeticError)
#: More draws than those that are used, and those of this number of steps, may not be left out.
ALLOWANCE = 100


def run_defined(function, count):
    """Run steps, keeping their memory; what SciPy says of NaN in a matrix becomes a FloatingPointError."""
    try:
        # Large temporaries that are freed go back to the system, and asking for them again is slow.
        run_steps(function, count, keep_memory=True)
    except ValueError as error:
        if "infs or NaNs" not in str(error):
            raise
        raise FloatingPointError(str(error)) from error


class LeftOut:
    """Draws that were left out of their steps.

    Attributes
    ----------
    count : int
    events : list of (int, int)
        Number of steps done before, and number of draws left out there.
    last : list of ndarray or None
        Base noise of the last of them, (count, d) for each block; None where the steps themselves left them out.
    """

    def __init__(self):
        self.count, self.events, self.last = 0, [], None
        self._since = 0, 0

    def note(self, steps_done, count, noise):
        """Add `count` draws that were left out after `steps_done` steps."""
        self.count += count
        self.events.append((steps_done, count))
        self.last = noise

    def exceed(self, steps, draws):
        """Whether more were left out than `steps` steps of so many draws use, since the last time that it was so."""
        count, begin = self._since
        if self.count - count <= (ALLOWANCE + steps - begin) * draws:
            return False
        self._since = self.count, steps
        return True

    def since(self, step):
        """Number left out from step number `step` on."""
        return sum(count for at, count in self.events if at >= step)


def redraw(step):
    """Put fresh noise in place of the draws at which the coming step of `step` breaks.

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
    if len(bad) in (0, draws):  # one draw, or all of them, or they break it only together
        old = [np.array(v if draws > 1 else v[None]) for v in values]
        for block, value in zip(blocks, values):
            value[...] = block.draw(1)[0]
        return draws, old
    old = [value[bad] for value in values]
    for block, value in zip(blocks, values):
        value[bad] = block.draw(1)[0][bad]
    return len(bad), old


def _bad_draws(step, values, indices):
    """Those of the draws `indices` with which alone the step breaks, by halving."""
    others = np.resize(indices, len(values[0])) if values else indices
    if step.trial([value[others][None] for value in values])[0]:
        return []
    if len(indices) == 1:
        return [int(indices[0])]
    half = len(indices) // 2
    return _bad_draws(step, values, indices[:half]) + _bad_draws(step, values, indices[half:])
