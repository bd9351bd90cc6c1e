"""What a fit knows when new rows come: its q, and the correlations that the family leaves out."""

import numpy as np
from scipy import linalg

from ...approximations.gaussian import ArrowCurvature, Curvature, GaussianBlocks
from ...diagnostics import PointDensity, RowDensity, row_density
from ...errors import ParametrizationError
from ...model import GaussianPrior, NotASum, row_model
from ._subsets import part_of, part_rows

__all__ = ["gaussian_before"]

#: Differences of gradients are taken over this many sds of q to either side.
STEP = 0.5
#: Mirrored pairs of points that tell the curvature of many values.
PROBES = 8


def gaussian_before(approx, has_rows=True):
    r"""q as the prior of rows to come.

    A full-rank q is taken as it is.  A mean-field q has sds :math:`A_{ii}^{-1/2}` with A the curvature of log p; what
    it leaves out of A moves means when q is used as a prior of correlated values.  So A is measured, by central
    differences of gradients on the rows or some of them, and the prior is :math:`N(\mathrm{mean\ of\ } q, A^{-1})`.
    Errors of single entries, as those of q's sds are, would count along directions in which A is small.

    Parameters
    ----------
    approx : Approximation
    has_rows : bool
        Whether the rows that it was fitted to are there to be read.

    Returns
    -------
    GaussianPrior

    Raises
    ------
    ParametrizationError
        For families without a Gaussian density.
    """
    unfit = [group for group in approx.groups if not GaussianBlocks.fits(group)]
    if unfit:
        raise ParametrizationError(
            f"The 'data' parameter of refine is for mean-field and full-rank approximations, which new rows can have "
            f"as their prior. Got {unfit[0]}: fit method='advi' or 'fullrank_advi' to the rows before, or all rows."
        )
    blocks = GaussianBlocks(approx.groups)
    mu, scale = blocks.read()
    names = [v.name for group in approx.groups for v in group.group]
    plain = 1 / scale if blocks.is_diagonal else linalg.solve_triangular(scale, np.eye(blocks.d), lower=True).T
    whole_block = not blocks.is_diagonal and len(blocks.groups) == 1
    if whole_block or not has_rows or not (blocks.is_small or len(blocks.few)):
        return GaussianPrior(names, mu, plain)
    slopes = _slopes(approx, blocks)
    measured = _dense if blocks.is_small else _arrow
    curvature = None if slopes is None else measured(slopes, blocks, mu, scale)
    if curvature is None or not curvature.finite or not curvature.is_positive():
        return GaussianPrior(names, mu, plain)
    if len(blocks.few):  # what each of the many has by itself is known from q, better than from some of the rows
        return GaussianPrior(names, mu, curvature.with_many(1 / scale**2).values, blocks.few)
    widths = np.sqrt(np.diag(curvature.values))
    half = np.linalg.cholesky(curvature.values / widths[:, None] / widths)
    return GaussianPrior(names, mu, widths[:, None] * half)


def _slopes(approx, blocks):
    """Function z (s, d) -> gradients (s, d) of the log density that q was fitted to; None where there is none."""
    try:
        model = row_model(approx.view)
    except NotASum:
        return None
    if model is None:
        density = PointDensity(approx)
        return lambda z: density.slopes(z)[1]
    density = row_density(approx) or RowDensity(approx, model)
    part = part_of(density, part_rows(model, blocks), 4)

    def slopes(z):
        rest = density.rest(z)[1]
        return rest + model.rows / part.rows * (part.slopes(z)[1] - rest)

    return slopes


def _dense(slopes, blocks, mu, scale):
    widths = STEP * blocks.std(scale)
    return Curvature.of_differences(mu, widths, lambda eps: slopes(mu + widths * eps))


def _arrow(slopes, blocks, mu, scale):
    """Rows of the few one by one, the diagonal of the many all at once, since these know of each other by the few."""
    few, widths = blocks.few, STEP * scale
    signs = np.random.Generator(np.random.SFC64(3)).choice([-1.0, 1.0], (PROBES, blocks.d))
    signs[:, few] = 0.0
    moves = np.concatenate([np.eye(blocks.d)[few], signs]) * widths
    grad = slopes(np.concatenate([mu + moves, mu - moves]))
    products = 0.5 * (grad[len(moves) :] - grad[: len(moves)])
    rows = products[: len(few)] / widths[few][:, None]
    diagonal = np.mean(products[len(few) :] * signs, axis=0) / widths
    diagonal[few] = rows[np.arange(len(few)), few]
    return ArrowCurvature.of_rows(diagonal, rows, few)
