"""Gaussian approximations of many posteriors at once, by damped Newton steps on the ELBO with fixed draws."""

from collections import namedtuple

import numpy as np
import theano

from ..approximations.gaussian import fixed_noise

__all__ = ["Fitted", "NewtonForMany", "log_det", "std", "stretch"]

#: Where the fits of B data sets ended: `mu` (B, d), `scale` (B, d) or (B, d, d), and (B,) each `elbo`, `decrement`
#: (nats that another step promises), `error` (what more draws moved last, in sds), `steps`, `draws`, and `solved`.
Fitted = namedtuple("Fitted", "mu, scale, elbo, decrement, error, steps, draws, solved")

#: Gain (nats) of another step below which the first set of draws is solved, and later ones; these are also solved at a
#: part of what they promised at first, which is the error that the draws before them left.
FIRST_TOLERANCE, TOLERANCE, PART = 1e-4, 2e-6, 0.02
#: What may still be promised where values are too coarse to tell whether a step gains.
COARSE = 1e-2
ITERATIONS, TRIALS, SHRINK, SHRINKS = 100, 14, 0.3, 60
SUFFICIENT, ROUNDING = 1e-4, 1e-9
#: Curvature in units of the present scale is taken to lie in this range, and to be no flatter than that for the mean.
SMALLEST, LARGEST, FLATTEST = 0.1, 1e6, 1e-6
#: A first scale is this part of the width that the curvature suggests, and at most 1.
TIMID = 0.3
#: Sets of draws: pairs of the first, growth, how many, and movement (sds) from one to the next that ends the search.
FIRST_PAIRS, GROWTH, STAGES, ACCURATE = 32, 4, 4, 0.01
RETRIES = 2
#: Part of a step that may be taken where the one before has shown how much is left after a whole one.
LENGTHS = 0.3, 4.0
#: Nats from the optimum at which mean and scale step together, where no curvature is less than `FIRM` then.
NEAR, FIRM = 1.0, 0.1


def stretch(eps, scale):
    """S eps for every data set: (B, s, d) from noise (s, d) or (B, s, d) and scales (B, d) or (B, d, d)."""
    return eps * scale[:, None] if scale.ndim == 2 else np.matmul(eps, scale.transpose(0, 2, 1))


def log_det(scale):
    """log |det S|, (B,)."""
    return np.sum(np.log(scale), axis=1) if scale.ndim == 2 else np.linalg.slogdet(scale)[1]


def std(scale):
    """Standard deviations (B, d)."""
    return scale if scale.ndim == 2 else np.sqrt(np.sum(scale**2, axis=2))


#: Numbers in the draws of the data sets that are averaged over at once, so that what is made of them stays in cache.
PIECE = 2**16

#: At fixed draws, in units of the scale: `elbo` (B,), `slope` (B, d) in the mean, expected `curvature` (B, d, d), and
#: `coupling` (B, d, k) of the mean with the k entries of the scale: how curvature changes along the mean.
_Averages = namedtuple("_Averages", "elbo, slope, curvature, coupling")


class _Noise:
    """Fixed noise `eps` (s, d), and its products (s, k) that belong to the entries of a scale.

    These are the diagonal of a matrix, or its lower triangle row by row (`entries`), each of which stands for `weight`
    (k,) equal ones.
    """

    def __init__(self, d, pairs, seed, diagonal):
        self.eps = fixed_noise(d, pairs, seed)
        self.entries = (np.arange(d),) * 2 if diagonal else np.tril_indices(d)
        on = self.entries[0] == self.entries[1]
        self.weight = np.where(on, 1.0, 2.0)
        self.products = (self.eps[:, self.entries[0]] * self.eps[:, self.entries[1]] - on) / len(self.eps)


