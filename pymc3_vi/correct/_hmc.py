"""Many short Hamiltonian chains from a fitted approximation to the posterior."""

import math
import time

import numpy as np

from ..errors import VariationalInferenceError
from ._chains import Chains
from ._convergence import chain_errors, nested_rhat, tail_error
from ._metric import fisher_scale, is_nearly_normal
from ._target import Target
from ._tuning import Length, StepSize

__all__ = ["Run", "run_chains", "superchains", "CHAINS", "MOST_STEPS", "TOLERANCE", "LARGE_ERRORS"]

#: Chains.  Those of a superchain begin at the same point, and there are as many superchains as chains in one: with
#: more, nested R-hat of chains that have converged is above its limit by noise.
CHAINS = 256
#: Monte Carlo errors at which the chains stop: of means in sds, and of sds relative.
TOLERANCE = 0.04
#: Nested R-hat up to which chains have forgotten where they began, and up to which they tell where they go.
LARGEST_RHAT, LARGEST_RHAT_OF_AGREEMENT = 1.01, 1.05
#: Change of a mean between the halves of the sweeps that counts as drift: in standard errors, and in sds.
DRIFT_SCORE, DRIFT = 4.0, 0.05
#: Shape of the tails of squared distances from the mean from which the sum of squares of any number of draws hangs on a
#: few (their variance does not exist), less a standard error of it, and draws from which it can be told.
HEAVIEST, TAILS_TOLD = 0.5, 10_000
#: Shape from which on few draws miss what the tails add to a standard deviation, and its error with it, and draws from
#: which they do not, by trajectories so many times as long: those that are best for the middle take some thirty sweeps
#: to leave a tail (of the logarithm of a scale near 0, 20,000 draws of such missed a tenth in 5 of 24 runs).
LONG_TAILS, LONG_TAILS_TOLD, REACH = 0.3, 20_000, 3.0
#: Share of divergent trajectories beyond which there are places that the chains cannot enter.  Fewer matter where they
#: are in one place: when their mean is away from that of all draws, in sds and in standard errors.
MOST_DIVERGENT = 0.004
IN_ONE_PLACE, IN_ONE_PLACE_SCORE = 1.5, 6.0
#: Sweeps of the first warm-up, of sampling before the first look, and at least between looks.
WARM_UP, FIRST_LOOK, BETWEEN_LOOKS = 40, 20, 8
#: What stuck chains count for in the warm-ups, each of which is twice as long as the one before (see StepSize).
ROUNDS = (0.1, 0.05, 0.02, 0.02)
#: Sweeps of sampling for every sweep of the last warm-up, after which it is better to tune again.
SAMPLING = 4
#: Sweeps of a warm-up after which the coordinates are changed, as fractions of its length.
UPDATES = (0.025, 0.05, 0.075, 0.125, 0.2, 0.3, 0.4, 0.55, 0.75)
#: How much longer trajectories are while they are tuned: to see whether longer ones are better.
LONGER = 1.3
#: Chains that do for the first tuning of the coordinates, at least two a dimension; after it, each becomes as many as
#: are missing.
TUNING_CHAINS = 64
#: Steps of a trajectory at most, and of the whole run.
LONGEST, MOST_STEPS = 512, 20_000

REMEMBERS = "chains still remember where they began"
DRIFTS = "means still drift"
DIVERGES = "trajectories diverge, so places that the chains cannot enter may be missing"
LARGE_ERRORS = "Monte Carlo errors are too large"
HEAVY_TAILS = "tails are so heavy that standard deviations hang on a few draws"
#: What more draws may mend.
NOISE = {LARGE_ERRORS, HEAVY_TAILS}


def superchains(chains):
    """How many superchains `chains` are in."""
    return math.isqrt(chains)


