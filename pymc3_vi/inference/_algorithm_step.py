"""An algorithm as the loop runs it."""

import time
from collections import namedtuple

import numpy as np
import theano

from ..steps import LeftOut

__all__ = ["AlgorithmStep"]

_Noise = namedtuple("_Noise", "blocks")
_Block = namedtuple("_Block", "shared")
_Graph = namedtuple("_Graph", "noise, params")


class AlgorithmStep:
    """Steps of an :class:`~pymc3_vi.algorithms.Algorithm`.

    Parameters
    ----------
    algorithm : Algorithm
    objective : ObjectiveFunction
    score : bool
        Whether :meth:`run` returns losses.
    """

    can_go_on, reads_stream, position = True, False, 0
    #: Functions are not profiled one by one.
    profile = None

    def __init__(self, algorithm, objective, score=True):
        self.algorithm, self.objective, self.score = algorithm, objective, score
        self.recorded_losses = lambda: None
        self._recent = np.empty(0)
        self._seconds = 0.0
        #: No draw is left out: what cannot be evaluated is no place to go.
        self.left_out = LeftOut()
        shared = [theano.shared(np.zeros((1, g.ddim), dtype=theano.config.floatX)) for g in objective.approx.groups]
        #: What reports of failures read.
        self.graph = _Graph(_Noise([_Block(s) for s in shared]), [p for g in objective.approx.groups for p in g.params])

    def __repr__(self):
        return self.algorithm.describe()

    @property
    def steps_done(self):
        """Steps of all fits so far."""
        return self.algorithm.steps_done

    @property
    def has_loss(self):
        """Whether steps have a loss."""
        return self.score

    @property
    def arrival(self):
        """What an algorithm has once it knows a q; None before."""
        return self.algorithm if self.algorithm.arrived else None

    @property
    def batch(self):
        """Steps between two changes of the parameters."""
        return max(2, self.algorithm.rows // self.algorithm.batch_size)

    @property
    def comment(self):
        """What a progress bar says."""
        done = self.algorithm
        speed = done.rows_read / max(self._seconds, 1e-9)
        return f"pass {done.passes + 1}, {speed:,.3g} rows/s, {done.distance:.2g} sd from the optimum"

    @property
    def last_iterate(self):
        """Parameters before the last step of a fit, by shared variable."""
        return self.algorithm.last_iterate

    # ---------------------------------------------------------------- a fit's frame
    def begin(self, n):
        """Prepare for `n` steps."""
        self.algorithm.begin(self.objective, n)

    def reopen(self):
        """Go on with the steps of an interrupted fit."""

    def density_changed(self, names, i):
        """Say that the log density is another one from now on."""
        self.algorithm.density_changed()

    def finish(self):
        """Set the parameters to the result."""
        self.algorithm.result()

    def run(self, k):
        """Run `k` steps; see :meth:`pymc3_vi.steps.Step.run`."""
        self._recent = np.empty(0)
        clock = time.perf_counter()
        try:
            self._recent = self.algorithm.run(k)
        except Exception:
            self._show_failing()
            raise
        finally:
            self._seconds += time.perf_counter() - clock
        return self.recent_losses()

    def _show_failing(self):
        eps = self.algorithm.failing
        if eps is None:
            return
        begin = 0
        for block in self.graph.noise.blocks:
            width = block.shared.get_value(borrow=True).shape[1]
            block.shared.set_value(eps[None, begin : begin + width].astype(block.shared.dtype))
            begin += width

    def recent_losses(self):
        """Losses of the steps of the last :meth:`run`; None without losses."""
        return self._recent if self.score else None

    def release(self):
        """Nothing is kept between runs."""

    # ---------------------------------------------------------------- state
    def snapshot(self):
        """State of the algorithm."""
        return self.algorithm.snapshot()

    def restore(self, snapshot):
        """Go on where the algorithm stood that `snapshot` was taken of."""
        self.algorithm.restore(snapshot)