def _averages(density, mu, scale, noise, data):
    step = max(1, PIECE // noise.eps.size)
    pieces = [slice(begin, begin + step) for begin in range(0, len(mu), step)]
    found = [_averages_of_some(density, mu[rows], scale[rows], noise, data[rows]) for rows in pieces]
    return found[0] if len(found) == 1 else _Averages(*[np.concatenate(parts) for parts in zip(*found)])


def _averages_of_some(density, mu, scale, noise, data):
    eps = noise.eps
    logp, grad = density.slopes(mu[:, None] + stretch(eps, scale), data)
    with np.errstate(all="ignore"):
        pulled = (grad * scale[:, None] if scale.ndim == 2 else np.matmul(grad, scale)).transpose(0, 2, 1)
        curvature = -np.matmul(pulled, eps) / len(eps)
        elbo = logp.mean(axis=1) + log_det(scale)
        finite = np.isfinite(elbo) & np.isfinite(curvature).all(axis=(1, 2))
        curvature = np.where(finite[:, None, None], 0.5 * (curvature + curvature.transpose(0, 2, 1)), 0.0)
        elbo = np.where(finite, elbo, -np.inf)
        return _Averages(elbo, pulled.mean(axis=2), curvature, -np.matmul(pulled, noise.products))


class _Steps:
    """Newton steps from a place: where they lead and what they promise, for every data set.

    Attributes
    ----------
    move : ndarray (B, d)
        Of the mean, in units of the scale.
    growth : ndarray (B, d)
        Logarithms that the scale grows by along the columns of `vectors` (B, d, d), or along the axes.
    both : ndarray (B, d + k)
        Of mean and scale as one vector.
    decrement : ndarray (B,)
    """

    def __init__(self, averages, noise, diagonal):
        curvature, slope = averages.curvature, averages.slope
        values, self.vectors = np.linalg.eigh(curvature)
        along = np.einsum("bij,bi->bj", self.vectors, slope)
        self.move = np.einsum("bij,bj->bi", self.vectors, along / np.maximum(np.abs(values), FLATTEST))
        self.noise, self.diagonal = noise, diagonal
        own = np.einsum("bii->bi", curvature) if diagonal else values
        self.growth = -0.5 * np.log(np.clip(own, SMALLEST, LARGEST))
        self.decrement = np.sum(self.move * slope, axis=1) + np.sum(self.growth**2, axis=1)
        near = np.flatnonzero((self.decrement < NEAR) & (values[:, 0] > 0.5 * FIRM))
        if len(near):
            self._joint(near, _Averages(*[part[near] for part in averages]))
        growth = self.growth
        if not diagonal:
            growth = np.matmul(self.vectors * growth[:, None], self.vectors.transpose(0, 2, 1))
            growth = growth[:, noise.entries[0], noise.entries[1]] * np.sqrt(noise.weight)
        self.both = np.hstack([self.move, growth])

    def _joint(self, rows, averages):
        """Near the optimum, the steps of mean and scale together, which converge where one after the other crawls."""
        _, slope, curvature, coupling = averages
        entries, weight = self.noise.entries, self.noise.weight
        own = curvature[:, entries[0], entries[1]]
        lack = (entries[0] == entries[1]) - own
        stiffness = 2.0 * own if self.diagonal else np.full_like(lack, 2.0)
        softened = coupling * (weight / stiffness)[:, None]
        reduced = curvature - np.matmul(softened, coupling.transpose(0, 2, 1))
        firm = np.linalg.eigvalsh(reduced)[:, 0] > FIRM
        rows, slope, lack, coupling, softened = (x[firm] for x in (rows, slope, lack, coupling, softened))
        right = slope - np.einsum("bik,bk->bi", softened, lack)
        move = np.linalg.solve(reduced[firm], right[:, :, None])[:, :, 0]
        growth = (lack - np.einsum("bik,bi->bk", coupling, move)) / stiffness[firm]
        self.decrement[rows] = np.sum(slope * move, axis=1) + np.sum(weight * lack * growth, axis=1)
        self.move[rows] = move
        if not self.diagonal:
            lower = np.zeros_like(curvature[firm])
            lower[:, entries[0], entries[1]] = growth
            growth, self.vectors[rows] = np.linalg.eigh(lower)  # reads the lower triangle
        self.growth[rows] = growth

    def lengths(self, before, length):
        """Parts of these steps to take, after parts `length` (B,) of the steps `before` (B, d + k).

        A step that is followed by a similar one was too short, and one that is followed by its opposite too long.
        """
        with np.errstate(all="ignore"):
            left = np.sum(self.both * before, axis=1) / np.sum(before**2, axis=1)
            found = np.clip(length / np.maximum(1.0 - left, SMALLEST), *LENGTHS)
        return np.where(np.isfinite(found), found, 1.0)

    def at(self, rows, mu, scale, length):
        """(mu, scale) after parts `length` of the steps of `rows`."""
        mu = mu + stretch((length[:, None] * self.move[rows])[:, None], scale)[:, 0]
        growth = np.exp(length[:, None] * self.growth[rows])
        if self.diagonal:
            return mu, scale * growth
        vectors = self.vectors[rows]
        return mu, np.matmul(scale, np.matmul(vectors * growth[:, None], vectors.transpose(0, 2, 1)))


def _triangles(scale):
    """Lower triangular scales of the same covariances, with positive diagonals."""
    triangles = np.array([np.linalg.qr(root.T, mode="r").T for root in scale])
    return triangles * np.where(np.einsum("bii->bi", triangles) < 0, -1.0, 1.0)[:, None]


class NewtonForMany:
    r"""Maximises the ELBO of a Gaussian family for many data sets.

    Every step moves the mean by Newton's method and the scale towards :math:`E_q[-\nabla^2 \log p]^{-1}` along the
    geodesic; expected curvatures come from the gradients by Stein's identity.  Step lengths, convergence and failures
    are each data set's own, and what has converged is no longer evaluated.  All data sets meet the same draws, so that
    no fit depends on the others.  Sets of draws grow fourfold until the means and scales no longer move.

    Parameters
    ----------
    density : BatchDensity
    diagonal : bool
        Mean field (True) or full rank.
    seed : int
        Of the fixed draws.

    References
    ----------
    Khan, Rue: The Bayesian learning rule, JMLR 24(281), 2023, section 4.2.
    """

    def __init__(self, density, diagonal, seed):
        self.density, self.diagonal, self.seed = density, diagonal, int(seed)
        self.rounding = max(ROUNDING, 8 * float(np.finfo(theano.config.floatX).eps))
        self.d = density.d
        first = 2 ** int(np.ceil(np.log2(max(FIRST_PAIRS, 2 * self.d))))
        self.noise = [_Noise(self.d, first * GROWTH**k, self.seed + k, diagonal) for k in range(STAGES)]

    def fit(self, data, start):
        """:class:`Fitted` for :class:`DataSets` `data`, from the point `start` (d,)."""
        found = self._from(data, np.asarray(start, dtype="float64"))
        random = np.random.Generator(np.random.SFC64(self.seed))
        for _ in range(RETRIES):
            left = np.flatnonzero(~found.solved)
            if not len(left):
                break
            other = self._from(data[left], start + random.uniform(-1, 1, self.d))
            better = other.solved | (other.elbo > found.elbo[left])
            for mine, its in zip(found, other):
                mine[left[better]] = its[better]
        return found if self.diagonal else found._replace(scale=_triangles(found.scale))

    def _from(self, data, start):
        count = len(data)
        mu = np.repeat(start[None], count, axis=0)
        scale, finite = self._first_scale(mu, data)
        empty = [np.full(count, v) for v in (-np.inf, np.inf, np.inf, 0, 0, False)]
        result = Fitted(mu, scale, *empty)
        going = np.flatnonzero(finite)
        for k, noise in enumerate(self.noise):
            if not len(going):
                break
            part = data[going]
            before = result.mu[going], std(result.scale[going])
            climbed = self._climb(result.mu[going], result.scale[going], noise, part)
            mu, scale, elbo, decrement, steps = climbed
            solved = decrement < COARSE
            widths = std(scale)
            moved = np.maximum(np.abs(mu - before[0]) / widths, np.abs(np.log(widths / before[1]))).max(axis=1)
            error, steps = moved if k else np.inf, result.steps[going] + steps
            found = Fitted(mu, scale, elbo, decrement, error, steps, len(noise.eps), solved)
            for old, new in zip(result, found):
                old[going] = new
            going = going[solved & ((k == 0) | (moved > ACCURATE))]
        return result

    def _first_scale(self, mu, data):
        """Scales that fit the curvature at `mu` and have finite densities, and for which data sets there are some."""
        noise = self.noise[0]
        tiny = np.maximum(1.0, np.abs(mu)) * np.finfo(theano.config.floatX).eps ** (1 / 3)
        found = _averages(self.density, mu, tiny, noise, data)
        diagonal = np.abs(np.einsum("bii->bi", found.curvature)) / tiny**2
        with np.errstate(all="ignore"):
            widths = TIMID * np.minimum(1 / np.sqrt(np.maximum(diagonal, 1e-12)), 1.0)
        widths = np.where(np.isfinite(found.elbo)[:, None], widths, TIMID)
        left = np.arange(len(mu))
        for _ in range(SHRINKS):
            left = left[~np.isfinite(_averages(self.density, mu[left], widths[left], noise, data[left]).elbo)]
            if not len(left):
                break
            widths[left] *= SHRINK
        scale = widths if self.diagonal else widths[:, :, None] * np.eye(self.d)
        return scale, ~np.isin(np.arange(len(mu)), left)

    def _climb(self, mu, scale, noise, data):
        """Ascend with one set of draws: mu, scale, elbo, decrement and number of steps, each (B, ...)."""
        count = len(mu)
        mu, scale, steps = mu.copy(), scale.copy(), np.zeros(count, dtype=int)
        here = _averages(self.density, mu, scale, noise, data)
        way = _Steps(here, noise, self.diagonal)
        length, trials = np.ones(count), np.zeros(count, dtype=int)
        first = noise is self.noise[0]
        enough = np.full(count, FIRST_TOLERANCE) if first else np.maximum(TOLERANCE, PART * way.decrement)
        going = np.flatnonzero((way.decrement > enough) & np.isfinite(here.elbo))
        while len(going):
            new_mu, new_scale = way.at(going, mu[going], scale[going], length[going])
            new = _averages(self.density, new_mu, new_scale, noise, data[going])
            before = here.elbo[going]
            gain = SUFFICIENT * length[going] * way.decrement[going] - self.rounding * np.abs(before)
            better = np.isfinite(new.elbo) & (new.elbo >= before + gain)
            taken, refused = going[better], going[~better]
            if len(taken):
                mu[taken], scale[taken] = new_mu[better], new_scale[better]
                for old, value in zip(here, new):
                    old[taken] = value[better]
                onward = _Steps(_Averages(*[value[better] for value in new]), noise, self.diagonal)
                length[taken], trials[taken] = onward.lengths(way.both[taken], length[taken]), 0
                for name in ("vectors", "move", "growth", "both", "decrement"):
                    getattr(way, name)[taken] = getattr(onward, name)
                steps[taken] += 1
            length[refused] *= SHRINK
            trials[refused] += 1
            going = going[
                (way.decrement[going] > enough[going]) & (trials[going] < TRIALS) & (steps[going] < ITERATIONS)
            ]
        return mu, scale, here.elbo, np.where(np.isfinite(here.elbo), way.decrement, np.inf), steps