class Run:
    """What the chains found.

    Attributes
    ----------
    draws : ndarray (n, c, d)
        On the unconstrained scale, sweep by sweep; chains of a superchain are next to each other.
    logp : ndarray (n, c)
    nested_rhat : ndarray (d,)
        The larger one of those of the draws and of their distances from the mean, which compare means and scales.
    errors : Errors
    step, length : float
        Step size and time of integration in the chains' coordinates.
    acceptance, divergent : float
        Mean acceptance probability, and share of divergent trajectories, while sampling.
    sweeps, steps, evaluations : int
        Of everything, warm-up included.
    ended : {'converged', 'decided', 'steps', 'budget', 'interrupted'}
        'steps': all that are allowed were made, or more would not help.
    seconds : float
    tolerance : float
    target : Target
        log p in the coordinates in which the chains moved in the end.
    """

    def __init__(self, sampler, kept, tolerance):
        self.draws, self.logp, accept, diverged = (np.array(part) for part in zip(*kept))
        self.acceptance, self.divergent = float(accept.mean()), float(diverged.mean())
        self.errors = chain_errors(self.draws)
        folded = np.abs(self.draws - self.errors.mean)  # of scales: R-hat of the draws compares means alone
        self.nested_rhat = np.maximum(*(nested_rhat(x, sampler.superchains) for x in (self.draws, folded)))
        self.step, self.length = sampler.step.settled, sampler.length.now
        self.sweeps, self.steps = sampler.sweeps, sampler.steps
        self.evaluations = sampler.chains.target.evaluations
        self.tolerance, self.target = tolerance, sampler.chains.target
        self._diverged = int(diverged.sum())
        self._away = np.zeros(self.draws.shape[-1])  # where trajectories diverged
        if self._diverged:
            self._away = np.abs(self.draws[diverged].mean(axis=0) - self.errors.mean) / self.errors.sd

    def _misses_places(self):
        """Whether trajectories diverge so often, or so much in one place, that parts may be missing."""
        farthest = self._away.max()
        gathered = farthest > IN_ONE_PLACE and farthest * np.sqrt(self._diverged) > IN_ONE_PLACE_SCORE
        return self.divergent > MOST_DIVERGENT or gathered

    def flaws(self):
        """What is wrong: dict of reason to the coordinates concerned; empty when the draws can be relied on."""
        e, found = self.errors, {}
        found[REMEMBERS] = self.nested_rhat > LARGEST_RHAT
        found[DRIFTS] = (e.drift_score > DRIFT_SCORE) & (e.drift > DRIFT)
        found[LARGE_ERRORS] = np.maximum(e.mean_error, e.sd_error) > self.tolerance * e.sd
        if self.logp.size < LONG_TAILS_TOLD:
            found[LARGE_ERRORS] |= e.tails > LONG_TAILS
        if self.logp.size < TAILS_TOLD:  # where chains have not met a tail yet it looks shorter than it is
            found[LARGE_ERRORS] |= e.tails > LONG_TAILS - tail_error(self.logp.size)
        found[HEAVY_TAILS] = e.tails > HEAVIEST - tail_error(self.logp.size)
        if self._misses_places():
            found[DIVERGES] = self._away >= 0.5 * self._away.max()
        return {why: np.flatnonzero(bad) for why, bad in found.items() if bad.any()}

    @property
    def agree(self):
        """Whether nothing is wrong but that more draws are needed, however many."""
        found = set(self.flaws())
        if self.nested_rhat.max() <= LARGEST_RHAT_OF_AGREEMENT:
            found.discard(REMEMBERS)
        return found <= NOISE

    @property
    def largest_error(self):
        """Of a mean or an sd, in sds."""
        return float(np.max(np.maximum(self.errors.mean_error, self.errors.sd_error) / self.errors.sd))

    def finished(self):
        """Whether more sweeps would not help."""
        found = set(self.flaws())
        return not found or found == {HEAVY_TAILS} and self.logp.size >= TAILS_TOLD


