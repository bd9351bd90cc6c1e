"""From the start to the neighbourhood of the optimum, on growing parts of the rows."""

from collections import namedtuple

import numpy as np

from ...approximations.gaussian import Chart, matched_pairs
from ..newton import DrawTarget, WarmStart, variational_newton
from ._measured import MeasuredCurvature
from ._search import PassSearch

__all__ = ["Ascent", "blind_distance", "climb", "part_of", "part_rows", "pilot_rows"]

#: Rows of the pilot, and of it for each value of q at least.
PILOT, PER_VALUE = 4000, 20
#: A part has at most this many times the rows of the part before, and at most this fraction of all.
GROWTH, LARGEST_PART = 8.0, 0.25
#: Bytes that the rows of a part may take, and rows times draws times values of one evaluation.
PART_BYTES, PART_WORK = 2**26, 2e9
#: Rows times draws times values of a look at all rows that is not worth being spared.
WHOLE_WORK = 1e10
#: Evaluations that a part is taken to need, for the budget, and the fraction of the budget that parts may take.
EVALUATIONS, SHARE = 4, 0.5
#: Gain of another step (nats) below which a part has told what it can: the next optimum is some sds away anyway.
TOLERANCE, ITERATIONS = 0.05, 12
#: Gain of another step (nats) of a pilot that is near its optimum.
SETTLED = 0.5
#: Mirrored pairs where curvature is diagonal.
FEW_PAIRS = 8

#: Where growing parts led: q for all rows as the last part predicts it, `curvature` of all rows, the `rows` of that
#: part (all parts of a model together), rows that were `read` after the pilot, and whether the pilot `settled`.
Ascent = namedtuple("Ascent", "mu, scale, curvature, rows, read, settled")


def pilot_rows(d):
    """Rows with which a fit of d values begins."""
    return max(PILOT, PER_VALUE * d)


class _PartDensity:
    """A density on some of the rows."""

    def __init__(self, density, tables):
        self.density, self.tables = density, tables
        self.evaluations = self.read = 0
        self.rows = sum(map(len, tables))

    def slopes(self, z):
        self.evaluations += len(z)
        self.read += self.rows
        return self.density.slopes(z, self.tables)


def climb(density, blocks, seed, budget, draws, jitter, keep, largest=LARGEST_PART):
    """Find q on growing parts of the rows, each as data of its own, and tell q for all rows from the last one.

    Parameters
    ----------
    density : RowDensity
    blocks : GaussianBlocks
        Their parameters are the start.
    seed : int
    budget : int
        Rows that the whole fit may read.
    draws : tuple of int
        Draws that the pilot may evaluate: where it is near its optimum, and in any case.
    jitter : bool
        Whether other starts may be tried.
    keep : callable
        Called with (mu, scale) when something better is known, for whoever interrupts.
    largest : float
        Fraction of all rows that a part may have.

    Returns
    -------
    Ascent

    Raises
    ------
    NoFiniteStart
    """
    total = density.model.rows
    sizes = _sizes(total, blocks, _row_bytes(density.model), budget, largest)
    part = part_of(density, sizes[0], seed)
    warm = WarmStart(DrawTarget(part, blocks), seed, draws[0], jitter, draws[1])
    try:
        arrival = warm.run()
    finally:
        keep(*warm.best)
    mu, scale = warm.best
    generator = np.random.Generator(np.random.SFC64(seed + 1))
    pairs = max(FEW_PAIRS, blocks.d) if blocks.is_small else FEW_PAIRS
    eps = matched_pairs(generator.standard_normal((pairs, blocks.d)))
    measured = MeasuredCurvature(density, part, blocks, mu, scale, eps)
    read, rows = 0, part.rows
    for number, size in enumerate(sizes[1:]):
        part = part_of(density, size, seed + 2 + number)
        curvature = measured.scaled(part.rows / rows)
        rows = part.rows
        mu, scale, grad = _improve(part, blocks, mu, _best_scale(blocks, curvature, scale), curvature, eps)
        measured = MeasuredCurvature(density, part, blocks, mu, scale, eps, grad)
        read += part.read
        keep(mu, scale)
    curvature = measured.scaled(total / rows)
    return Ascent(mu, _best_scale(blocks, curvature, scale), curvature, rows, read, bool(arrival.decrement < SETTLED))


