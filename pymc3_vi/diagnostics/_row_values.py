"""log p at many draws of q where there are many rows."""

from contextlib import contextmanager

import numpy as np

from ..approximations.gaussian import Curvature, GaussianBlocks, matched_pairs
from ..errors import ParametrizationError
from ..graph import made_once
from ..model import NotASum, row_model
from ._row_density import RowDensity
from ._spread_rows import SpreadRows

__all__ = ["RowValues", "row_density", "rows_on_workers"]

#: Fewer rows are evaluated as the whole data that they are.
MANY_ROWS = 20_000
#: Rows times draws that are evaluated one by one; beyond, rows are sampled.
EXACT = 3e8
#: Rows of the first sample, and of each more than the one before; standard error (nats) of log p that is good enough.
SAMPLE, GROWTH, ACCURATE = 20_000, 4, 0.05


def row_density(approx):
    """:class:`RowDensity` of a model with many rows, compiled once; None where it is not a sum over rows, or of few."""
    return made_once(approx, "row_density", lambda: _row_density(approx))


def _row_density(approx):
    if approx.has_batched:
        return None
    try:
        model = row_model(approx.view)
    except NotASum:
        return None
    if model is None or (model.rows < MANY_ROWS and all(table.in_memory for table in model.tables)):
        return None
    return RowDensity(approx, model)


@contextmanager
def rows_on_workers(approx, client):
    """Context in which the workers of a client read the rows of :func:`row_density`; with None nothing changes."""
    if client is None:
        yield
        return
    density = row_density(approx)
    if density is None:
        raise ParametrizationError(
            "The 'client' parameter of diagnose is for likelihoods that are sums over many rows of a DataLoader or a "
            "pm.Minibatch, which workers read. This model has none, or few rows: leave 'client' out."
        )
    density.spread = spread = SpreadRows(density, client)
    try:
        yield
    finally:
        density.spread = None
        spread.dismiss()


class RowValues:
    r"""log p (s,) at draws z (s, d), exactly where that is cheap, else from a sample of the rows.

    With the quadratic :math:`Q` that gradients of all rows at a few matched draws give, and :math:`Q_S` that those of a
    sample S of n of the N rows give,

    .. math:: \log p(z) \approx Q(z) + \tfrac Nn \left[\log p_S(z) - Q_S(z)\right],

    so that only the departure from a quadratic is sampled, which is small where there are many rows.  The difference
    between two halves of the sample tells its error; the sample grows until that is small.

    Parameters
    ----------
    density : RowDensity
    approx : Approximation
    draws : int
        Number of draws that are going to be asked for.

    Attributes
    ----------
    error : float
        Standard error (nats) of a value, its root mean square over draws; 0 when values are exact.

    References
    ----------
    Quiroz, Kohn, Villani, Tran: Speeding up MCMC by efficient data subsampling, JASA 114(526), 2019, section 3.
    """

    def __init__(self, density, approx, draws):
        self.density, self.error = density, 0.0
        self.parts = None
        rows, d = density.model.rows, density.d
        gaussian = all(GaussianBlocks.fits(group) for group in approx.groups)
        if not gaussian or rows * draws <= EXACT or 2 * d + 2 > draws or 2 * SAMPLE > rows:
            return
        blocks = GaussianBlocks(approx.groups)
        self.mu, scale = blocks.read()
        generator = np.random.Generator(np.random.SFC64(1))
        self.blocks, self.scale = blocks, scale
        self.eps = matched_pairs(generator.standard_normal((d + 8, d)))
        self.whole = self._quadratic(None)
        count = SAMPLE
        test = self.mu + blocks.stretch(generator.standard_normal((64, d)), scale)
        while count < rows / 4:
            self.parts = [self._sample(count // 2, seed) for seed in (1, 2)]
            one, two = (self._departure(part, test) for part in self.parts)
            # Constants do not matter for weights, and the halves' average has half the spread of their difference.
            self.error = float(np.std(one - two) / 2)
            if self.error <= ACCURATE:
                return
            count *= GROWTH
        self.parts, self.error = None, 0.0

    def _sample(self, count, seed):
        share = count / self.density.model.rows
        tables = [t.subset(max(int(share * len(t)), 1), seed) for t in self.density.model.tables]
        factor = self.density.model.rows / sum(map(len, tables))
        return tables, factor, self._quadratic(tables)

    def _quadratic(self, tables):
        """Value, slope and curvature of a quadratic from the rows of `tables`, all rows by default."""
        z = self.mu + self.blocks.stretch(self.eps, self.scale)
        logp, grad = self.density.slopes(z, tables)
        rest, slopes = self.density.rest(z)
        logp, grad = logp - rest, grad - slopes
        curvature = Curvature.of_draws(self.blocks, self.scale, self.eps, grad, dense=True)
        moved = z - self.mu
        level = np.mean(logp + 0.5 * np.sum(moved * curvature.times(moved), axis=1))
        return level, grad.mean(axis=0), curvature

    def _value(self, quadratic, z):
        level, slope, curvature = quadratic
        moved = z - self.mu
        return level + moved.dot(slope) - 0.5 * np.sum(moved * curvature.times(moved), axis=1)

    def _departure(self, part, z):
        tables, factor, quadratic = part
        return factor * (self.density.values(z, tables) - self.density.rest_values(z) - self._value(quadratic, z))

    def __call__(self, z):
        """log p (s,) at the draws `z` (s, d)."""
        if self.parts is None:
            return self.density.values(z)
        departures = [self._departure(part, z) for part in self.parts]
        return self._value(self.whole, z) + np.mean(departures, axis=0) + self.density.rest_values(z)
