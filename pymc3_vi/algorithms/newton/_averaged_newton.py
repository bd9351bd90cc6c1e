"""Newton steps for Gaussian families: compiled draws, and a step after every batch of them."""

import numpy as np

from ...approximations.gaussian import Draws, matched_pairs
from ...diagnostics import PointDensity, point_density
from ...steps import StepDiverged
from .._algorithm import Algorithm
from ._coverage import affordable_blocks, obstacle, starts_at_test_point
from ._known import FEWEST_DRAWS, Known, parts_of
from ._state import restore_step, step_snapshot
from ._target import DrawTarget
from ._warm_start import NoFiniteStart, WarmStart, settling_draws

__all__ = ["Newton"]

#: Batches that a fit is divided into, and the sizes that a batch may have.
BATCHES, SMALLEST_BATCH, LARGEST_BATCH = 48, 32, 512
#: The warm start may evaluate this multiple of its budget while the optimum is far.
OVERDRAFT = 10
#: Most numbers in the noise of a batch.
LARGEST_BLOCK = 2**21
#: The gain of batch k is (1 + k)^-DECAY.
DECAY = 0.6
#: Weight of late iterates in the average (Shamir, Zhang 2013, section 4); 0 is the plain average.
LATE = 2.0
#: Largest root mean square of a step's coordinates, and of the mean's move in standard deviations of q.
LONGEST_STEP, LONGEST_MOVE = 0.3, 1.0
#: ELBO (nats) by which the average may lie below the warm start, at the same fresh draws, and be believed.
LOST = 0.1
#: Most warm starts that follow a log density that changes during a fit, and batches at the last one.
FOLLOWING, LAST_BATCHES = 20, 12
#: What the warm start may have left to gain (nats) where the steps after it tell how far they are; pairs of draws that
#: tell their curvature.
ARRIVED, PROBING_PAIRS = 1e-3, 16
#: Relative change of the ELBO at fixed draws by which another log density is recognised.
CHANGED = 1e-4


def _size(vector):
    return np.sqrt(np.mean(vector**2))


def _values(blocks, mu, scale):
    """Means and log sds (2 d,)."""
    with np.errstate(all="ignore"):
        return np.concatenate([mu, np.log(blocks.std(scale))])