class _Sampler:
    """Chains with their tuning, and the count of what they may still do."""

    def __init__(self, target, starts, generator, seconds, tell, most_steps, chains):
        self.superchains = len(starts)
        each = chains // self.superchains
        self._missing = math.gcd(each, max(chains // max(TUNING_CHAINS, 2 * target.d), 1))
        self.chains = Chains(target, target.coordinates(np.repeat(starts, each // self._missing, axis=0)))
        self.generator, self.seconds, self.tell = generator, seconds, tell
        self.most_steps = most_steps or MOST_STEPS
        self.step = StepSize(min(1.0, 1.2 * target.d**-0.25))
        self.length = Length(target.d)
        self._may_circle, self._seen, self._reach = True, [], 1.0
        self.sweeps = self.steps = 0
        self.began = time.perf_counter()

    def spent(self):
        """Why no more sweeps are allowed, or None."""
        if self.steps >= self.most_steps:
            return "steps"
        if self.seconds is not None and time.perf_counter() - self.began > self.seconds:
            return "budget"
        return None

    def can_begin_anew(self):
        """Whether what is left allows another round, which takes some three times as long as all before."""
        return 4 * self.steps <= self.most_steps

    def _move(self, step, longest, watched):
        steps = int(np.clip(np.ceil(longest * self.generator.uniform(0.5, 1.0) / step), 1, LONGEST))
        watch = self.length.watch(self.chains, step, steps) if watched else {}
        sweep = self.chains.sweep(step, steps, self.generator, watch)
        self.sweeps += 1
        self.steps += steps
        self.tell(self)
        return sweep

    def warm_up(self, sweeps, stuck):
        """Tune step, length and coordinates, for at most half of the steps that are left."""
        changes = {max(1, int(round(f * sweeps))) for f in UPDATES}
        self.step.stuck = stuck
        recent, most_steps = [], (self.steps + self.most_steps) / 2
        self.chains.on_circles = False
        for t in range(1, sweeps + 1):
            if self.spent() or self.steps >= most_steps:
                break
            step = self.step.now
            sweep = self._move(step, LONGER * self.length.now, True)
            self.step.update(sweep.accept)
            self.length.update(step)
            recent.append((self.chains.x, self.chains.grad))
            if t in changes:
                recent = recent[-max(1, len(recent) // 2) :]
                points = (np.concatenate(part) for part in zip(*recent))
                recent = self.chains.stretch(*fisher_scale(*points, self.chains.target.is_dense), recent)
                self.step.again()
            if t == max(changes):
                self.chains.on_circles = self._may_circle and _are_nearly_normal(recent)
                self._complete()
        self._complete()

    def _complete(self):
        """All chains, where the first tuning has made do with fewer."""
        self.chains.multiply(self._missing)
        self._missing = 1

    def leaves_circles(self):
        """Whether chains on circles have met tails, since it was asked last, that they are not for: then no more."""
        seen, self._seen = self._seen, []
        self._may_circle = self._may_circle and (not seen or _are_nearly_normal(seen))
        return bool(seen) and not self._may_circle

    def reach_tails(self, run):
        """Longer trajectories from now on where nothing is wrong but that tails are long, and slow to be forgotten."""
        tails, flaws = set(np.flatnonzero(run.errors.tails > LONG_TAILS)), run.flaws()
        is_all = set(flaws) <= NOISE | {REMEMBERS} and tails.issuperset(flaws.get(REMEMBERS, ()))
        self._reach = REACH if tails and is_all else 1.0

    def sweep(self):
        """Points, log densities, acceptance and divergence of a sweep with everything held fixed."""
        sweep = self._move(self.step.settled, self.length.now * (1.0 if self.chains.on_circles else self._reach), False)
        if self.chains.on_circles:
            self._seen.append((self.chains.x, self.chains.grad))
        return self.chains.target.points(self.chains.x), self.chains.logp, sweep.accept, sweep.divergent


def _are_nearly_normal(points):
    """Whether tails are, of positions and gradients of some sweeps."""
    return is_nearly_normal(*(np.concatenate(part) for part in zip(*points)))


def run_chains(
    start,
    slopes,
    draws,
    generator,
    tolerance=TOLERANCE,
    seconds=None,
    tell=lambda sampler: None,
    most_steps=None,
    chains=CHAINS,
    question=None,
):
    """Chains from `start` until they have converged, or may go on no longer.

    Parameters
    ----------
    start : Start
        Its points are where log p is finite, one for each superchain.
    slopes : callable
        Points z (n, d) -> log p (n,), gradients (n, d).
    draws : int
        Least number of draws to keep.
    generator : numpy.random.Generator
    tolerance : float
        Monte Carlo error of every mean, in its sd, and relative of every sd, to stop at.
    seconds : float, optional
        After which to stop in any case.
    tell : callable
        Called with the sampler after every sweep.
    most_steps : int, optional
        Steps of trajectories after which to stop in any case.
    chains : int
        A multiple of the number of points of `start`.
    question : Question, optional
        What is asked of the chains: ``question.is_off(run)`` says whether a :class:`Run` whose chains agree tells
        enough, however large its errors; ``question.is_open(run)`` whether one that has converged does not yet, so that
        it goes on to half its tolerance.

    Returns
    -------
    Run
    """
    if not len(start.z):
        raise VariationalInferenceError(
            "No draw of the approximation has a finite log density, so there is nowhere to begin. "
            "Fit again from another start."
        )
    target = Target(slopes, start.location, start.scale)
    sampler = _Sampler(target, start.z, generator, seconds, tell, most_steps, chains)
    kept = []

    def decided(run):
        return question is not None and run.agree and question.is_off(run)

    def finished(run):
        if not run.finished():
            return False
        return question is None or run.largest_error <= tolerance / 2 or not question.is_open(run)

    try:
        for number, stuck in enumerate(ROUNDS):
            run = _round(
                sampler, kept, WARM_UP * 2**number, stuck, draws, tolerance, lambda run: finished(run) or decided(run)
            )
            if run.finished() or decided(run) or sampler.spent() or not sampler.can_begin_anew():
                break
        if run.logp.size < draws:  # as many as were asked for, however the rounds ended
            while len(kept) * run.logp.shape[1] < draws:
                kept.append(sampler.sweep())
            run = Run(sampler, kept, tolerance)
        run.ended = "converged" if run.finished() else "decided" if decided(run) else sampler.spent() or "steps"
    except KeyboardInterrupt:
        if not kept:
            raise
        run = Run(sampler, kept, tolerance)
        run.ended = "interrupted"
    run.seconds = time.perf_counter() - sampler.began
    return run


def _round(sampler, kept, warm_up, stuck, draws, tolerance, done):
    """Tune, then sample until nothing is wrong or it is better to tune again; the sweeps kept begin anew."""
    begin = sampler.steps
    if not kept or not sampler.spent():
        sampler.warm_up(warm_up, stuck)
        kept[:] = [sampler.sweep()]  # those before are kept until then, for a Ctrl-C
    tuning, wanted = sampler.steps - begin, FIRST_LOOK
    while True:
        while len(kept) < wanted and not (kept and sampler.spent()):
            kept.append(sampler.sweep())
        if sampler.leaves_circles():
            sampler.warm_up(WARM_UP // 2, stuck)
            kept[:], wanted = [sampler.sweep()], FIRST_LOOK
            continue
        run = Run(sampler, kept, tolerance)
        if run.logp.size >= draws and done(run):
            return run
        flaws = set() if run.finished() else set(run.flaws())
        if flaws and sampler.spent():
            return run
        if flaws <= NOISE:  # until the steps that are missing are more than those of another round would be
            sampling = sampler.steps - begin - tuning
            is_enough = sampling * ((run.largest_error / tolerance) ** 2 - 1) > 2 * tuning + sampling
            is_enough = is_enough and len(kept) >= warm_up * SAMPLING
        else:
            is_enough = len(kept) >= warm_up * SAMPLING / 4
        # Shorter steps may spare divergences, more sweeps do not.
        if flaws and is_enough and (sampler.can_begin_anew() or flaws == {DIVERGES}):
            return run
        if sampler.spent():
            return run
        sampler.reach_tails(run)
        wanted, told = len(kept) + max(BETWEEN_LOOKS, len(kept) // 4), -(-LONG_TAILS_TOLD // run.logp.shape[1])
        if len(kept) < told < wanted:
            wanted = told
