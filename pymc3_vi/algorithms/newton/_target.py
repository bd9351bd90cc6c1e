"""Losses and gradients of log p at the draws of q, many rows a call."""

import numpy as np
import theano

from ...graph import shared_inputs

__all__ = ["DrawTarget", "Evaluation"]

LOG_2PI = float(np.log(2 * np.pi))
#: Gradients beyond this are as good as infinite: products of two of them would overflow.
LARGEST_GRADIENT = 1e100


class Evaluation:
    """Values at draws of q.

    Attributes
    ----------
    elbo : float
        Fixed-draw estimate, with the entropy in closed form.
    grad : ndarray (m, d)
        Gradients of the log density at every draw.
    losses : ndarray
        Loss of every row.
    finite : bool
    """

    def __init__(self, elbo, grad, losses):
        self.elbo, self.grad, self.losses = elbo, grad, losses
        with np.errstate(invalid="ignore"):
            self.finite = bool(np.isfinite(elbo) and np.all(np.abs(grad) < LARGEST_GRADIENT))


class DrawTarget:
    r"""Evaluates :math:`\log p` and its gradient at draws :math:`z = \mu + S \epsilon` for given noise.

    A row is one step: it has `n_mc` draws and one loss.  Rows of a batch are asked for a few at a time, and are
    evaluated ahead as long as that takes no time to speak of, so that callbacks between them cost nothing.

    Parameters
    ----------
    density : PointDensity or RowDensity
        Of the prior to the power of `beta`, and the data.
    blocks : GaussianBlocks
    n_mc : int
    beta : float
        Weight of the prior and of the entropy.

    Attributes
    ----------
    evaluations : int
        Draws evaluated so far.
    position : int
        Row that runs next.
    """

    def __init__(self, density, blocks, n_mc=1, beta=1.0):
        self.density, self.blocks = density, blocks
        self.n_mc, self.beta = int(n_mc), float(beta)
        self.evaluations = self.position = 0

    # ---------------------------------------------------------------- rows as they stand
    def load(self, mu, scale, eps):
        """Use draws with the noise `eps` (rows * n_mc, d); the next row to run is the first."""
        self._eps, self._scale = eps, scale
        self._points = self._draws(mu, scale, eps)
        self._logp, self._grad = np.full(len(eps), np.nan), np.zeros(eps.shape)
        self.position = self._known = 0

    def _draws(self, mu, scale, eps):
        with np.errstate(over="ignore", invalid="ignore"):
            return mu + self.blocks.stretch(eps, scale)

    def advance(self, count):
        """Run `count` rows; one at which an Op has no value gets NaN for its loss and gradients."""
        end = self.position + count
        if end > self._known:
            # Whole pieces, whenever they are asked for: rounding depends on which rows are evaluated together.
            piece = max(self.density.points_at_once // self.n_mc, 1)
            known = min(-(-end // piece) * piece, len(self._eps) // self.n_mc)
            for begin in range(self._known // piece * piece, known, piece):
                old = max(self._known - begin, 0) * self.n_mc
                rows = slice(begin * self.n_mc + old, min(begin + piece, known) * self.n_mc)
                logp, grad = self.density.slopes(self._points[begin * self.n_mc : rows.stop])
                self._logp[rows], self._grad[rows] = logp[old:], grad[old:]
            self._known = known
        self.evaluations += count * self.n_mc
        self.position = end

    def forget_what_is_ahead(self):
        """The log density may have changed: evaluate the rows that have not run again."""
        self._known = self.position

    def noise_at(self, row):
        """Base noise of a row, one array per group."""
        eps = self._eps[row] if self.n_mc == 1 else self._eps[row * self.n_mc : (row + 1) * self.n_mc]
        return [eps[..., part] for part in self.blocks.slices]

    def losses(self, begin, end):
        """Losses of rows that have run."""
        rows = slice(begin * self.n_mc, end * self.n_mc)
        return self._losses(self._logp[rows], self._scale, self._eps[rows])

    def _losses(self, logp, scale, eps):
        with np.errstate(invalid="ignore", over="ignore"):
            logq = -0.5 * (np.einsum("md,md->m", eps, eps) + self.blocks.d * LOG_2PI) - self.blocks.log_det(scale)
            return (self.beta * logq - logp).reshape(-1, self.n_mc).mean(axis=1)

    def gradients(self):
        """(rows * n_mc, d) gradients of log p over the entropy's weight, of all rows."""
        return self._grad / self.beta

    # ---------------------------------------------------------------- any place, any noise
    def evaluate(self, mu, scale, eps):
        """:class:`Evaluation` of q = N(mu, S S^T) at the noise `eps` (m, d); m is rounded up to whole rows."""
        extra = -len(eps) % self.n_mc
        padded = np.resize(eps, (len(eps) + extra, self.blocks.d)) if extra else eps  # repeats from the beginning
        self._eps = padded
        logp, grad = self.density.slopes(self._draws(mu, scale, padded))
        self.evaluations += len(padded)
        losses = self._losses(logp, scale, padded)
        with np.errstate(invalid="ignore", over="ignore"):
            entropy = self.blocks.log_det(scale) + 0.5 * self.blocks.d * (1 + LOG_2PI)
            elbo = float(np.mean(logp)) / self.beta + entropy
        return Evaluation(elbo, grad[: len(eps)] / self.beta, losses)


def changes_between_calls(nodes):
    """Names of inputs of graphs that change by themselves: random streams, minibatches, generators."""
    found = [v.name or str(v) for v in shared_inputs(nodes) if getattr(v, "default_update", None) is not None]
    applies = [v.owner for v in theano.graph.basic.ancestors(nodes) if v.owner is not None]
    return found + [str(node.op) for node in applies if hasattr(node.op, "generator")]
