"""The optimum of a Gaussian family on many rows, in few passes over them."""

import logging
import time

import numpy as np

from ...approximations.gaussian import Chart, Curvature, GaussianBlocks, matched_pairs
from ...diagnostics import RowDensity, SpreadRows
from ...errors import ConvergenceWarning
from ...model import NotASum
from ...progress import speed
from ...steps import StepDiverged
from ...validation import warn_user
from .._algorithm import Algorithm
from ..newton import NoFiniteStart, starts_at_test_point
from ._bad_rows import refuse_bad_rows
from ._coverage import row_sum
from ._measured import restored_curvature
from ._search import PassSearch
from ._subsets import Ascent, blind_distance, climb, pilot_rows

__all__ = ["Passes"]

logger = logging.getLogger("pymc3_vi")

#: Distance to the optimum (largest of means in sds and of log sds) that is aimed at, and that is worth a warning.
ENOUGH, WORTH_SAYING = 0.01, 0.1
#: Mirrored pairs of draws in a pass, at first and at most; the error that makes them more.
PAIRS, MOST_PAIRS, NOISY = 8, 64, 0.03
#: Error of few draws (sds) beyond which log p is no quadratic under q, and none is taken out of it.
WILD = 0.5
#: Steps shrink at least so fast where the curvature of a part of the rows is that of all; the constant is generous.
CURVATURE_ERROR = 3.0
#: Standard errors that a stated distance covers.
COVER = 3.0
#: Largest length of a step, in sds of the last part's posterior, that is made without looking at all rows again.
BLIND = 4.0
#: A pilot may evaluate this multiple of its draws while it is far.
OVERDRAFT = 10


