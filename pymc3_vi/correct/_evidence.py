"""Log evidence by bridge sampling between the chains' draws and Gaussians fitted to them."""

import numpy as np
from scipy import linalg, special

__all__ = ["log_evidence", "bridge", "GaussianMixture"]

#: Draws of each kind in one of the two estimates, at most.
DRAWS = 8192
#: Draws per dimension from which a full covariance is estimated.
PER_DIMENSION = 5
#: Relative change at which the iteration stops, and its most steps.
STEADY, ITERATIONS = 1e-10, 1000


class GaussianMixture:
    """Mixture of Gaussians with given means, covariances and weights.

    Parameters
    ----------
    weights : ndarray (k,)
    means : list of ndarray (d,)
    roots : list of ndarray (d, d) or (d,)
        Lower Cholesky factors of the covariances, or standard deviations.
    """

    def __init__(self, weights, means, roots):
        self.weights, self.means, self.roots = np.asarray(weights), means, roots

    @classmethod
    def fitted(cls, groups):
        """One Gaussian for each array (n, d) of `groups`, with weights in proportion to n."""
        total = sum(len(z) for z in groups)
        roots = []
        for z in groups:
            sd = z.std(axis=0)
            if len(z) < PER_DIMENSION * z.shape[1]:
                roots.append(sd)
                continue
            # Scaled first: units must not decide what is singular.
            cov = np.cov((z / sd).T).reshape(z.shape[1], z.shape[1]) + 1e-9 * np.eye(z.shape[1])
            roots.append(sd[:, None] * linalg.cholesky(cov, lower=True))
        return cls([len(z) / total for z in groups], [z.mean(axis=0) for z in groups], roots)

    def sample(self, count, generator):
        """Draws (count, d)."""
        member = generator.choice(len(self.weights), size=count, p=self.weights)
        eps = generator.standard_normal((count, len(self.means[0])))
        z = np.empty_like(eps)
        for k, (mean, root) in enumerate(zip(self.means, self.roots)):
            mine = member == k
            z[mine] = mean + (eps[mine] @ root.T if root.ndim == 2 else eps[mine] * root)
        return z

    def logpdf(self, z):
        """Log density (s,)."""
        parts = []
        for weight, mean, root in zip(self.weights, self.means, self.roots):
            away = z - mean
            if root.ndim == 2:
                eps, scale = linalg.solve_triangular(root, away.T, lower=True).T, np.diag(root)
            else:
                eps, scale = away / root, root
            constant = np.log(weight) - np.sum(np.log(scale)) - 0.5 * z.shape[1] * np.log(2 * np.pi)
            parts.append(constant - 0.5 * np.einsum("sd,sd->s", eps, eps))
        return special.logsumexp(parts, axis=0)


def bridge(at_draws, at_proposals, chains, worth):
    r"""Log of the ratio of normalising constants of p and g, and its standard error.

    .. math:: r = \frac{\frac1m \sum_j \frac{l(y_j)}{s_1 l(y_j) + s_2 r}}{\frac1n \sum_i \frac{1}{s_1 l(z_i) + s_2 r}},
              \qquad l = p / g

    with z from p and y from g; the fixed point is the estimator of least error for independent draws.

    Parameters
    ----------
    at_draws, at_proposals : ndarray (n,), (m,)
        log p - log g at draws from p and from g.
    chains : ndarray (n,) of int
        Draws from p of different chains are independent.
    worth : float
        Effective number of the draws from p.

    References
    ----------
    Meng, Wong: Simulating Ratios of Normalizing Constants via a Simple Identity, Statistica Sinica 6, 1996, eq. 4.1.
    Gronau et al.: A Tutorial on Bridge Sampling, Journal of Mathematical Psychology 81, 2017, eq. 14 and appendix B.
    """
    shift = float(np.median(at_draws))
    upper = np.exp(np.minimum(at_proposals - shift, 700.0))
    lower = np.exp(np.clip(at_draws - shift, -700.0, 700.0))
    share = worth / (worth + len(at_proposals))
    ratio = 1.0
    for _ in range(ITERATIONS):
        top = upper / (share * upper + (1 - share) * ratio)
        bottom = 1.0 / (share * lower + (1 - share) * ratio)
        new = top.mean() / bottom.mean()
        steady = abs(new / ratio - 1) < STEADY
        ratio = new
        if steady or not 0 < ratio < np.inf:
            break
    sums = np.bincount(chains, weights=bottom / bottom.mean() - 1)
    error = np.sqrt(np.var(top) / top.mean() ** 2 / len(top) + np.sum(sums**2) / len(bottom) ** 2)
    return float(np.log(ratio) + shift), float(error)


def log_evidence(run, slopes, generator, basins=None):
    """Log evidence and its standard error from a :class:`Run`.

    Proposals are fitted to the draws of one half of the chains and compared with those of the other half, then the
    other way round, so that no draw is compared with what was fitted to it; the answer is the mean of the two.

    Parameters
    ----------
    run : Run
    slopes : callable
    generator : numpy.random.Generator
    basins : ndarray (c,) of int, optional
        Basin that each chain is in, each of which gets a Gaussian of its own.

    Returns
    -------
    value, error : float
    """
    n, c, d = run.draws.shape
    basins = np.zeros(c, dtype=int) if basins is None else basins
    half = np.arange(c) % 2
    found = [
        _half(run, basins, np.flatnonzero(half == k), np.flatnonzero(half != k), slopes, generator) for k in (0, 1)
    ]
    (a, error_a), (b, error_b) = found
    # The two estimates share all draws, in exchanged roles, so they are not taken for independent.
    return 0.5 * (a + b), float(max(0.5 * (error_a + error_b), 0.5 * abs(a - b)))


def _half(run, basins, fitted, compared, slopes, generator):
    d = run.draws.shape[-1]
    groups = [run.draws[:, fitted[basins[fitted] == k]].reshape(-1, d) for k in np.unique(basins[fitted])]
    proposal = GaussianMixture.fitted(groups)
    stride = max(1, -(-len(run.draws) * len(compared) // DRAWS))
    z = run.draws[::stride, compared]
    logp = run.logp[::stride, compared].reshape(-1)
    chains = np.tile(np.arange(len(compared)), len(z))
    at_draws = logp - proposal.logpdf(z.reshape(-1, d))
    y = proposal.sample(len(at_draws), generator)
    logp = slopes(y)[0]
    at_proposals = np.where(np.isfinite(logp), logp, -np.inf) - proposal.logpdf(y)
    spread = np.bincount(chains, weights=at_draws - at_draws.mean())
    worth = len(at_draws) * min(1.0, np.var(at_draws) * len(at_draws) / max(np.sum(spread**2), 1e-300))
    return bridge(at_draws, at_proposals, chains, max(worth, 1.0))
