"""A step graph and the runnable step that an engine makes of it."""

from collections import OrderedDict, namedtuple

import numpy as np
import theano
import theano.tensor as tt

from ..compiler import calls_done, compile_function, release_memory, run_steps, without_test_values
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
    loss : float or None
        The non-finite loss, or None when a parameter broke.
    """

    def __init__(self, loss):
        super().__init__("non-finite loss or parameter")
        self.loss = loss


class Step:
    """Runs compiled steps in chunks, with their losses, and can go back.

    Parameters
    ----------
    graph : StepGraph
    engine : str
        Name in the engine registry.
    fn_kwargs : dict
        Passed to the Theano function (``mode``, ``profile``, ...); an ``engine`` in it replaces `engine`.
    """

    @without_test_values
    def __init__(self, graph, engine="island", fn_kwargs=None):
        self.graph = graph
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
            [], None, updates=updates, **{"engine": engine, "name": "step", **(fn_kwargs or {})}
        )
        #: Function that returns the losses of all steps so far; schedules that watch the loss read it.
        self.recorded_losses = lambda: None
        self._recent = []
        self._safe = None
        self.go_to(noise.rows, 0)  # an exhausted block: the first run fills it
        self._state = [v for v in self._updated() if v is not self._losses and v is not noise.counter]

    def _updated(self):
        """Shared variables that the function changes, those of random streams and minibatches included."""
        return [i.variable for i in self.function.maker.inputs if i.update is not None and i.shared]

    #: Whether it can begin with any parameters.
    can_go_on = True

    @property
    def profile(self):
        """Theano's profile of the step, when compiled with ``profile=True``."""
        return self.function.profile

    @property
    def has_loss(self):
        """Whether steps compute their loss."""
        return self._losses is not None

    @property
    def reads_stream(self):
        """Whether a step takes data from a Python generator, which cannot be put back."""
        return any(hasattr(node.op, "generator") for node in self.function.maker.fgraph.apply_nodes)

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
        self._recent = []
        begin = self.steps_done
        try:
            while self.steps_done < begin + k:
                self._run_segment(self._prepare(begin + k - self.steps_done))
                self._keep_losses(begin)
        except BaseException as stop:
            self._catch_up()
            try:
                if not isinstance(stop, StepDiverged) and self._safe is not None:
                    self._take_back_broken()
            finally:
                self._keep_losses(begin)
            raise
        finally:
            self._safe = None
        return self.recent_losses()

    def trial(self, noise):
        """Whether one step from here would stay finite, for every row of other noise.  Nothing is changed by it.

        Parameters
        ----------
        noise : list of ndarray (count, ...)
            See :meth:`StepNoise.sample`.

        Returns
        -------
        list of bool
        """
        position, done, saved = self._position, self.steps_done, self.state()
        blocks = [block.shared for block in self.graph.noise.blocks]
        rows = [block.get_value(borrow=True)[0].copy() for block in blocks]
        fine = []
        try:
            for draw in zip(*noise):
                self._put_first_row(blocks, draw)
                self.go_to(0, done)
                try:
                    self._execute(1)
                    loss = 0.0 if self._losses is None else self._losses.get_value(borrow=True)[0]
                    fine.append(bool(np.isfinite(loss)) and self._params_finite())
                except (np.linalg.LinAlgError, ArithmeticError):  # an Op that has no value there
                    fine.append(False)
                self._set_state(saved)
        finally:
            self._set_state(saved)
            self._put_first_row(blocks, rows)
            self.go_to(position, done)
        return fine

    @staticmethod
    def _put_first_row(blocks, rows):
        for block, row in zip(blocks, rows):
            block.get_value(borrow=True)[0] = row

    def recent_losses(self):
        """Losses of the steps of the last :meth:`run`, those before an exception included; None without losses."""
        if self._losses is None:
            return None
        return np.concatenate(self._recent) if self._recent else np.empty(0)

    def _prepare(self, k):
        """Fresh noise if there is none left; returns how many of `k` steps can be run in one go."""
        if self._position >= self.graph.noise.rows:
            self.graph.noise.refill()
            self._position = 0
        count = min(k, self.graph.noise.rows - self._position)
        for _, schedule in self.graph.schedules:
            every = getattr(schedule, "check_every", None) or 1
            count = min(count, every - self.steps_done % every)
        return count

    def _catch_up(self):
        """Note the steps that the function finished before an exception, which may have come at any point."""
        finished = int(self.graph.noise.counter.get_value()) - self._position
        if finished < 0:  # the noise was renewed
            self._position += finished
        else:
            self._advance(finished)

    def _keep_losses(self, begin):
        """Add the losses that `recent` lacks of the steps from number `begin` on."""
        if self._losses is not None:
            missing = self.steps_done - begin - sum(map(len, self._recent))
            if missing > 0:
                self._recent.append(self._recorded(self._position - missing))

    def release(self):
        """Free the memory that runs keep for each other; the next one takes it again."""
        release_memory(self.function)

    def _run_segment(self, count):
        for shared, schedule in self.graph.schedules:
            losses = (self._all_losses(),) if hasattr(schedule, "check_every") else ()
            shared.set_value(np.asarray(schedule(self.steps_done, *losses), dtype=shared.dtype))
        self._safe = self._position, self.state()
        self._execute(count)
        self._take_back_broken()

    def _take_back_broken(self):
        """Raise StepDiverged if a step since the last safe state broke; it and those after it are then undone."""
        begin, saved = self._safe
        chunk = None if self._losses is None else self._recorded(begin)
        broken = self._first_broken(chunk, self._position - begin)
        self._safe = None
        if broken is None:
            return
        self._go_back(saved, begin)
        if broken:
            self._execute(broken)
            if not self._params_finite():  # not repeatable (a callback changed something): keep the safe state
                self._go_back(saved, begin)
        raise StepDiverged(None if chunk is None or np.isfinite(chunk[broken]) else float(chunk[broken]))

    def _all_losses(self):
        recorded = self.recorded_losses()
        parts = ([] if recorded is None else [recorded]) + self._recent
        return np.concatenate(parts) if parts else None

    def _execute(self, count):
        begin, before = self._position, calls_done(self.function, 0)
        try:
            # Large temporaries that are freed go back to the system, and asking for them again is slow.
            run_steps(self.function, count, keep_memory=True)
        except BaseException:
            after = calls_done(self.function)
            if after is not None:  # an Op that fails may come after its own step was counted in place
                self.graph.noise.counter.set_value(np.int64(begin + after - before))
            raise
        self._advance(count)

    def _advance(self, count):
        """Note that `count` more steps are done."""
        # By one call: before Python 3.10 Ctrl-C may come between any two bytecodes.
        vars(self).update(_position=self._position + count, steps_done=self.steps_done + count)

    def _recorded(self, begin):
        """Losses from row `begin` on."""
        return np.array(self._losses.get_value(borrow=True)[begin : self._position])

    def _params_finite(self):
        return all(np.isfinite(p.get_value(borrow=True)).all() for p in self.graph.params)

    def _first_broken(self, chunk, count):
        """Index of the first of the last `count` steps to take back, or None."""
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
        vars(self).update(_position=position, steps_done=steps_done)
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

    def _set_state(self, saved):
        for variable, value in zip(self._state, saved):
            variable.set_value(value, borrow=False)

    def _go_back(self, saved, position):
        self._set_state(saved)
        self.go_to(position, self.steps_done - (self._position - position))
