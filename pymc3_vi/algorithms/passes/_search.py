"""A quasi-Newton search whose evaluations come one by one, from outside."""

import numpy as np

from ...approximations.gaussian import ArrowCurvature, Chart, Curvature
from ..newton import InverseHessian
from ._measured import ends_of_few, restored_curvature, rows_of_few

__all__ = ["PassSearch"]

LOG_2PI = float(np.log(2 * np.pi))

SHRINK, TRIALS, SUFFICIENT = 0.3, 14, 1e-4
#: Relative accuracy of sums over all rows.
ROUNDING = 1e-10
#: Largest root mean square of a step's coordinates, and of the last one's that was good after others were not.
LONGEST, LONGER = 30.0, 3.0
#: How fast steps shrink is taken to lie in this range.
SLOWEST = 0.9
#: Change of curvature, in units of the present one, for which coordinates are made anew.
OTHER = 0.1
#: A curvature in units of the present scale is taken to lie in this range.
CHANGE = 0.1, 10.0


def _size(step):
    """Root mean square."""
    return float(np.sqrt(np.mean(step**2)))


class PassSearch:
    r"""Minimises the negative ELBO of a Gaussian family at fixed draws, in the coordinates of a :class:`Chart`.

    The part of log p that the chart's curvature A explains is averaged exactly,

    .. math::

        f(x) = -\frac1m \sum_s \left[\log p(\mu + S\epsilon_s) + \tfrac12 \epsilon_s^\top S^\top A S \epsilon_s\right]
               + \tfrac12 \operatorname{tr} S^\top A S - \log |\det S| + \text{const},

    so that few draws are enough: their error is that of the departure from the quadratic.  Gradient and value are those
    of one function.  Whoever uses it evaluates log p at :attr:`draws` and tells the result.

    Parameters
    ----------
    chart : Chart
        Its origin is the start.
    eps : ndarray (2 m, d)
        Mirrored pairs, row i and row i + m.

    Attributes
    ----------
    x, value, slope : ndarray or None, float, ndarray or None
        The best place so far; None before the first evaluation.
    trial : ndarray
        Coordinates where the next evaluation is wanted.
    gap : float
        Length of the step that is to be made from `x`, the largest change of a mean in sds or of a log sd.
    rate : float or None
        Last ratio of two successive gaps after full steps.
    noise : float
        Standard error of a mean, in sds, that the few draws leave; from how pairs differ, which counts terms that
        matched draws average exactly, or from how far the optimum of other draws was.
    pairs_before : int
        Number of those other pairs, where the start is their optimum; else 0.
    left_out : ndarray
        Base noise of draws without a finite log density at the first evaluation, which no other uses.
    """

    def __init__(self, chart, eps):
        self.chart, self.blocks, self.eps = chart, chart.blocks, eps
        self.inverse = InverseHessian()
        #: Whether curvature is measured anew at every place: where it is diagonal, or an arrow.
        self.measures = self.blocks.is_diagonal and not self.blocks.is_small
        self.promised = 0.0
        self.x = self.slope = self.rate = None
        self.value = self.gap = np.inf
        self.noise, self.most_noise, self.pairs_before = 0.0, np.inf, 0
        #: Draws that were left out since the search began.
        self.left_out = eps[:0]
        self.trial, self.length, self.failures, self.longest = chart.origin(), 1.0, 0, LONGEST

    @property
    def draws(self):
        """Points (2 m, d) at which log p is wanted."""
        mu, scale = self.chart.place(self.trial)
        ends = ends_of_few(self.blocks, mu, scale)
        return np.concatenate([mu + self.blocks.stretch(self.eps, scale), ends])

    def best(self, ahead):
        """(mu, scale) of the best place, or of the step `ahead` of it."""
        if self.x is None:
            return self.chart.place(self.chart.origin())
        return self.chart.place(self.trial if ahead else self.x)

    def tell(self, logp, grad):
        """Take log p (2 m,) and its gradients (2 m, d) at :attr:`draws`; returns whether the trial is the best now.

        With False, :attr:`trial` is nearer to the best place, or there is nothing more to try (:attr:`stuck`).
        """
        (logp, _), (grad, ends) = (np.split(told, [len(self.eps)]) for told in (logp, grad))
        if self.x is None:
            logp, grad = self._defined(logp, grad)
        value, slope = self._evaluate(logp, grad)
        if not (np.isfinite(value) and np.isfinite(slope).all() and value <= self._limit()):
            self.failures += 1
            self.length *= SHRINK
            origin = self.chart.origin() if self.x is None else self.x
            self.trial = origin + SHRINK * (self.trial - origin)
            return False
        before, full = self.gap, self.length == 1.0
        if self.x is not None:
            self.inverse.update(self.trial - self.x, slope - self.slope)
        here = self._anew(slope, ends)
        if here is not self:
            value, slope = here._evaluate(logp, grad)
        x, step = here.trial, -here.inverse.times(slope, here._first_guess(slope))
        longest = min(LONGER * self.longest, LONGEST)
        if not full and self.x is not None:
            longest = min(LONGER * max(_size(self.trial - self.x), 1e-3), LONGEST)
        step *= min(1.0, longest / max(_size(step), 1e-300))
        gap = here._gap(x, step)
        rate = min(gap / before, SLOWEST) if full and self.x is not None and np.isfinite(before) else self.rate
        if self.x is None and self.pairs_before:
            self.most_noise = gap / np.sqrt(1 + len(self.eps) / (2 * self.pairs_before))
        noise = min(here._noise(x, grad), self.most_noise)
        promised = max(-slope.dot(step), 0.0)
        vars(self).update(
            chart=here.chart, inverse=here.inverse, x=x, value=value, slope=slope, gap=gap, rate=rate, noise=noise,
            promised=promised, trial=x + step, length=1.0, failures=0, longest=longest,
        )  # fmt: skip
        return True

    def _defined(self, logp, grad):
        """`logp` and `grad` without pairs that have none where the search begins, unless they are more than half."""
        fine = np.isfinite(logp) & np.isfinite(grad).all(axis=1)
        pairs = np.logical_and(*np.split(fine, 2))
        if fine.all() or 2 * pairs.sum() < max(len(pairs), 4):
            return logp, grad
        keep = np.tile(pairs, 2)
        self.left_out, self.eps = self.eps[~keep], self.eps[keep]
        return logp[keep], grad[keep]

    def _widening(self, slope):
        """Curvature at the present place in units of the present scale, as the slope of the scale tells it."""
        d = self.blocks.d
        return np.clip(1.0 + np.sqrt(2.0) * slope[d:], *CHANGE)

    def _first_guess(self, slope):
        """Diagonal of the inverse Hessian before any step: that of the chart, or of the curvature measured last."""
        if not self.measures:
            return 1.0
        d, ratio = self.blocks.d, self._widening(slope)
        guess = np.ones(2 * d)
        near = np.abs(ratio - 1.0) < 1e-6
        guess[d:] = np.where(near, 1.0, np.log(ratio) / np.where(near, 1.0, ratio - 1.0))
        scale = self.chart.place(self.trial)[1]
        guess[:d] = self.chart.curvature.tamed(self.chart.scale).diagonal * scale**2 / ratio
        guess[self.blocks.few] = 1.0
        return guess

    def _anew(self, slope, ends):
        """Search from the trial in new coordinates, if the curvature of few values with all is another there; or self.

        Not at the first place: on rows that the start has not seen, terms in the gradient that cancel at the optimum
        bend log p along combinations of values, and the curvature that the rows before had at theirs leads better.
        """
        few = self.blocks.few
        if not len(few) or self.x is None or not np.isfinite(ends).all():
            return self
        mu, scale = self.chart.place(self.trial)
        rows, old = rows_of_few(self.blocks, scale, ends), self.chart.curvature
        diagonal = self._widening(slope) / scale**2
        diagonal[few] = rows[np.arange(len(few)), few]
        new = ArrowCurvature.of_rows(diagonal, rows, few)
        axes = self.chart.root.dot(np.eye(self.blocks.d)[:, few])
        change = self.chart.root.T.dot((new.times(axes.T) - old.with_many(diagonal).times(axes.T)).T)
        if np.max(np.sum(change**2, axis=0)) < OTHER**2:
            return self
        return PassSearch(Chart(self.blocks, mu, scale, new, new.tamed(scale).root()), self.eps)

    @property
    def curvature(self):
        """Curvature at the best place."""
        if not self.measures or self.x is None:
            return self.chart.curvature
        diagonal = self._widening(self.slope) / self.chart.place(self.x)[1] ** 2
        if len(self.blocks.few):
            return self.chart.curvature.with_many(diagonal)
        return Curvature(diagonal)

    @property
    def step_size(self):
        """Root mean square of the coordinates of the step from the best place; those of a chart have unit curvature."""
        return _size(self.trial - self.x)

    @property
    def stuck(self):
        """Whether no shorter step is worth trying."""
        return self.failures >= TRIALS

    def again(self):
        """Forget values, and evaluate where the next step leads: the data may be others."""
        self.x, self.slope, self.value, self.gap = None, None, np.inf, np.inf
        self.length, self.failures, self.pairs_before, self.rate = 1.0, 0, 0, None

    def _limit(self):
        if self.x is None:
            return np.inf
        return self.value - SUFFICIENT * self.length * self.promised + ROUNDING * abs(self.value)

    def _evaluate(self, logp, grad):
        mu, scale = self.chart.place(self.trial)
        del mu
        with np.errstate(invalid="ignore", over="ignore"):
            moved, curvature = self.blocks.stretch(self.eps, scale), self.chart.curvature
            sampled = np.mean(np.sum(moved * curvature.times(moved), axis=1))
            exact = np.sum((self.blocks.spread(scale) if scale.ndim == 2 else scale) * curvature.column_products(scale))
            value = -np.mean(logp) + 0.5 * (exact - sampled) - self.blocks.log_det(scale)
            value -= 0.5 * self.blocks.d * (1 + LOG_2PI)
            return float(value), self.chart.slope(self.trial, self.eps, grad)

    def _gap(self, x, step):
        """Largest change of a mean in sds, or of a log sd."""
        (mu, scale), (after, wider) = self.chart.place(x), self.chart.place(x + step)
        std = self.blocks.std(scale)
        return float(max(np.max(np.abs(after - mu) / std), np.max(np.abs(np.log(self.blocks.std(wider) / std)))))

    def _noise(self, x, grad):
        scale, half = self.chart.place(x)[1], len(self.eps) // 2
        residual = grad + self.chart.curvature.times(self.blocks.stretch(self.eps, scale))
        pairs = 0.5 * (residual[:half] + residual[half:])
        root = self.chart.root
        moves = pairs * root**2 if root.ndim == 1 else root.dot(root.T.dot(pairs.T)).T
        errors = np.std(moves, axis=0, ddof=1) / np.sqrt(half) / self.blocks.std(scale)
        return float(np.max(errors)) if half > 1 else 0.0

    # ---------------------------------------------------------------- state
    _PLAIN = (
        "x", "value", "slope", "rate", "gap", "noise", "trial", "length", "failures", "promised", "most_noise",
        "pairs_before", "longest",
    )  # fmt: skip

    def snapshot(self):
        """State as a dict of arrays, numbers and lists."""
        chart = self.chart
        state = {name: getattr(self, name) for name in self._PLAIN}
        state.update(
            eps=self.eps,
            mu=chart.mu,
            scale=chart.scale,
            root=chart.root if isinstance(chart.root, np.ndarray) else None,
            curvature=chart.curvature.values,
            pairs=[[step, change, float(curvature)] for step, change, curvature in self.inverse.pairs],
        )
        return state

    @classmethod
    def restored(cls, blocks, state):
        """Search from what :meth:`snapshot` gave."""
        curvature, root = restored_curvature(blocks, state["curvature"]), state["root"]
        root = curvature.tamed(state["scale"]).root() if root is None else root
        chart = Chart(blocks, state["mu"], state["scale"], curvature, root)
        search = cls(chart, np.asarray(state["eps"]))
        search.inverse.pairs = [tuple(pair) for pair in state["pairs"]]
        vars(search).update({name: state[name] for name in cls._PLAIN})
        return search
