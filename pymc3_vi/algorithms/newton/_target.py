"""The compiled part: losses and gradients of log p at the draws of q, many rows a call."""

from collections import OrderedDict

import numpy as np
import theano
import theano.tensor as tt

from ...compiler import compile_function, release_memory, without_test_values
from ...core import Terms
from ...graph import floatx, shared_inputs, substitute
from ...steps import run_rows

__all__ = ["DrawTarget", "Evaluation"]

LOG_2PI = float(np.log(2 * np.pi))

#: Largest number of base noise values that one call holds.
LARGEST_BLOCK = 2**21
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
    r"""Evaluates :math:`\log p` and its gradient at :math:`z = \mu + S \epsilon` for given rows of noise.

    A row is one step: it has `n_mc` draws and one loss.  Parameters of q are read from the approximation's shared
    variables and stay as they are; losses and gradients of all rows come back in arrays, so that whoever uses them
    can do in NumPy what would be a new graph otherwise.

    Parameters
    ----------
    objective : ObjectiveFunction
        Of the operator KL.
    blocks : GaussianBlocks
    n_mc : int
    more_replacements : dict, optional
    fn_kwargs : dict, optional
    whole_data : dict, optional
        Minibatch variables and all their rows.

    Attributes
    ----------
    evaluations : int
        Draws evaluated so far.
    """

    @without_test_values
    def __init__(self, objective, blocks, n_mc=1, more_replacements=None, fn_kwargs=None, whole_data=None):
        approx, op = objective.approx, objective.op
        self.blocks, self.n_mc = blocks, int(n_mc)
        self.evaluations = 0
        lead = () if self.n_mc == 1 else (self.n_mc,)
        dtype = theano.config.floatX
        self.counter = theano.shared(np.int64(0), "row")
        self._noise, rows = [], []
        for group in approx.groups:
            block = theano.shared(np.zeros((1,) + lead + (group.ddim,), dtype=dtype), "noise_rows")
            self._noise.append(block)
            rows.append(tt.patternbroadcast(block[self.counter], (False,) * (1 + len(lead))))
        # Gradients are taken with respect to placeholders of the draws; log q is a function of the noise.
        draws = [row.clone() for row in rows]
        logp = substitute(approx.view.logp(), whole_data)
        values = approx.evaluate(logp, draws, self.n_mc > 1, n=self.n_mc)
        logq = tt.add(*[g.log_density(e) for g, e in zip(approx.groups, rows)])
        terms = Terms(draws, values[0], values[1], logq, None, self.n_mc > 1)
        loss, slopes = objective.loss_and_gradients(terms, terms, draws, None)
        nodes = substitute([loss] + slopes, {d: g.transform(e) for g, d, e in zip(approx.groups, draws, rows)})
        loss, *slopes = substitute(nodes, more_replacements)
        self._losses = theano.shared(np.zeros(1), "losses")
        self._slopes = [theano.shared(np.zeros((1,) + lead + (g.ddim,), dtype=dtype), "slopes") for g in approx.groups]
        updates = OrderedDict()
        updates[self._losses] = tt.set_subtensor(self._losses[self.counter], tt.cast(loss, "float64"))
        for shared, slope in zip(self._slopes, slopes):
            updates[shared] = tt.set_subtensor(shared[self.counter], floatx(slope))
        updates[self.counter] = self.counter + 1
        self.function = compile_function([], None, updates=updates, name="draws", stable=True, **dict(fn_kwargs or {}))
        #: Weight of the entropy in the objective; the log density below is divided by it.
        self.weight = float(op.beta)

    @property
    def profile(self):
        """Theano's profile, when compiled with ``profile=True``."""
        return self.function.profile

    @property
    def noise_blocks(self):
        """Shared arrays of base noise, one per group."""
        return self._noise

    # ---------------------------------------------------------------- rows as they stand
    def load(self, eps):
        """Use `eps` (rows * n_mc, d) as noise; the next row to run is the first."""
        count = len(eps) // self.n_mc
        lead = (count,) if self.n_mc == 1 else (count, self.n_mc)
        for shared, slopes, part in zip(self._noise, self._slopes, self.blocks.slices):
            value = np.ascontiguousarray(eps[:, part].reshape(lead + (-1,)), dtype=shared.dtype)
            shared.set_value(value, borrow=True)
            if len(slopes.get_value(borrow=True)) != count:
                slopes.set_value(np.zeros_like(value), borrow=True)
        if len(self._losses.get_value(borrow=True)) != count:
            self._losses.set_value(np.zeros(count), borrow=True)
        self.counter.set_value(np.int64(0))

    @property
    def position(self):
        """Row that runs next."""
        return int(self.counter.get_value())

    def advance(self, count):
        """Run `count` rows; one at which an Op has no value gets NaN for its loss and gradients."""
        self.evaluations += count * self.n_mc
        run_rows(self.function, self.counter, [self._losses] + self._slopes, count)

    def release(self):
        """Free the memory that runs keep for each other."""
        release_memory(self.function)

    def losses(self, begin, end):
        """Losses of rows that have run."""
        return np.array(self._losses.get_value(borrow=True)[begin:end])

    def gradients(self):
        """(rows * n_mc, d) gradients of log p over the entropy's weight, of all rows."""
        out = [
            np.asarray(s.get_value(borrow=True), dtype="float64").reshape(-1, part.stop - part.start)
            for s, part in zip(self._slopes, self.blocks.slices)
        ]
        joined = out[0] if len(out) == 1 else np.concatenate(out, axis=1)
        return joined * (-self.n_mc / self.weight)

    # ---------------------------------------------------------------- any place, any noise
    def evaluate(self, mu, scale, eps):
        """:class:`Evaluation` of q = N(mu, S S^T) at the noise `eps` (m, d); m is rounded up to whole rows."""
        extra = -len(eps) % self.n_mc
        padded = np.resize(eps, (len(eps) + extra, self.blocks.d)) if extra else eps  # repeats from the beginning
        self.blocks.write(mu, scale)
        losses, grads = [], []
        rows = max(LARGEST_BLOCK // max(self.blocks.d * self.n_mc, 1), 1) * self.n_mc
        for begin in range(0, len(padded), rows):
            part = padded[begin : begin + rows]
            self.load(part)
            self.advance(len(part) // self.n_mc)
            losses.append(self.losses(0, len(part) // self.n_mc))
            grads.append(self.gradients())
        losses, grad = np.concatenate(losses), np.concatenate(grads)[: len(eps)]
        # loss = -log p + weight * log q with log q = -|eps|^2 / 2 - log det - d / 2 log 2 pi
        squares = float(np.mean(np.sum(padded**2, axis=1)))
        with np.errstate(invalid="ignore", over="ignore"):
            elbo = -float(np.mean(losses)) / self.weight + 0.5 * (self.blocks.d - squares)
        return Evaluation(elbo, grad, losses)


def changes_between_calls(nodes):
    """Names of inputs of graphs that change by themselves: random streams, minibatches, generators."""
    found = [v.name or str(v) for v in shared_inputs(nodes) if getattr(v, "default_update", None) is not None]
    applies = [v.owner for v in theano.graph.basic.ancestors(nodes) if v.owner is not None]
    return found + [str(node.op) for node in applies if hasattr(node.op, "generator")]