def _affordable(row_bytes, blocks):
    """Rows that a part may have for its memory and its work."""
    draws = 2 * max(FEW_PAIRS, blocks.d if blocks.is_small else 0)
    return min(PART_BYTES / row_bytes, PART_WORK / (draws * blocks.d))


def part_rows(model, blocks):
    """All rows where a look at them costs no more than a few passes, else those of the largest part."""
    if model.rows * blocks.d * max(FEW_PAIRS, blocks.d if blocks.is_small else 0) <= WHOLE_WORK:
        return model.rows
    return int(min(model.rows, max(_affordable(_row_bytes(model), blocks), pilot_rows(blocks.d))))


def _row_bytes(model):
    arrays = [c.read(0, 1) for table in model.tables for c in table.columns]
    return max(sum(a.size * a.dtype.itemsize for a in arrays), 1)


def _sizes(total, blocks, row_bytes, budget, largest):
    """Rows of the pilot and of each part after it."""
    first = min(pilot_rows(blocks.d), total)
    last = min(largest * total, _affordable(row_bytes, blocks), SHARE * budget / EVALUATIONS)
    if last < 2 * first:
        return [first]
    count = int(np.ceil(np.log(last / first) / np.log(GROWTH)))
    return [int(first * (last / first) ** (k / count)) for k in range(count + 1)]


def part_of(density, rows, seed):
    """Density of that many rows, spread over all tables as they have them."""
    share = rows / density.model.rows
    tables = []
    for table in density.model.tables:
        count = min(max(int(round(share * len(table))), min(50, len(table))), len(table))
        tables.append(table if count == len(table) else table.subset(count, seed))
    return _PartDensity(density, tables)


def _best_scale(blocks, curvature, scale):
    """Scale that is optimal under a Gaussian log density of this curvature; where it has none, `scale` as it is."""
    tamed = curvature if curvature.is_positive() else curvature.tamed(scale)
    widths = 1 / np.sqrt(tamed.diagonal)
    if blocks.is_diagonal:
        return widths
    out = np.diag(widths)
    for part in blocks.slices:
        index = np.arange(part.start, part.stop)
        if tamed.is_dense and np.all(blocks.block[index] == blocks.block[index[0]]):
            out[part, part] = tamed.part(index).root()
    return out


def _improve(part, blocks, mu, scale, curvature, eps):
    """(mu, scale) near the optimum of one part, and the gradients at its draws where they are known."""
    if blocks.is_small:
        place = variational_newton(DrawTarget(part, blocks), mu, scale, eps, TOLERANCE, ITERATIONS)
        return place.mu, place.scale, place.evaluation.grad
    search = PassSearch(Chart(blocks, mu, scale, curvature, curvature.tamed(scale).root()), eps)
    for _ in range(2 * ITERATIONS):
        if search.tell(*part.slopes(search.draws)):
            if search.promised < TOLERANCE:
                break
        elif search.stuck:
            break
    return (*search.best(ahead=search.x is not None), None)


def blind_distance(ascent, blocks, rows, cover):
    """What is to be expected, `cover` standard errors far, of an optimum of some of `rows` rows."""
    if not ascent.settled:
        return np.inf
    wide = np.sum(np.atleast_2d(ascent.curvature.root()) ** 2, axis=1) if ascent.curvature.is_dense else None
    wide = 1 / np.abs(ascent.curvature.diagonal) if wide is None else wide
    each = np.sqrt(wide * (rows / ascent.rows - 1)) / blocks.std(ascent.scale)
    return float(np.max(each) * (cover + np.sqrt(2 * np.log(blocks.d))))
