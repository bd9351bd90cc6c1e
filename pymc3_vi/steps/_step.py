"""A step graph and the runnable step that an engine makes of it."""

from collections import OrderedDict, namedtuple

import numpy as np
import theano
import theano.tensor as tt

from ..compiler import UNDEFINED, calls_done, compile_function, release_memory, without_test_values
from ..errors import ParametrizationError
from ._left_out import LeftOut, redraw, run_defined
from ._snapshot import Snapshot, put_snapshot, take_snapshot

__all__ = ["StepGraph", "Step", "StepDiverged"]

#: Rows of fresh draws that are tried for one step.
LARGEST_TRIES = 100


class StepGraph(
    namedtuple("StepGraph", "loss, updates, params, noise, schedules, state, left_out", defaults=((), None))
):
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
    state : list of shared variables
        The optimizer's own; those of floats must stay finite too.
    left_out : shared integer, optional
        Where steps themselves count draws that they leave out.
    """

    __slots__ = ()


class StepDiverged(Exception):
    """No draw gives a finite loss and finite parameters.  The parameters are those before the step that broke.

    Attributes
    ----------
    loss : float or None
        The non-finite loss, or None when a parameter broke.
    error : Exception or None
        What an Op raised instead.
    """

    def __init__(self, loss, error=None):
        super().__init__("non-finite loss or parameter")
        self.loss, self.error = loss, error


class Step:
    """Runs compiled steps in chunks, with their losses, and can go back.

    A draw at which the loss, a parameter or the optimizer's state would not be finite, or an Op has no value, is left
    out of its step: another one takes its place, and :attr:`left_out` counts it.  This costs nothing where there is no
    such draw.

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
            [], None, updates=updates, **{"engine": engine, "name": "step", "stable": True, **(fn_kwargs or {})}
        )
        #: Function that returns the losses of all steps so far; schedules that watch the loss read it.
        self.recorded_losses = lambda: None
        #: Draws that were left out.
        self.left_out = LeftOut()
        self._recent = []
        self._safe = None
        self._shapes = [p.get_value(borrow=True).shape for p in graph.params]
        #: Steps in one go (fewer after one that broke), fresh draws in a row at this step, what an Op raised.
        self._at_once, self._tries, self._raised = noise.rows, 0, None
        self.go_to(noise.rows, 0)  # an exhausted block: the first run fills it
        self._state = [v for v in self._updated() if v is not self._losses and v is not noise.counter]
        self._streams = [v for v in self._state if v not in graph.updates]
        floats = [v for v in graph.state if str(getattr(v, "dtype", "")).startswith("float")]
        self._finite_ones = list(graph.params) + floats

    def _updated(self):
        """Shared variables that the function changes, those of random streams and minibatches included."""
        return [i.variable for i in self.function.maker.inputs if i.update is not None and i.shared]

    #: Whether it can begin with any parameters.
    can_go_on = True
    #: What a progress bar says in place of the loss.
    comment = None

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

    @property
    def tries(self):
        """Draws in a row that were left out of the coming step."""
        return self._tries

    # ---------------------------------------------------------------- running
    def __call__(self):
        """Run one step; returns its loss, None without one."""
        losses = self.run(1)
        return None if losses is None else losses[0]

    def run(self, k):
        """Run `k` steps.

        Returns
        -------
        ndarray (k,) or None
            Loss of every step; None when the graph has no loss.

        Raises
        ------
        StepDiverged
            When a loss or parameter is not finite whatever the draw, or with more than two thirds of the draws;
            parameters and optimizer state are then those before that step.
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
            self._safe, self._raised = None, None
        self._count_inside()
        return self.recent_losses()

    def trial(self, noise, streams=False):
        """Losses of one step from here for every row of other noise.  Nothing is changed by it.

        Parameters
        ----------
        noise : list of ndarray (count, ...)
            See ``StepNoise.sample``.
        streams : bool
            Whether random streams go on from row to row, so that each has a minibatch of its own.

        Returns
        -------
        ndarray (count,)
            NaN where a step would not stay finite; 0 without a loss.
        """
        position, done, saved = self._position, self.steps_done, self.state()
        blocks = [block.shared for block in self.graph.noise.blocks]
        first = blocks + ([] if self._losses is None else [self._losses])
        kept, found = [v.get_value(borrow=True)[0].copy() for v in first], []
        try:
            for draw in zip(*noise):
                _put_first_rows(blocks, draw)
                self.go_to(0, done)
                try:
                    self._execute(1)
                    loss = 0.0 if self._losses is None else self._losses.get_value(borrow=True)[0]
                    found.append(loss if np.isfinite(loss) and self._params_finite() else np.nan)
                except UNDEFINED:  # an Op that has no value there
                    found.append(np.nan)
                self._set_state(saved, keep=self._streams if streams else ())
        finally:
            self._set_state(saved)
            _put_first_rows(first, kept)
            self.go_to(position, done)
        return np.array(found)

    def _count_inside(self):
        """Take over what the steps themselves have counted."""
        counter = self.graph.left_out
        if counter is not None and int(counter.get_value()):
            self.left_out.note(self.steps_done, int(counter.get_value()), None)
            counter.set_value(np.int64(0))

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
        count = min(k, self.graph.noise.rows - self._position, self._at_once)
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
        try:
            self._execute(count)
        except UNDEFINED as error:
            self._raised = error
            self._catch_up()
        self._check_shapes()
        self._take_back_broken()

    def _check_shapes(self):
        """Parameters keep their shapes, whatever an optimizer makes of them."""
        for param, shape in zip(self.graph.params, self._shapes):
            found = param.get_value(borrow=True).shape
            if found != shape:
                position, saved = self._safe
                self._go_back(saved, position)
                raise ParametrizationError(
                    f"The 'obj_optimizer' parameter of fit must give every parameter a value of its shape. It gave "
                    f"{param} a value of shape {found} instead of {shape}."
                )

    def _take_back_broken(self):
        """Take back the first step since the last safe state that broke and those after it, and leave its draw out."""
        begin, saved = self._safe
        count = self._position - begin
        chunk = None if self._losses is None else self._recorded(begin)
        broken = self._first_broken(chunk, count)
        if broken is None and not self._raised:
            self._tries, self._at_once = 0, min(2 * self._at_once, self.graph.noise.rows)
        else:
            good = self._rewind(saved, begin, count if broken is None else broken)
            known = chunk is not None and good < len(chunk)  # a parameter that breaks does so before the next loss
            loss = float(chunk[good]) if known and not np.isfinite(chunk[good]) else None
            self._tries = 0 if good else self._tries
            self._safe, self._at_once = (self._position, self.state()), max(good, 4)
            self._leave_out(loss)
        self._safe, self._raised = None, None

    def _rewind(self, saved, begin, last):
        """Go to the state before the first step since `saved` that broke, number `last` at most; returns its number."""
        for count in (last, last - 1):
            self._go_back(saved, begin)
            if count <= 0 or self._stays_finite(count):
                return max(count, 0)
        # Neither losses nor parameters at the end of the segment tell: step by step.
        self._go_back(saved, begin)
        for count in range(last):
            before = self.state()
            if not self._stays_finite(1):
                self._go_back(before, begin + count)
                return count
        return last

    def _stays_finite(self, count):
        try:
            self._execute(count)
        except UNDEFINED:
            self._catch_up()
            return False
        fine = self._losses is None or np.isfinite(self._recorded(self._position - count)).all()
        return bool(fine and self._params_finite())

    def _leave_out(self, loss):
        """Put other draws in place of those of the coming step, which breaks with them."""
        steps, draws = self.steps_done, self.graph.noise.draws
        self._tries += 1
        alone = not self.graph.noise.blocks and not self._streams
        if alone or self._tries > LARGEST_TRIES or self.left_out.exceed(steps, draws):
            raise StepDiverged(loss, self._raised)
        self._skip_streams()
        self.left_out.note(steps, *redraw(self))

    def _skip_streams(self):
        """Let random streams and minibatches go on, which gave the coming step what broke it."""
        if not self._streams:
            return
        before, position = self.state(), self._position
        try:
            self._stays_finite(1)
        finally:
            after = [v.get_value(borrow=False) for v in self._streams]
            self._go_back(before, position)
            for variable, value in zip(self._streams, after):
                variable.set_value(value, borrow=False)

    def _all_losses(self):
        recorded = self.recorded_losses()
        parts = ([] if recorded is None else [recorded]) + self._recent
        return np.concatenate(parts) if parts else None

    def _execute(self, count):
        begin, before = self._position, calls_done(self.function, 0)
        try:
            run_defined(self.function, count)
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
        return all(np.isfinite(p.get_value(borrow=True)).all() for p in self._finite_ones)

    def _first_broken(self, chunk, count):
        """Index of the first of the last `count` steps to take back, or None."""
        if chunk is not None and not np.isfinite(chunk).all():
            return int(np.flatnonzero(~np.isfinite(chunk))[0])
        if self._params_finite():
            return None
        return count - 1  # at the latest

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

    def _set_state(self, saved, keep=()):
        for variable, value in zip(self._state, saved):
            if variable not in keep:
                variable.set_value(value, borrow=False)

    def _go_back(self, saved, position):
        self._set_state(saved)
        self.go_to(position, self.steps_done - (self._position - position))


def _put_first_rows(blocks, rows):
    for block, row in zip(blocks, rows):
        block.get_value(borrow=True)[0] = row
