"""Of which rows the log-likelihood is computed, and how."""

from collections import OrderedDict

from ..data import spread_rows
from ..diagnostics import RowDensity, RowLikelihood
from ..errors import ParametrizationError
from ..model import NotASum, row_model, row_numbers
from ..validation import warn_user

__all__ = ["WantedRows", "row_likelihood"]

#: Bytes beyond which the log-likelihood of all rows is not computed unless somebody asks for it; rows of a sample.
LARGEST, SAMPLE = 2**28, 4000


def row_likelihood(approx, model):
    """:class:`RowLikelihood` of an approximation, compiled once."""
    cache = approx.__dict__.setdefault("_cache", {})
    if "row_likelihood" not in cache:
        cache["row_likelihood"] = RowLikelihood(approx, model)
    return cache["row_likelihood"]


class WantedRows:
    """Rows whose log-likelihood a user wants.

    Parameters
    ----------
    approx : Approximation
    density : RowDensity or None
        Of a model with many rows.
    draws : int
    caller : str
    log_likelihood : bool, 'subsample' or None
    rows : int array or None

    Attributes
    ----------
    likelihood : RowLikelihood or None
        None where all rows are few, or not read by minibatches: they are then evaluated as the whole data.
    density : RowDensity or None
    rows, sampled : int array or None
        The rows, None for all; the same where they are a sample.
    """

    def __init__(self, approx, density, draws, caller, log_likelihood, rows):
        self.density, self.rows, self.likelihood, self.sampled = density, rows, None, None
        large = density is not None and density.model.rows * draws * 8 > LARGEST
        sample = log_likelihood == "subsample" or (log_likelihood is None and large and rows is None)
        if density is None and rows is None and not sample:
            return
        if density is None:
            self.density = _small(approx, caller, "rows" if rows is not None else "log_likelihood")
        model = self.density.model
        self.likelihood = row_likelihood(approx, model)
        if rows is None and sample:
            count = min(SAMPLE, min(map(len, model.tables)))
            row_numbers(approx.view, [0], "log_likelihood='subsample'", caller)
            self.sampled = self.rows = spread_rows(count, len(model.tables[0]), 1)
        if log_likelihood is None and self.sampled is not None:
            warn_user(
                f"The log-likelihood of {model.rows:,} rows at {draws:,} draws would take "
                f"{model.rows * draws * 8 / 1e9:.3g} GB, so that of {count:,} rows from all over the data is given. "
                "Pass log_likelihood=True for all (in a temporary file), 'subsample' for these, or False for none; "
                "pymc3_vi.loo(approx) needs none of it.",
                UserWarning,
            )

    def values(self, z, progressbar=None):
        """Name of an observed variable -> log-likelihood (s, rows, ...) at the draws `z` (s, d)."""
        names = self.likelihood.tables
        return OrderedDict((name, self.likelihood.values(name, z, self.rows, progressbar)) for name in names)


def _small(approx, caller, parameter):
    """Density of a model of few rows."""
    try:
        model = None if approx.has_batched else row_model(approx.view)
    except NotASum as why:
        model, reason = None, str(why)
    else:
        reason = "it reads no minibatches" if not approx.has_batched else "it has a group with values for every row"
    if model is None:
        raise ParametrizationError(
            f"The '{parameter}' parameter of {caller} chooses rows of minibatches or of a DataLoader, and the "
            f"likelihood of this model is no sum over such: {reason}. Leave it out."
        )
    return RowDensity(approx, model)
