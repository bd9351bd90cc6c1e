"""Stopping a fit when its iterates have stopped moving and their average is known well enough."""

from collections import namedtuple

import numpy as np

from ..callbacks import Callback
from ..parameters import checked
from ._convergence import batch_means_error

__all__ = ["Converged", "IterateCheck", "check_iterates"]

#: Fewer iterates say nothing about convergence.
MIN_ITERATES = 40
#: Largest split-R-hat of long windows; that of n independent iterates a half exceeds sqrt(1 + 12 / n) once in 2,000.
LARGEST_RHAT, CHI_SQUARE = 1.1, 12.0
#: Smallest effective sample size of the average.
MIN_ESS = 8.0
#: Part of the tolerance that counts as no change.  A small gradient step may be one of a small learning rate, far from
#: the optimum; a Newton step is as long as the way that is left.
ROUNDING, NEWTON_ROUNDING = 1e-3, 0.25
#: The next check comes when the number of iterates has grown by this factor.
GROWTH = 1.15
#: Most numbers that the recorded iterates may hold together.
LARGEST_RECORD = 2**24


class IterateCheck(namedtuple("IterateCheck", "window, rhat, rhat_limit, mcse, ess")):
    """State of the iterates of a fit, the worst of all entries.

    Attributes
    ----------
    window : int
        Number of iterates looked at, the later half of all.
    rhat, rhat_limit : float
        Largest split-R-hat, and the value that stationary iterates hardly exceed.
    mcse : float
        Largest Monte Carlo error of the average of the window: of means in standard deviations of q, of standard
        deviations relative.
    ess : float
        Smallest effective sample size of that average.
    """

    __slots__ = ()

    def __str__(self):
        return f"R-hat {self.rhat:.3f}, Monte Carlo error {self.mcse:.2g} sd, {self.ess:.0f} effective iterates"


def check_iterates(values, floor=0.0):
    r""":class:`IterateCheck` of a window of iterates.

    The effective sample size is the variance of the iterates over the squared error of their mean from batch means.

    Parameters
    ----------
    values : array (n, p)
        In units in which an error of 1 is a large one.
    floor : float
        Smaller changes are taken for rounding.

    References
    ----------
    Dhaka et al.: Robust, Accurate Stochastic Optimization for Variational Inference, NeurIPS 2020, section 3.
    Welandawe et al.: A Framework for Improving the Reliability of Black-box Variational Inference, JMLR 25(219), 2024,
    section 4.
    """
    values = np.asarray(values, dtype="float64")
    half = len(values) // 2
    halves = values[-2 * half :].reshape(2, half, -1)
    within = halves.var(axis=1, ddof=1).mean(axis=0)
    between = halves.mean(axis=1).var(axis=0, ddof=1)
    errors = np.array([batch_means_error(column) for column in values.T])
    tiny = max(floor, np.finfo(float).tiny ** 0.5) ** 2
    rhat = np.sqrt((half - 1) / half + between / (within + tiny))
    ess = np.minimum((values.var(axis=0, ddof=1) + tiny) / (errors**2 + tiny / len(values)), len(values))
    limit = max(LARGEST_RHAT, np.sqrt(1 + CHI_SQUARE / half))
    return IterateCheck(len(values), float(rhat.max()), float(limit), float(errors.max()), float(ess.min()))


