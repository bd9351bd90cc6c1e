"""Checkpoints: a fit that is killed goes on from the last one."""

from pathlib import Path

from ..callbacks import Callback
from ..errors import VariationalInferenceError
from ..parameters import checked
from ._container import check_writable
from ._resume import save_inference

__all__ = ["Checkpoint"]


class Checkpoint(Callback):
    """Callback that saves the whole inference every so many steps.

    The file is replaced in one stroke: whenever the process dies, the last complete checkpoint is there.

    Parameters
    ----------
    every : int
        Steps between checkpoints.
    path : str or path
        Where to; each checkpoint replaces the one before.  Where nothing can be written, the first step is not taken.

    Attributes
    ----------
    saved : int or None
        Step of the last checkpoint that was written.

    Examples
    --------
    >>> checkpoint = pymc3_vi.Checkpoint(every=1000, path="fit.npz")  # doctest: +SKIP
    >>> pymc3_vi.fit(100_000, model=model, callbacks=[checkpoint])  # doctest: +SKIP

    and after a crash

    >>> inference = pymc3_vi.Inference.load("fit.npz", model)  # doctest: +SKIP
    >>> approx = inference.resume(callbacks=[checkpoint])  # doctest: +SKIP
    """

    @checked
    def __init__(self, every, path):
        self.every = every
        self.path = Path(path)
        self.saved = None
        self._inference = None

    def bind(self, inference):
        """Called by the fit before its first step."""
        check_writable(self.path)
        self._inference = inference

    def next_call(self, i):
        """The next multiple of `every`."""
        return (i // self.every + 1) * self.every

    def __call__(self, approx, losses, i):
        if i % self.every:
            return
        if self._inference is None:
            raise VariationalInferenceError(
                "Checkpoint does not know the inference that it belongs to: pass it to fit(callbacks=[...]) of an "
                "inference of this package."
            )
        save_inference(self._inference, self.path, i)
        self.saved = i
