"""What every way of finding q can do, and what a fit tells it."""

import contextlib
from abc import ABC, abstractmethod
from typing import Any, Callable, NamedTuple, Optional

from ..registry import Registry
from ..steps import LeftOut

__all__ = ["ALGORITHMS", "Algorithm", "Task", "register_algorithm"]

#: Algorithms by the name that ``fit(algorithm=...)`` takes.
ALGORITHMS = Registry("algorithm")


def register_algorithm(cls):
    """Class decorator: ``fit(algorithm=cls.name)`` takes it from now on."""
    return ALGORITHMS.register(cls.name, cls)


class Task(NamedTuple):
    """What a fit asks of an algorithm."""

    #: What is to be optimized; ``objective.approx`` is q.
    objective: Any
    #: Options of a step as they were given: `obj_n_mc`, `obj_optimizer`, `more_replacements` and so on.
    options: dict
    #: Whether losses are wanted.
    score: bool = True
    #: For the compiler.
    fn_kwargs: Optional[dict] = None
    #: Part of the iterates of the user's optimizer that is averaged.
    average: Optional[float] = None
    #: Optimizer of fits without one, and the part of its iterates that is averaged.
    default_optimizer: Any = None
    default_average: float = 0.0
    #: Whether the parameters are still those that q was made with.
    is_untouched: Callable[[], bool] = lambda: False
    #: Losses of all fits so far.
    losses: Callable[[], Any] = lambda: None
    #: What evaluates rows elsewhere: a client of Dask, or an executor.
    client: Any = None

    @property
    def approx(self):
        """The approximation that is fitted."""
        return self.objective.approx

    @property
    def params(self):
        """Shared variables of all groups."""
        return [p for group in self.approx.groups for p in group.params]


class Algorithm(ABC):
    """A way of finding the parameters of q; its state is data.

    The constructor takes settings only.  A fit calls :meth:`prepare` once, then for every run :meth:`begin` (or
    :meth:`reopen`), :meth:`run` until it has its steps, and :meth:`result`; in between it may ask for a
    :meth:`snapshot`.  Parameters of q are written into the approximation's shared variables, so that callbacks see
    where the fit stands.  Ctrl-C may come at any point of :meth:`run`: `steps_done` and the parameters must belong
    together whenever it does, and the next :meth:`run` must go on from there.

    Attributes
    ----------
    task : Task
        What it was prepared for.
    steps_done : int
        Steps of all runs.
    """

    #: Name by which ``fit(algorithm=...)`` chooses it.
    name = ""
    #: Whether it runs an ``obj_optimizer``.
    takes_optimizer = False
    #: Whether it evaluates rows on the workers of ``fit(client=...)``.
    uses_client = False
    #: Order of the derivatives that it needs.
    order = 1
    #: Number of moves of the parameters, where they rest for several steps in between; None where every step is one.
    moves: Optional[int] = None
    #: What a progress bar says in place of the loss.
    comment: Optional[str] = None
    #: How the last run ended, in words, where "ran all n steps" does not tell.
    ending: Optional[str] = None
    #: Theano's profile, when compiled with ``profile=True``.
    profile: Any = None
    #: Whether a q was found from which steps can be made.
    has_begun = True
    #: Whether a later fit with the same options may go on with it.
    can_go_on = True
    #: Whether it keeps something from step to step that is wrong once the log density is another one.
    remembers = True
    #: Whether steps compute the density itself, as a loss does, and not its gradient alone.
    sees_density = True

    steps_done = 0
    _left_out = LeftOut()

    @property
    def left_out(self):
        """Draws that no step used, as a ``LeftOut``."""
        return self._left_out

    # ---------------------------------------------------------------- before the first step
    @abstractmethod
    def obstacle(self, task):
        """Why it cannot do `task`, in words that end the sentence "it cannot fit this model: ..."; None if it can."""

    @abstractmethod
    def prepare(self, task):
        """Compile what is needed for `task`; called once, before everything else."""
        self.task, self._left_out = task, LeftOut()

    def aim_at(self, tolerance):
        """End when the result is known to `tolerance`; False where it does not know how far it is.

        A fit with ``tol=`` then watches the iterates by a :class:`~pymc3_vi.Converged`.

        Parameters
        ----------
        tolerance : float, 'auto' or None
            'auto': as the algorithm sees fit.  None: make all steps, those that have nothing left to do included.
        """
        return False

    # ---------------------------------------------------------------- a run
    @abstractmethod
    def begin(self, n, first=False):
        """Prepare for `n` steps that go on from the parameters as they are; `first` of all that were made of this q."""

    def reopen(self):
        """Go on with the steps of an interrupted run: undo its :meth:`result`."""
        for param, value in self.last_iterate.items():
            param.set_value(value)

    def undisturbed(self):
        """Context of runs amid which nothing of the user's is called, so that data cannot change."""
        return contextlib.nullcontext()

    def watches(self, first, n):
        """Callbacks of its own for `n` steps after number `first`."""
        return []

    @abstractmethod
    def run(self, k):
        """Make `k` steps, or fewer when nothing is left to do.

        Returns
        -------
        ndarray (k,) or None
            Loss of every step that was made; None where none are computed.

        Raises
        ------
        StepDiverged
            When there is no finite loss to go on from; the parameters are those before that step.
        """

    def recent_losses(self):
        """Losses of the last :meth:`run`, those of the steps before an exception included; None without losses."""
        return None

    def density_changed(self, names, i):
        """Take note that the variables `names` of the log density are others from step `i` of this run on."""
        return None

    @abstractmethod
    def result(self):
        """Set the parameters of q to the best that is known."""

    @property
    def last_iterate(self):
        """Parameters before :meth:`result`, by shared variable; empty when they are the same."""
        return {}

    def release(self):
        """Free the memory that runs keep for each other."""
        return None

    # ---------------------------------------------------------------- state
    @abstractmethod
    def snapshot(self):
        """Everything that the coming steps depend on, as a dict of arrays, numbers and lists."""

    @abstractmethod
    def restore(self, snapshot):
        """Go on where the algorithm stood that `snapshot` was taken of; ValueError if it was of another kind."""

    # ---------------------------------------------------------------- for reports
    @abstractmethod
    def describe(self):
        """What it is and what it has done, in words."""

    def failing_noise(self):
        """Base noise at which the last step broke, one array per group; empty where it is not known."""
        return []
