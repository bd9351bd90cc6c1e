"""What every way of finding q can do."""

from abc import ABC, abstractmethod

__all__ = ["Algorithm"]


class Algorithm(ABC):
    """A way of finding the parameters of q; its state is data.

    A fit calls :meth:`begin` once, then :meth:`run` until it has its steps, then :meth:`result`; in between it may ask
    for a :meth:`snapshot`.  Parameters of q are written into the approximation's shared variables, so that callbacks
    see where the fit stands.
    """

    #: Name by which ``fit(algorithm=...)`` chooses it.
    name = None

    @abstractmethod
    def begin(self, objective, n):
        """Prepare for `n` steps that go on from the parameters as they are."""

    @abstractmethod
    def run(self, k):
        """Make `k` steps.

        Returns
        -------
        ndarray (k,)
            Loss of every step.

        Raises
        ------
        StepDiverged
            When there is no finite loss to go on from.
        """

    @abstractmethod
    def result(self):
        """Set the parameters of q to the best that is known."""

    @abstractmethod
    def density_changed(self):
        """Take note that the log density is another one from now on."""

    @property
    @abstractmethod
    def last_iterate(self):
        """Parameters before :meth:`result`, by shared variable; empty when they are the same."""

    @abstractmethod
    def snapshot(self):
        """Everything that the coming steps depend on, as a dict of arrays, numbers and lists."""

    @abstractmethod
    def restore(self, snapshot):
        """Go on where the algorithm stood that `snapshot` was taken of; ValueError if it was of another kind."""

    @abstractmethod
    def describe(self):
        """What it is and why it was taken, in words, for reports."""