class Converged(Callback):
    """Stop when the iterates are stationary and their average is known to `tol`.

    From time to time the later half of the iterates so far is checked, see ``check_iterates``.  Losses are not
    looked at, so that noisy ones and those of minibatches do no harm.  When it stops, the parameters are the average
    of the window, unless the default rule averages itself.

    Parameters
    ----------
    tol : float
        Largest Monte Carlo error of means, in standard deviations of the approximation, and of standard deviations,
        relative.
    every : int
        Steps between recorded iterates.

    Attributes
    ----------
    converged : bool
    check : IterateCheck or None
        The last one.
    """

    @checked
    def __init__(self, tol=0.02, every=20):
        self.tol, self.every = tol, every
        self._algorithm = None
        self._forget()

    def _forget(self):
        self.converged, self.check = False, None
        self._iterates, self._due, self._seen = [], MIN_ITERATES, None

    def bind(self, inference):
        """Forget the iterates of the fit before."""
        self._forget()
        self._algorithm = inference.algorithm

    def snapshot(self):
        """The iterates and when they are looked at, as a dict of arrays, numbers and lists."""
        return {
            "tol": float(self.tol),
            "every": int(self.every),
            "due": int(self._due),
            "seen": self._seen,
            "iterates": [list(values) for values in self._iterates],
        }

    def restore(self, snapshot, algorithm):
        """Take over a :meth:`snapshot` for a run of `algorithm`; ValueError if it was of another rule."""
        if (snapshot["tol"], snapshot["every"]) != (self.tol, self.every):
            raise ValueError(f"tol is {self.tol}, the saved one was {snapshot['tol']}")
        self._forget()
        self._algorithm, self._due, self._seen = algorithm, int(snapshot["due"]), snapshot["seen"]
        self._iterates = [list(values) for values in snapshot["iterates"]]

    def next_call(self, i):
        """The next multiple of `every`."""
        return (i // self.every + 1) * self.every

    def __call__(self, approx, losses, i):
        if i % self.every:
            return
        batches = None if self._algorithm is None else self._algorithm.moves
        if batches is not None and batches == self._seen:
            return  # this rule moves after batches of steps, and has not moved yet
        self._seen = batches
        self._iterates.append([p.get_value() for p in approx.params])
        room = max(LARGEST_RECORD // max(sum(p.size for p in self._iterates[-1]), 1), 2 * MIN_ITERATES)
        if len(self._iterates) > room:
            self._iterates = self._iterates[-room // 2 :]
            self._due = min(self._due, room)
        if len(self._iterates) < self._due:
            return
        self._due = int(np.ceil(GROWTH * len(self._iterates)))
        window = self._iterates[len(self._iterates) // 2 :]
        part = ROUNDING if batches is None else NEWTON_ROUNDING
        self.check = check = check_iterates(_in_units(approx, window), part * self.tol)
        if check.rhat <= check.rhat_limit and check.mcse <= self.tol and check.ess >= MIN_ESS:
            self.converged = True
            for param, *values in zip(approx.params, *window):
                param.set_value(np.mean(values, axis=0, dtype="float64").astype(param.dtype))
            raise StopIteration(f"converged: {check}")

    def advice(self):
        """What to do when the fit ended before it had converged."""
        state = "too few iterates to tell" if self.check is None else str(self.check)
        return (
            f"The fit used all its steps without converging to tol={self.tol}: {state}. Call refine(n) for more steps, "
            "raise n or obj_n_mc, or accept a larger tol."
        )


def _in_units(approx, window):
    """Iterates (n, p) as means in standard deviations of q and logarithms of standard deviations, where q has them."""
    columns, at = [], 0
    for group in approx.groups:
        count = len(group.params)
        values = [np.stack([row[at + k] for row in window]).astype("float64") for k in range(count)]
        own = group.shared_params if group.user_params is None else {}
        names = {shared: name for name, shared in own.items() if not isinstance(shared, dict)}  # flows nest theirs
        by_name = {names[p]: v for p, v in zip(group.params, values) if p in names}
        columns.extend(_group_in_units(group, by_name, values))
        at += count
    return np.concatenate([c.reshape(len(window), -1) for c in columns], axis=1)


def _group_in_units(group, by_name, values):
    if set(by_name) == {"mu", "rho"}:
        std = np.logaddexp(0, by_name["rho"])
    elif set(by_name) == {"mu", "L_tril"} and not group.batched:
        std = np.empty_like(by_name["mu"])
        for row, entries in zip(std, by_name["L_tril"]):
            factor = np.zeros((group.ddim, group.ddim))
            factor[group.tril_indices] = entries
            row[:] = np.sqrt(np.sum(factor**2, axis=1))
    else:  # no scale of its own: changes relative to the size of the parameter
        return [v / np.maximum(np.sqrt(np.mean(v**2)), 1e-12) for v in values]
    return [by_name["mu"] / std.mean(axis=0), np.log(std)]
