"""A step graph and the runnable step that an engine makes of it."""
from collections import OrderedDict, namedtuple

import numpy as np
import theano
import theano.tensor as tt

from ..graph import without_test_values
from ._function import compile_function, run_steps
from ._snapshot import Snapshot, put_snapshot, take_snapshot

__all__ = ["StepGraph", "Step", "StepDiverged"]


class StepGraph(namedtuple("StepGraph", "loss, updates, params, noise, schedules")):
    """One optimization step as data.

    Parameters
    ----------
    loss : scalar variable or None
        Loss at the parameters before the update.
    updates : OrderedDict
        Shared variable -> new value.
    params : list of shared variables
        Those whose values must stay finite.
    noise : StepNoise
        Step counter and base noise; placeholders are already replaced.
    schedules : list of (shared scalar, callable)
        Values that must be set to ``callable(i)`` before step i (0-based); empty in the common case.
    """

    __slots__ = ()


class StepDiverged(Exception):
    """A loss or parameter is not finite.  The parameters are those before the step that broke.

    Attributes
    ----------
    losses : ndarray
        Losses of the steps of this call before the one that broke (finite ones).
    loss : float or None
        The non-finite loss, or None when a parameter broke.
    """

    def __init__(self, losses, loss):
        super().__init__("non-finite loss or parameter")
        self.losses = losses
        self.loss = loss


class Step:
    """Runs compiled steps in chunks, with their losses, and can go back.

    Parameters
    ----------
    graph : StepGraph
    engine : str
        Name in the engine registry.
    fn_kwargs : dict
        Passed to the Theano function (``mode``, ``profile``, ...).
    """

    @without_test_values
    def __init__(self, graph, engine="island", fn_kwargs=None):
        self.graph = graph
        self.steps_done = 0
        noise = graph.noise
        updates = OrderedDict(graph.updates)
        self._losses = None
        if noise.rows is None:
            raise ValueError("StepGraph.noise must be allocated before it is compiled.")
        if graph.loss is not None:
            self._losses = theano.shared(np.zeros(noise.rows, dtype="float64"), "losses")
            updates[self._losses] = tt.set_subtensor(self._losses[noise.counter], tt.cast(graph.loss, "float64"))
        updates[noise.counter] = noise.counter + 1
        self.function = compile_function(
            [], None, updates=updates, engine=engine, name="step", **dict(fn_kwargs or {})
        )
        #: Function that returns the losses of all steps so far; schedules that watch the loss read it.
        self.recorded_losses = lambda: None
        self._pending = []
        self._position = noise.rows  # an exhausted block: the first run fills it
        self._state = [v for v in self._updated() if v is not self._losses and v is not noise.counter]

    def _updated(self):
        """Shared variables that the function changes, those of random streams and minibatches included."""
        return [i.variable for i in self.function.maker.inputs if i.update is not None and i.shared]

    @property
    def profile(self):
        """Theano's profile of the step, when compiled with ``profile=True``."""
        return self.function.profile

    @property
    def position(self):
        """Row of the noise blocks that the next step will use."""
        return self._position

    # ---------------------------------------------------------------- running
    def run(self, k):
        """Run `k` steps.

        Returns
        -------
        ndarray (k,) or None
            Loss of every step; None when the graph has no loss.

        Raises
        ------
        StepDiverged
            When a loss or parameter is not finite; parameters and optimizer state are then those before that step.
        """
        losses, total = [], k
        self._pending = losses  # losses that their owner has not recorded yet
        while k > 0:
            if self._position >= self.graph.noise.rows:
                self.graph.noise.refill()
                self._position = 0
            count = min(k, self.graph.noise.rows - self._position)
            for _, schedule in self.graph.schedules:
                every = getattr(schedule, "check_every", None) or 1
                count = min(count, every - self.steps_done % every)
            before = self.steps_done
            try:
                chunk = self._run_segment(count)
            except (StepDiverged, KeyboardInterrupt) as stop:
                if self._losses is not None:
                    stop.losses = np.concatenate(losses + [getattr(stop, "losses", np.empty(0))])
                stop.steps = total - k + self.steps_done - before
                raise
            if chunk is not None:
                losses.append(chunk)
            k -= count
        if self._losses is None:
            return None
        return np.concatenate(losses) if losses else np.empty(0)

    def _run_segment(self, count):
        for shared, schedule in self.graph.schedules:
            losses = (self._all_losses(),) if hasattr(schedule, "check_every") else ()
            shared.set_value(np.asarray(schedule(self.steps_done, *losses), dtype=shared.dtype))
        begin, saved = self._position, self.state()
        chunk = self._execute(count)
        broken = self._first_broken(chunk, count)
        if broken is None:
            return chunk
        loss = None if chunk is None else float(chunk[broken])
        self._go_back(saved, begin)
        if broken:
            chunk = self._execute(broken)
            if not self._params_finite():  # not repeatable (a callback changed something): keep the safe state
                self._go_back(saved, begin)
                broken = 0
        raise StepDiverged(np.empty(0) if chunk is None else chunk[:broken], loss)

    def _all_losses(self):
        recorded = self.recorded_losses()
        parts = ([] if recorded is None else [recorded]) + self._pending
        return np.concatenate(parts) if parts else None

    def _execute(self, count):
        begin = self._position
        try:
            run_steps(self.function, count)
        except KeyboardInterrupt as stop:  # the counter tells how many steps were finished
            count = int(self.graph.noise.counter.get_value()) - begin
            stop.losses = self._advance(begin, count)
            raise
        return self._advance(begin, count)

    def _advance(self, begin, count):
        """Note that `count` steps from row `begin` on are done; returns their losses."""
        self._position = begin + count
        self.steps_done += count
        if self._losses is None:
            return None
        return np.array(self._losses.get_value(borrow=True)[begin : begin + count])

    def _params_finite(self):
        return all(np.isfinite(p.get_value(borrow=True)).all() for p in self.graph.params)

    def _first_broken(self, chunk, count):
        """Index of the first step of the segment to take back, or None."""
        if chunk is not None and not np.isfinite(chunk).all():
            return int(np.flatnonzero(~np.isfinite(chunk))[0])
        if self._params_finite():
            return None
        # With a loss, every earlier non-finite parameter would have shown in it.
        return count - 1 if chunk is not None else self._search_broken(count)

    def _search_broken(self, count):
        """Without losses the first bad step is not known: restart the segment from its beginning."""
        return 0

    # ---------------------------------------------------------------- state
    @property
    def state_variables(self):
        """Shared variables that the steps change: parameters, optimizer state, states of random streams."""
        return list(self._state)

    def go_to(self, position, steps_done):
        """Say that the next step is number `steps_done` and reads row `position` of the noise blocks."""
        self._position, self.steps_done = position, steps_done
        self.graph.noise.counter.set_value(np.int64(position))

    def snapshot(self):
        """Everything that the coming steps depend on, as a dict of arrays, numbers and lists."""
        return take_snapshot(self)._asdict()

    def restore(self, snapshot):
        """Go on where the step stood that `snapshot` was taken of; ValueError if it was of another graph."""
        put_snapshot(self, Snapshot(**snapshot))

    def state(self):
        """Copies of everything that the steps change (parameters, optimizer state, random states)."""
        return [v.get_value(borrow=False) for v in self._state]

    def _go_back(self, saved, position):
        for variable, value in zip(self._state, saved):
            variable.set_value(value, borrow=False)
        self.go_to(position, self.steps_done - (self._position - position))