class Newton(Algorithm):
    r"""Steps of :math:`x_{k+1} = x_k - \gamma_k H \hat g_k(x_k)` with one batch of fresh draws each.

    One step of a fit is one row of draws and one loss, as with any optimizer; the parameters change after each batch
    of rows.  Draws without a finite log density or gradient are left out, with their mirrored partners; the loss of
    their row is then that of the row before.  Coordinates, H and the control variate of :math:`\hat g` come from a
    ``WarmStart``, which runs before the first step.  The result is a weighted average of the iterates.

    Parameters
    ----------
    whole_data : dict, optional
        Minibatch variables and all their rows, which stand in for them.

    References
    ----------
    Polyak, Juditsky: Acceleration of stochastic approximation by averaging, SIAM J. Control Optim. 30(4), 1992.
    Shamir, Zhang: Stochastic gradient descent for non-smooth optimization, ICML 2013, section 4.
    """

    name = "newton"

    def __init__(self, whole_data=None):
        self.whole_data = whole_data

    def obstacle(self, task):
        return obstacle(task, self.whole_data)

    def prepare(self, task):
        super().prepare(task)
        approx, options = task.approx, task.options
        task.objective.check_start()
        self.blocks = affordable_blocks(approx)
        beta = task.objective.op.beta
        density = self._density(task, beta)
        density.compile_slopes()
        self.target = DrawTarget(density, self.blocks, options.get("obj_n_mc") or 1, beta)
        self.seed = int(approx.groups[0].seeds.generator("draws of the default rule").integers(2**31))
        #: Whether the warm start may try other start points.
        self.jitter = starts_at_test_point(approx, self.blocks)
        self.score, self.params = task.score, task.params
        self.draws = Draws(self.blocks.d, self.seed + 1)
        self.steps_done = 0
        self.budget = self.reach = 0
        self.batch = SMALLEST_BATCH
        self.batches_done = 0
        #: Where the warm start ended; None before it.
        self.arrival = None
        self.warm_evaluations = 0
        #: Coordinates of the iterate and of the average.
        self.x = self.average = None
        #: Rows in the current batch, and the next of them to run.
        self.rows = self.position = 0
        #: Parameters as this step last set them.
        self.written = None
        #: Parameters before averaging, by shared variable, after a fit.
        self._last = {}
        #: Whether the current batch has moved the parameters, and draws taken up to its end.
        self.updated, self.taken = True, 0
        self._loaded = False
        self._begin, self._recent = 0, []
        #: Whether the log density is another one than at the last warm start, its step, and least steps between.
        self._stale, self._started_at, self._apart = False, 0, 0
        #: Parameters at the beginning of a warm start that has not ended.
        self._start = None
        #: How far the result is from the optimum, and how close is close enough.
        self.known = Known()
        self.first = self.planned = 0

    def _density(self, task, beta):
        """The one that diagnosis and chains use, too, unless the fit is of another log density or is to be profiled."""
        replaced = task.options.get("more_replacements")
        if task.fn_kwargs or replaced or beta != 1 or self.whole_data is not None:
            return PointDensity(
                task.approx, fn_kwargs=task.fn_kwargs, data=self.whole_data, beta=beta, replacements=replaced
            )
        return point_density(task.approx)

    def describe(self):
        correlated = "independent values" if self.blocks.is_diagonal else f"{self.blocks.d:,} values"
        return f"Newton steps for Gaussian families, {correlated}, average of the iterates{self.known.words}"

    def failing_noise(self):
        return self.target.noise_at(self.position)

    @property
    def has_begun(self):
        """Whether the warm start has found a q."""
        return self.arrival is not None

    @property
    def moves(self):
        """Batches of draws so far, each with one move of the parameters."""
        return self.batches_done

    @property
    def last_iterate(self):
        return self._last

    @property
    def can_go_on(self):
        """Whether it can begin with the parameters as they are now."""
        return not self.blocks.leaves_out_correlations()

    @property
    def profile(self):
        """Theano's profile, when compiled with ``profile=True``."""
        return self.target.density.profile

    # ---------------------------------------------------------------- a fit's frame
    def aim_at(self, tolerance):
        self.known = self.known.aimed_at(tolerance)
        return True

    @property
    def ending(self):
        """That it ended since the optimum is known; None where all steps were made."""
        done = self.steps_done - self.first
        return self.known.ending(done, self.planned) if done < self.planned else None

    def begin(self, n, first=False):
        d = self.blocks.d
        self.first, self.planned = self.steps_done, n
        largest = max(LARGEST_BLOCK // (d * self.target.n_mc), 2)
        size = np.clip(max(n, 1) / BATCHES, SMALLEST_BATCH, LARGEST_BATCH)
        self.batch = int(2 ** np.floor(np.log2(min(size, largest))))
        # A short fit may not spend much more on its start than on its steps; one that has not arrived may spend more.
        self.budget = max(n, min(2000 + 60 * min(d, 100), 200 * n))
        self.reach = min(OVERDRAFT * self.budget, 200 * n)
        self._apart = max(n // FOLLOWING, 1)
        if self.arrival is not None and not (self._untouched() and self._same_target(n)):
            self.arrival = None  # start from the parameters as they are
        self._start = None
        self.reopen()

    def reopen(self):
        self._last = {}
        if self._loaded:
            self.target.forget_what_is_ahead()
        if self.arrival is not None:
            self.write(self.x)
        elif self._start is not None:
            for param, value in zip(self.params, self._start):
                param.set_value(value)

    def result(self):
        if self.arrival is None:
            return
        if self._stale:
            self._settle_anew()
        best = self.average
        try:
            if self.batches_done > 1 and self._is_lost():
                best = self.arrival.x
        finally:
            self.write(self.x)
            self._last = dict(zip(self.params, self.written))
            self.write(best)
        if self.steps_done - self.first >= self.planned:
            self.known.warn_if_far(self.planned)

    def undisturbed(self):
        return self.target.density.many_calls()

    def density_changed(self, names, i):
        # The optimum is looked for again, from where q is.
        self._stale = True
        if self._loaded:
            self.target.forget_what_is_ahead()

    def _settle_anew(self):
        """The optimum of the present log density, by steps that do not count."""
        self._warm_start()
        for _ in range(LAST_BATCHES):
            self._next_batch()
            self.target.advance(self.rows)
            self._update()

    def _untouched(self):
        return all(np.array_equal(a, b.get_value(borrow=True)) for a, b in zip(self.written, self.params))

    def _same_target(self, n):
        """Whether the log density is still that of the warm start: data may have been changed meanwhile."""
        eps = settling_draws(self.target, self.seed)
        if n < len(eps):
            self.known = self.known.forgotten()
            return True  # looking would cost more than the steps
        elbo = self._elbo(self.arrival.x, eps)
        return bool(abs(elbo - self.arrival.elbo) <= CHANGED * max(abs(elbo), abs(self.arrival.elbo), 1.0))

    def _is_lost(self):
        """Whether the average is clearly worse than the warm start, as it may be where no curvature fits."""
        count = len(settling_draws(self.target, self.seed)) // 2
        if self.batches_done * self.batch < 8 * count:
            return False
        eps = matched_pairs(self.draws.peek(count))
        return not self._elbo(self.average, eps) > self._elbo(self.arrival.x, eps) - LOST

    def _elbo(self, x, eps):
        self._loaded = False
        return self.target.evaluate(*self.arrival.chart.place(x), eps).elbo

    def write(self, x):
        """Set the parameters to those of coordinates `x`."""
        self.blocks.write(*self.arrival.chart.place(x))
        self.written = [p.get_value() for p in self.params]

    # ---------------------------------------------------------------- running
    def run(self, k):
        self._begin, self._recent = self.steps_done, []
        try:
            if self._stale and k > 0 and self.steps_done - self._started_at >= self._apart:
                self.arrival = None
            if self.arrival is None and k > 0:
                self._warm_start()
            while True:
                if not self.updated and self.position == self.rows:
                    self._update()
                self._look()
                if self.is_known or self.steps_done >= self._begin + k:
                    break
                if self.position >= self.rows:
                    self._next_batch()
                self.reload()
                self.target.advance(min(self._begin + k - self.steps_done, self.rows - self.position))
                self._account()
        except BaseException as stop:
            if self._loaded and not isinstance(stop, StepDiverged):
                self._account()
            raise
        return self.recent_losses()

    @property
    def is_known(self):
        """Whether the result is as close to the optimum as it is to be."""
        return not self._stale and self.known.is_enough(self.planned)

    def _look(self):
        """Take note of how far the result is from the optimum, if the batches so far can tell."""
        enough = self.batches_done * self.batch * self.target.n_mc >= FEWEST_DRAWS
        if not (enough and self.known.is_due(self.planned)):
            return
        arrival, blocks = self.arrival, self.blocks

        def slope(x):
            self._loaded = False
            return arrival.chart.slope(x, eps, self.target.evaluate(*arrival.chart.place(x), eps).grad)

        try:
            eps = settling_draws(self.target, self.seed, PROBING_PAIRS)
            usable = arrival.decrement < ARRIVED and not self.left_out.count
            values = _values(blocks, *arrival.chart.place(self.average))
            found = self.known.looked(values, slope if usable else None, self.average, arrival.inverse, self.seed)
        finally:
            self.write(self.x)
        self.known = found

    def recent_losses(self):
        return np.concatenate(self._recent + [np.empty(0)]) if self.score else None

    def _account(self):
        """Note the rows that the target has run."""
        position = self.target.position
        vars(self).update(position=position, steps_done=self.steps_done + position - self.position)
        missing = self.steps_done - self._begin - sum(map(len, self._recent))
        chunk = self.target.losses(self.position - missing, self.position)
        bad = ~np.isfinite(chunk)
        if bad.any():
            chunk = self._filled(chunk, bad)
        self._recent.append(chunk)

    def _filled(self, chunk, bad):
        """`chunk` with the last finite loss before in place of those that are not."""
        recorded = self.task.losses()
        before = [np.array([-self.arrival.elbo])] + ([] if recorded is None else [recorded[-1:]]) + self._recent
        last = np.concatenate(before)[-1:]
        places = np.maximum.accumulate(np.where(bad, 0, np.arange(1, len(chunk) + 1)))
        return np.append(last, chunk)[places]

    def _fail(self, row, loss=None):
        """Raise StepDiverged for a row; a run after this one begins with new draws."""
        self.position = self.rows = row
        self.updated = True
        raise StepDiverged(loss)

    def _good_draws(self, grad):
        """Draws of the batch with finite loss and gradient, as a mask; those that are not are counted."""
        losses = self.target.losses(0, self.rows)
        bad = ~np.isfinite(grad).all(axis=1) | np.repeat(~np.isfinite(losses), self.target.n_mc)
        if not bad.any():
            return slice(None)
        if 2 * bad.sum() > len(bad) or self.left_out.exceed(self.steps_done, self.target.n_mc):
            row = int(np.flatnonzero(bad)[0]) // self.target.n_mc
            self._fail(row, None if np.isfinite(losses[row]) else float(losses[row]))
        noise = [self._eps[bad][:, part] for part in self.blocks.slices]
        self.left_out.note(self.steps_done - self.rows, int(bad.sum()), noise)
        return ~bad.reshape(-1, 2).any(axis=1).repeat(2)

    def _warm_start(self):
        before = self.target.evaluations
        warm = WarmStart(self.target, self.seed, self.budget, self.jitter and not self._stale, self.reach)
        self._loaded, self.updated, self.position, self.rows = False, True, 0, 0
        self._start = [p.get_value() for p in self.params]
        arrival = None
        try:
            arrival = warm.run()
        except NoFiniteStart as failure:
            self._fail(failure.row, None if np.isfinite(failure.loss) else failure.loss)
        finally:
            self.warm_evaluations = self.target.evaluations - before
            if arrival is None:
                self.blocks.write(*warm.best)
        self.x = self.average = arrival.x
        self.batches_done = 0
        known = self.known.forgotten()
        vars(self).update(_start=None, arrival=arrival, _stale=False, _started_at=self.steps_done, known=known)
        self.write(self.x)

    # Ctrl-C may come at any point, on Python before 3.10 between any two bytecodes: what belongs together is set by one
    # call, after all that takes time.
    def _next_batch(self):
        eps = self._draw(self.batch)
        self._loaded = False  # from here on the target's row is not one of the batch before
        self.target.load(*self.arrival.chart.place(self.x), eps)
        vars(self).update(_eps=eps, _loaded=True, updated=False, rows=self.batch, position=0, taken=self.draws.taken)

    def _draw(self, rows, back=0):
        """Draws of `rows` rows, which begin `back` pairs before the end of the current batch."""
        if self.draws.taken != self.taken - back:
            self.draws.go_to(self.taken - back)
        return self.draws.pairs(rows * self.target.n_mc // 2)

    def reload(self):
        """Make the target hold the current batch, up to the present row, if something else was evaluated meanwhile."""
        if self._loaded:
            return
        self._eps = self._draw(self.rows, self.rows * self.target.n_mc // 2)
        self.target.load(*self.arrival.chart.place(self.x), self._eps)
        self.target.advance(self.position)
        self._loaded = True

    def _update(self):
        """One Newton step from the batch that is complete, and the average with it."""
        self.reload()
        chart, inverse = self.arrival.chart, self.arrival.inverse
        grad = self.target.gradients()
        good = self._good_draws(grad)
        slope = chart.slope(self.x, self._eps[good], grad[good])
        step = -((1.0 + self.batches_done) ** -DECAY) * inverse.times(slope)
        x = self.x + step * min(1.0, LONGEST_STEP / max(_size(step), 1e-300))
        (before, scale), (after, _) = chart.place(self.x), chart.place(x)
        move = _size((after - before) / self.blocks.std(scale))
        x = self.x + (x - self.x) * min(1.0, LONGEST_MOVE / max(move, 1e-300))
        weight = min((1 + LATE) / (self.batches_done + 1 + LATE), 1.0)
        average = self.average + weight * (x - self.average)
        known = self.known
        if known.is_asked(self.planned):
            parts = zip(*(np.split(rows, parts_of(len(rows))) for rows in (self._eps, grad)))
            known = known.with_targets([self._target_of(*part) for part in parts])
        vars(self).update(x=x, average=average, batches_done=self.batches_done + 1, updated=True, known=known)
        self.write(x)

    def _target_of(self, eps, grad):
        """Means and log sds of a Newton step from the present place by these draws."""
        chart = self.arrival.chart
        x = self.x - self.arrival.inverse.times(chart.slope(self.x, eps, grad))
        return _values(self.blocks, *chart.place(x))

    # ---------------------------------------------------------------- state
    def snapshot(self):
        return step_snapshot(self)

    def restore(self, snapshot):
        restore_step(self, snapshot)
        self._loaded = False
