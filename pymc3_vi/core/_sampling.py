"""Draws from an approximation as arrays and traces, by compiled, vectorised calls."""

import numpy as np

from ..compiler import compile_function, without_test_values
from ..graph import SeedStream, floatx, made_once
from ..model import trace_from_arrays
from ..parameters import checked
from ..registry import Registry
from ..validation import require
from ._defined_draws import defined_noise
from ._memory import draws_at_once

__all__ = ["Sampling", "CORRECTIONS", "CorrectedPoints", "find_correction"]

#: Ways to turn draws from q into draws from p by name: ``(approx, draws, generator)`` to a list with the base noise of
#: draws from q, one array a group, or to :class:`CorrectedPoints`.
CORRECTIONS = Registry("correction of draws")


class CorrectedPoints:
    """Draws from p that no base noise belongs to.

    Attributes
    ----------
    z : ndarray (s, d)
        On the unconstrained scale, group after group.
    chains : ndarray (s,) of int
        Draws with the same number depend on each other, others do not.
    strata : ndarray (s,) of int, optional
        Parts of the posterior that the draws were taken from in known proportions.
    """

    def __init__(self, z, chains, strata=None):
        self.z, self.chains, self.strata = z, chains, strata

    def parts(self, approx):
        """Draws as a list of arrays, one per group of `approx`."""
        ends = np.cumsum([g.ddim for g in approx.groups])
        return [floatx(self.z[:, end - g.ddim : end]) for g, end in zip(approx.groups, ends)]

    def error(self, influence):
        r"""Standard error (...) of an average that each draw contributes `influence` (s, ...) to.

        .. math:: \mathrm{se}^2 = \sum_c \left(\sum_{s \in c} f_s\right)^2

        over chains c, which is right whatever the dependence inside of them, and less the mean of each stratum.
        """
        if self.strata is not None:
            influence = np.array(influence)
            for stratum in np.unique(self.strata):
                influence[self.strata == stratum] -= influence[self.strata == stratum].mean(axis=0)
        order = np.argsort(self.chains, kind="stable")
        begins = np.flatnonzero(np.diff(self.chains[order], prepend=-1))
        return np.sqrt(np.sum(np.add.reduceat(influence[order], begins, axis=0) ** 2, axis=0))

    def warn(self, what, stacklevel):
        """Warn when `what` rests on draws that cannot be relied on."""


def find_correction(correct, caller, approx=None):
    """The correction called `correct`, or `correct` itself if it is one; None where draws are to be those of q.

    For None it is what `approx`, if there is one, recommends; False is never a correction.
    """
    if correct is None and approx is not None:
        correct = approx.recommended
    if correct is None or correct is False or callable(correct):
        return correct or None
    allowed = f"None, False, a correction or one of {CORRECTIONS.names()}"
    require(isinstance(correct, str), TypeError, "correct", caller, allowed, correct)
    return CORRECTIONS.get(correct)


class Sampling:
    """Mixin for :class:`Approximation`: draws of all unobserved variables."""

    def _sample_function(self, names, of_noise=True):
        """Compiled function noise (or z) -> values of the variables `names`; compiled once per set of names."""

        def compiled():
            return self._compile_draws([self.view.model.named_vars[name] for name in names], of_noise)

        return made_once(self, "sample_function", compiled, tuple(names) + (() if of_noise else (None,)))

    @without_test_values
    def _compile_draws(self, nodes, of_noise):
        eps = [g.symbolic_initial.type("eps") for g in self.groups]
        z = [g.transform(e) for g, e in zip(self.groups, eps)] if of_noise else eps
        return compile_function(eps, self.evaluate(nodes, z, batched=True), name="draws")

    @checked
    def generator(self, random_seed=None):
        """Generator for draws: a fresh one for a given seed, else the approximation's own, which moves on."""
        if random_seed is not None:
            return SeedStream(random_seed).generator("sample")
        if self._sample_generator is None:
            self._sample_generator = self.groups[0].seeds.generator("sample")
        return self._sample_generator

    @checked
    def sample_arrays(self, draws=1000, include_transformed=True, random_seed=None, correct=None):
        """Draws as a dict name -> array (draws, ...), with deterministics and untransformed variables.

        Parameters are those of :meth:`sample`.
        """
        generator = self.generator(random_seed)
        names = [v.name for v in self.view.unobserved(include_transformed)]
        correction = find_correction(correct, "sample", self)
        noise = None if correction is None else correction(self, draws, generator)
        of_noise = not isinstance(noise, CorrectedPoints)
        if not of_noise:
            noise.warn("the corrected draws", stacklevel=4)
            noise = noise.parts(self)
        function = self._sample_function(names, of_noise)
        chunk = self.draws_per_call(draws, [self.view.model.named_vars[name] for name in names])
        parts = []
        for begin in range(0, draws, chunk):
            size = min(chunk, draws - begin)
            if noise is None:
                eps = defined_noise(self, [g.noise_array(size, generator) for g in self.groups], generator)
            else:
                eps = [array[begin : begin + size] for array in noise]
            parts.append(function(*eps))
        arrays = parts[0] if len(parts) == 1 else [np.concatenate(p) for p in zip(*parts)]
        return dict(zip(names, arrays))

    def draws_per_call(self, draws, nodes):
        """How many of `draws` draws of `nodes` (the model's variables) one compiled call makes, for want of memory."""
        return made_once(self, "draws_per_call", lambda: draws_at_once(self, nodes, draws), (draws, *nodes))

    @checked
    def sample(self, draws=1000, include_transformed=True, random_seed=None, correct=None):
        """Draws from the approximation.

        After a fit that left out draws without a finite log density, such draws are drawn again here: samplers can
        begin at all of them.

        Parameters
        ----------
        draws : int
            Number of independent draws.
        include_transformed : bool
            Whether the trace also holds the transformed (unconstrained) variables.
        random_seed : int, optional
            Default: the approximation's own stream, seeded when it was made.
        correct : {None, False, 'psis', 'hmc'} or correction
            ``'psis'`` for importance-resampled draws, which follow the posterior more closely than q does as long as
            k-hat is below its threshold (see ``diagnose``); some draws then occur several times.  ``'hmc'``, or
            :class:`pymc3_vi.HMC` with options, for draws from the posterior itself, by many short Hamiltonian chains
            that begin at q.  False for draws from q.  None too, but after ``fit(method='auto')`` it is what the verdict
            recommends (``approx.recommended``).

        Returns
        -------
        pymc3.backends.base.MultiTrace
            One chain with all free variables and deterministics.
        """
        arrays = self.sample_arrays(draws, include_transformed, random_seed, correct)
        return trace_from_arrays(self.view, arrays)

    @checked
    def sample_vp(self, draws=1000, hide_transformed=True, random_seed=None):
        """Draws without the transformed variables, unless `hide_transformed` is False; see :meth:`sample`."""
        return self.sample(draws, include_transformed=not hide_transformed, random_seed=random_seed)

    @property
    def sample_dict_fn(self):
        """Function ``draws -> {name: array (draws, ...)}`` of the free variables."""
        names = [v.name for v in self.view.free]

        def sample_dict(draws=100):
            arrays = self.sample_arrays(draws)
            return {name: arrays[name] for name in names}

        return sample_dict