class Passes(Algorithm):
    """Pilot, growing parts, then quasi-Newton steps on all rows; a step of a fit is a batch of rows.

    The first step makes the pilot and the parts, see ``climb``.  Passes over all rows follow, at a few fixed draws
    at once, until the next step is known to be short; the steps after that are free.  No pass is begun that the rows
    left (steps times batch size) cannot complete.

    Attributes
    ----------
    passes : int
        Passes over all rows so far.
    distance : float
        How far the parameters may be from the optimum: the largest of means in sds and of log sds.
    """

    name = "passes"
    uses_client = True

    def __init__(self):
        #: The log density as a sum over rows, once it has been looked for.
        self.model = None

    # ---------------------------------------------------------------- before the first step
    def obstacle(self, task):
        try:
            self.model = row_sum(task)
        except NotASum as why:
            return str(why)
        return None

    def has_few_rows(self, task):
        """Whether the whole data are no more than what a pilot takes."""
        return self.model.rows <= pilot_rows(sum(group.ddim for group in task.approx.groups))

    def prepare(self, task):
        super().prepare(task)
        approx = task.approx
        task.objective.check_start()
        self.blocks = GaussianBlocks(approx.groups)
        self.density = RowDensity(approx, row_sum(task) if self.model is None else self.model)
        if task.client is not None:
            self.density.spread = SpreadRows(self.density, task.client)
        self.seed = int(approx.groups[0].seeds.generator("passes").integers(2**31))
        #: Whether the pilot may try other starts.
        self.jitter = starts_at_test_point(approx, self.blocks)
        self.params = task.params
        self.tolerance, self.worth_saying = ENOUGH, WORTH_SAYING
        self.rows_read = 0
        self.steps_done = self.allowed = self.spent = self.passes = 0
        self.finished = False
        self.loss = np.nan
        #: Losses, each with the step from which on it is that of a step.
        self.losses = []
        #: Growing parts' end, the search on all rows, and the pass that is under way.
        self.ascent = self.search = self.total = None
        self.written = None
        self._last, self._anew = {}, False
        #: Distance when the search was begun anew.
        self._known = None
        #: Noise of the draws that broke, for whoever explains it.
        self.failing = None
        self._recent, self._seconds = np.empty(0), 0.0

    # ---------------------------------------------------------------- a fit's frame
    @property
    def rows(self):
        """Rows of one pass."""
        return self.density.model.rows

    @property
    def batch_size(self):
        """Rows of one step."""
        return self.density.model.batch_size

    @property
    def has_begun(self):
        """Whether the parts are behind."""
        return self.ascent is not None

    def begin(self, n, first=False):
        if self.has_begun and not self._untouched():
            self.ascent = self.search = self.total = None  # start from the parameters as they are
        self.finished = False
        self.spent = self.allowed = self.steps_done * self.batch_size
        self.allowed += n * self.batch_size
        self._last = {}
        self._anew = self.search is not None and self.total is None

    def reopen(self):
        """Nothing: the search goes on from its own best place."""

    def aim_at(self, tolerance):
        own = tolerance in ("auto", None)
        self.tolerance, self.worth_saying = (ENOUGH, WORTH_SAYING) if own else (tolerance, tolerance)
        return True

    @property
    def moves(self):
        """Passes so far, each with one move of the parameters."""
        return self.passes

    @property
    def comment(self):
        """Where the passes stand."""
        workers = "" if self.density.spread is None else f"{self.density.spread.workers} workers, "
        pace = speed(self.rows_read, self._seconds, "rows")
        return f"pass {self.passes + 1}, {workers}{pace}, {self.distance:.2g} sd from the optimum"

    def failing_noise(self):
        eps = np.zeros(self.blocks.d) if self.failing is None else self.failing
        return [eps[part] for part in self.blocks.slices]

    def density_changed(self, names, i):
        self._anew, self.total, self.finished = self.search is not None, None, False

    def _untouched(self):
        return all(np.array_equal(a, b.get_value(borrow=True)) for a, b in zip(self.written, self.params))

    def _write(self, mu, scale):
        self.blocks.write(mu, scale)
        self.written = [p.get_value() for p in self.params]

    # ---------------------------------------------------------------- running
    def run(self, k):
        self._recent, clock = np.empty(0), time.perf_counter()
        try:
            self._recent = self._advance(k)
        finally:
            self._seconds += time.perf_counter() - clock
        return self.recent_losses()

    def recent_losses(self):
        return self._recent if self.task.score else None

    def _advance(self, k):
        first = self.steps_done
        if k and not self.has_begun:
            self._climb()
            self.losses.append([first, self.loss])
        wanted = (first + k) * self.batch_size
        while not self.finished and self.spent < wanted:
            if self.total is None and not self._open_pass():
                break
            before = self.total.rows
            try:
                self.total.advance(wanted - self.spent)
            finally:
                self.spent += self.total.rows - before
                self.rows_read += self.total.rows - before
            if self.total.suspect is not None and self.search.x is None:
                refuse_bad_rows(self.density, self.total.suspect)
            if self.total.complete:
                self._close_pass()
                self.losses.append([-(-self.spent // self.batch_size) - 1, self.loss])
        self.steps_done = first + k
        return self._losses(np.arange(first, first + k))

    def _losses(self, steps):
        """Loss of each step: that of the last pass that its rows complete."""
        begins, values = np.array(self.losses).reshape(-1, 2).T
        return values[np.searchsorted(begins, steps, side="right") - 1]

    def _climb(self):
        steps = (self.allowed - self.spent) // max(self.batch_size, 1)
        draws = max(steps, min(2000 + 60 * min(self.blocks.d, 100), 200 * steps))
        start = [p.get_value() for p in self.params]
        best = []
        try:
            ascent = climb(
                self.density, self.blocks, self.seed, self.allowed - self.spent,
                (draws, min(OVERDRAFT * draws, 200 * steps)), self.jitter, lambda *place: best.append(place),
            )  # fmt: skip
        except NoFiniteStart as failure:
            refuse_bad_rows(self.density)
            raise StepDiverged(None if np.isfinite(failure.loss) else failure.loss) from None
        finally:
            for param, value in zip(self.params, start):
                param.set_value(value)
            if best:
                self._write(*best[-1])
        self._take(ascent)

    def _take(self, ascent):
        self.spent += ascent.read
        self.rows_read += ascent.read
        self._write(ascent.mu, ascent.scale)
        self.search = self._new_search(ascent.mu, ascent.scale, ascent.curvature, self._pairs())
        self.ascent = ascent
        part = [t.subset(max(1, len(t) * ascent.rows // self.rows), self.seed) for t in self.density.model.tables]
        self.loss = self._loss_on(part)

    def _pairs(self):
        """Mirrored pairs of the first passes: as many as q has correlated values give its scale exactly."""
        return PAIRS if self.blocks.is_diagonal else int(np.clip(self.blocks.d, PAIRS, MOST_PAIRS))

    def _new_search(self, mu, scale, curvature, pairs, quadratic=True):
        generator = np.random.Generator(np.random.SFC64([self.seed, pairs]))
        eps = matched_pairs(generator.standard_normal((pairs, self.blocks.d)))
        control = curvature if quadratic else Curvature(np.zeros(self.blocks.d))
        return PassSearch(Chart(self.blocks, mu, scale, control, curvature.tamed(scale).root()), eps)

    def _loss_on(self, tables):
        """Negative ELBO of all rows as some of them tell it."""
        mu, scale = self.blocks.read()
        z = mu + self.blocks.stretch(self.search.eps, scale)
        rest, data = self.density.rest(z)[0], self.density.slopes(z, tables)[0]
        fine = np.isfinite(data)
        rest = rest[fine].mean() if fine.any() else np.nan
        data = data[fine].mean() - rest if fine.any() else np.nan
        entropy = self.blocks.log_det(scale) + 0.5 * self.blocks.d * (1 + np.log(2 * np.pi))
        return float(-(rest + data * self.rows / sum(map(len, tables)) + entropy))

    # ---------------------------------------------------------------- passes over all rows
    def _open_pass(self):
        """Begin a pass if the budget has room for it."""
        if self.spent + self.rows > self.allowed:
            self.finished = True
            return False
        if self._anew:
            self._known = self.distance
            self.search.again()
        self._anew, self.total = False, self.density.all_rows(self.search.draws)
        return True

    def _close_pass(self):
        search, total = self.search, self.total
        self.passes += 1
        better = search.tell(total.logp, total.grad)
        if len(search.left_out):
            left_out, search.left_out = search.left_out, search.left_out[:0]
            self.left_out.note(self.steps_done, len(left_out), [left_out[:, part] for part in self.blocks.slices])
        if not better and search.stuck:
            if search.x is None:
                self.failing = search.eps[int(np.argmin(np.isfinite(total.logp)))]
                raise StepDiverged(float(-np.mean(total.logp)))
            self.finished = True
        if better:
            self.loss = search.value
            self._write(*search.best(ahead=False))
            if not self._begins_anew() and self._ahead() <= self.tolerance:
                self.finished = not self._more_draws()
        logger.debug("Pass %d: step of %.3g, distance %.3g.", self.passes, search.gap, self.distance)
        self.total = None

    def _rate(self):
        """Part of a step that is left after it."""
        if self.search.rate is not None:
            return max(self.search.rate, 1e-3)
        return min(0.5, CURVATURE_ERROR * np.sqrt(self.blocks.d / max(self.ascent.rows, 1)))

    def _ahead(self):
        """Distance to the optimum of the fixed draws after the next step."""
        rate = self._rate()
        return rate / (1 - rate) * self.search.gap

    def _begins_anew(self):
        """Go on with most draws and without the quadratic, where log p is far from one; returns whether it does.

        An optimum of few draws and of a quadratic that does not fit may lie anywhere.
        """
        search, curvature = self.search, self.search.chart.curvature
        if search.noise <= WILD or not curvature.is_dense or len(search.eps) >= 2 * MOST_PAIRS:
            return False
        if not self.blocks.is_diagonal and self.blocks.d > MOST_PAIRS:  # fewer draws than values need the quadratic
            return False
        self._known = self.distance
        self.search = self._new_search(*search.best(ahead=False), curvature, MOST_PAIRS, quadratic=False)
        return True

    def _more_draws(self):
        """Go on with more draws where the few leave an error; returns whether it does."""
        search = self.search
        pairs = len(search.eps) // 2
        if search.noise <= max(NOISY, self.tolerance) or 2 * pairs > MOST_PAIRS:
            return False
        if self.spent + self.rows > self.allowed:
            return False
        wanted = int(2 ** np.ceil(np.log2(pairs * (search.noise / NOISY) ** 2)))
        mu, scale = search.best(ahead=True)
        self._known = self.distance
        self.search = self._new_search(mu, scale, search.curvature, int(np.clip(wanted, 2 * pairs, MOST_PAIRS)))
        self.search.pairs_before = pairs
        return True

    # ---------------------------------------------------------------- what it found
    @property
    def distance(self):
        if not self.has_begun:
            return np.inf
        if self.search.x is None:
            return blind_distance(self.ascent, self.blocks, self.rows, COVER) if self._known is None else self._known
        near = self._ahead() if self._steps_ahead() else self.search.gap / (1 - self._rate())
        return float(near + COVER * self.search.noise)

    def _steps_ahead(self):
        """Whether the last step is worth making without a look at where it leads."""
        search = self.search
        if search.x is None or search.failures:
            return False
        return search.step_size <= BLIND * np.sqrt(self.rows / self.ascent.rows)

    def result(self):
        if not self.has_begun:
            return
        self._last = dict(zip(self.params, self.written))
        if self.search.x is not None and self._steps_ahead():
            self._write(*self.search.best(ahead=True))
        if self.distance > self.worth_saying:
            warn_user(self._advice(), ConvergenceWarning)

    def _advice(self):
        left = self.rows if self.search.x is None else 3 * self.rows
        steps = -(-(self.spent + left) // self.batch_size)
        return (
            f"The fit may be up to {self.distance:.2g} standard deviations from the optimum: its budget of "
            f"{self.allowed:,} rows (steps times batch size) allowed {self.passes} passes over {self.rows:,} rows. "
            f"Call refine(n) for more steps, or raise n to about {max(steps, 2 * self.allowed // self.batch_size):,}."
        )

    @property
    def last_iterate(self):
        return self._last

    def describe(self):
        view = self.task.approx.view
        rows = f"{self.rows:,} rows ({view.told})" if view.replaced else f"{self.rows:,} rows"
        if not self.has_begun:
            return f"passes over {rows}"
        found = f"within {self.distance:.2g} sd of the optimum"
        return f"{self.passes} passes over {rows} after parts of up to {self.ascent.rows:,}, {found}"

    def release(self):
        if self.density.spread is not None:
            self.density.spread.dismiss()

    # ---------------------------------------------------------------- state
    _NUMBERS = ("steps_done", "allowed", "spent", "passes")

    def snapshot(self):
        state = {name: int(getattr(self, name)) for name in self._NUMBERS}
        state.update(
            rule=self.name,
            kind=[self.blocks.d, int(self.blocks.is_diagonal), self.rows],
            finished=bool(self.finished),
            loss=float(self.loss),
            losses=[[int(step), float(loss)] for step, loss in self.losses],
            known=self._known,
            anew=bool(self._anew),
            seed=self.seed,
            written=None if self.written is None else list(self.written),
            last=[self._last[p] for p in self.params] if self._last else None,
            search=None if self.search is None else self.search.snapshot(),
            ascent=None if self.ascent is None else dict(self.ascent._asdict(), curvature=self.ascent.curvature.values),
            total=None if self.total is None else self.total.snapshot(),
        )
        return state

    def restore(self, snapshot):
        if snapshot.get("rule") != self.name:
            raise ValueError("the saved step is not one of passes over rows")
        kind = [self.blocks.d, int(self.blocks.is_diagonal), self.rows]
        if list(snapshot["kind"]) != kind:
            raise ValueError(
                f"the step has (dimension, diagonal scale, rows) {kind}, the saved one {list(snapshot['kind'])}"
            )
        for name in self._NUMBERS:
            setattr(self, name, int(snapshot[name]))
        self.finished, self.loss, self.seed = bool(snapshot["finished"]), float(snapshot["loss"]), int(snapshot["seed"])
        self.written, self._known, self._anew = (snapshot[name] for name in ("written", "known", "anew"))
        self.losses = [list(pair) for pair in snapshot["losses"]]
        last, search, ascent, total = (snapshot[name] for name in ("last", "search", "ascent", "total"))
        self._last = {} if last is None else dict(zip(self.params, last))
        self.search = None if search is None else PassSearch.restored(self.blocks, search)
        self.ascent = None
        if ascent is not None:
            curvature = restored_curvature(self.blocks, ascent["curvature"])
            self.ascent = Ascent(**dict(ascent, curvature=curvature))
        self.total = None if total is None else self.density.all_rows_from(total)
