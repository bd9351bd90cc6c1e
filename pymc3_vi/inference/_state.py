"""Where a fit stands, and whether another may begin."""

import contextlib
from collections import namedtuple

from ..errors import FileFormatError, VariationalInferenceError

__all__ = ["FitState", "NotFittedError", "check_ready", "fitting", "subclass_called"]

#: Where a fit stands: steps done `i`, the algorithm that makes the `step`, `callbacks`, whether losses are computed.
FitState = namedtuple("FitState", "i, step, callbacks, score")


class NotFittedError(VariationalInferenceError, TypeError):
    """`refine` or `resume` before `fit`."""


def check_ready(inference, caller, resume=False):
    """Raise unless a fit can begin: the model is as it was, no fit is under way, and there is one to go on with.

    Parameters
    ----------
    inference : Inference
    caller : {'fit', 'refine', 'resume'}
    resume : bool
        Whether `fit` was asked to go on with the fit before.
    """
    if inference.running:
        raise VariationalInferenceError(
            f"{caller} was called while a fit of the same inference is still under way, by a callback or another "
            "thread. Raise StopIteration in a callback to end that fit, and call it afterwards."
        )
    if inference.state is None and caller != "fit":
        raise NotFittedError(f"Need to call `.fit` first: there is no fit to {caller} yet.")
    if inference.state is None and resume:
        raise NotFittedError(
            "The 'resume' parameter of fit must be False in the first fit: there is none to resume. Got True instead."
        )
    inference.approx.view.check_unchanged()


@contextlib.contextmanager
def fitting(inference, resume):
    """Context of one fit, beside which there is no other of the same inference; see :func:`check_ready`."""
    check_ready(inference, "fit", resume)
    inference.running = True
    try:
        yield
    finally:
        inference.running = False


def subclass_called(name, cls, path):
    """`cls` or the subclass of it with this name, which `path` asks for."""
    stack = [cls]
    while stack:
        found = stack.pop()
        if found.__name__ == name:
            return found
        stack.extend(found.__subclasses__())
    raise FileFormatError(
        f"{path} holds a {name}, which is no {cls.__name__} known here. Import the module that defines it, or use "
        "Inference.load.",
        "kind",
    )
