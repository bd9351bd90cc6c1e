"""``approx.refine``: more steps, or more rows, for an approximation that was fitted."""

from ..core import Approximation
from ..parameters import checked
from ._klqp import KLqp
from ._new_rows import refine_with_rows
from ._state import FitState, NotFittedError

__all__ = ["refine"]


@checked
def refine(approx, n=10000, data=None, progressbar=True):
    r"""Run `n` more steps; with `data`, on new rows, and with q as their prior.

    .. math:: p(z \mid \text{old}, \text{new}) \propto p(z \mid \text{old}) \prod_{i \in \text{new}} p(y_i \mid z),
              \qquad p(z \mid \text{old}) \approx q(z)

    The approximation is then one of the posterior of all rows, which are never read again: the new ones may be
    refined in turn.  That is exact where the posterior of the old rows is the Gaussian that q is; means of a mean-field
    q are those of all rows where its posterior is any Gaussian, since the correlations that q leaves out are measured.

    Parameters
    ----------
    approx : Approximation
        Fitted, of mean-field and full-rank groups.
    n : int
        Number of steps; times the batch size, the number of rows that may be read.
    data : DataLoader, dict, tuple, array or whatever a loader is made of, optional
        New rows of all columns that the likelihood reads: by the names of the loader's columns, of ``pm.Data``
        or of minibatches, or with these themselves as keys.
    progressbar : bool

    Returns
    -------
    Approximation
        `approx` itself, whose ``diagnose``, ``summary``, ``loo`` and predictive draws are from now on those of the new
        rows with their prior.  An error leaves it as it was.

    Raises
    ------
    ParametrizationError
        For other families, and for models whose likelihood is no sum over rows that can be replaced.
    DataError
        For columns that are missing or of another shape or type, by name.

    References
    ----------
    Broderick, Boyd, Wibisono, Wilson, Jordan: Streaming Variational Bayes, NIPS 2013, equation 3.
    """
    if approx.report is None and not len(approx.hist):
        raise NotFittedError("The approximation has not been fitted: there is nothing to refine yet.")
    inference = KLqp(approx)
    inference.history.replace(approx.hist)
    inference.report = inference.report if approx.report is None else approx.report
    inference.state = FitState(len(approx.hist), None, [], True)
    if data is None:
        inference.fit(n, progressbar=progressbar)
    else:
        refine_with_rows(inference, n, data, progressbar)
    return approx


Approximation.refine = refine
#: What a file says of the new rows of a refinement that are not here; None where they are, or there were none.
Approximation.left_rows = None
