"""Whether many short chains have arrived, and how large the error of their averages is."""

import numpy as np

__all__ = ["nested_rhat", "Errors", "chain_errors", "tail_error", "tail_shape"]


def nested_rhat(draws, superchains):
    r"""Nested R-hat of many short chains in superchains, whose chains begin at the same point.

    .. math:: \sqrt{1 + \hat B / \hat W}, \qquad
              \hat B = \operatorname{var}_k \bar z_{\cdot\cdot k}, \quad
              \hat W = \tfrac1K \sum_k \left(\operatorname{var}_m \bar z_{\cdot m k}
                       + \tfrac1M \sum_m \operatorname{var}_n z_{n m k}\right)

    Parameters
    ----------
    draws : ndarray (n, c, ...)
        Sweeps and chains; chains of a superchain are next to each other.
    superchains : int
        A divisor of c.

    Returns
    -------
    ndarray (...)
        1 where nothing remains of where the chains began.

    References
    ----------
    Margossian, Hoffman, Sountsov, Riou-Durand, Vehtari, Gelman: Nested R-hat: Assessing the Convergence of Markov Chain
    Monte Carlo When Running Many Short Chains, Bayesian Analysis 2024, section 2.
    """
    n, c = draws.shape[:2]
    nested = draws.reshape((n, superchains, c // superchains) + draws.shape[2:])
    by_chain = nested.mean(axis=0)
    between = by_chain.mean(axis=1).var(axis=0, ddof=1)
    within = np.zeros_like(between)
    if c > superchains:
        within = within + by_chain.var(axis=1, ddof=1).mean(axis=0)
    if n > 1:
        within = within + nested.var(axis=0, ddof=1).mean(axis=(0, 1))
    return np.sqrt(1.0 + between / np.maximum(within, np.finfo("float64").tiny))


class Errors:
    """Means and standard deviations over all chains with their Monte Carlo errors.

    Attributes
    ----------
    mean, sd : ndarray (...)
    mean_error, sd_error : ndarray (...)
        In the units of the draws.
    drift : ndarray (...)
        Change of the mean from the first half of the sweeps to the second, in sds, and
    drift_score : ndarray (...)
        the same in its standard errors.
    tails : ndarray (...)
        Shape k of the tails of squared distances from the mean: from 1/2 on the error of the sd is not defined.
    """

    def __init__(self, mean, sd, mean_error, sd_error, drift, drift_score, tails):
        self.mean, self.sd, self.mean_error, self.sd_error = mean, sd, mean_error, sd_error
        self.drift, self.drift_score, self.tails = drift, drift_score, tails


def chain_errors(draws):
    r"""``Errors`` from draws (n, c, ...) of c chains that do not depend on each other.

    The standard error of an average of f is that of the mean of c independent numbers, the chains' averages, whatever
    the autocorrelation inside of a chain:

    .. math:: \mathrm{se}^2 = \frac{1}{c (c - 1)} \sum_m (\bar f_m - \bar f)^2

    and that of the standard deviation comes from f = (z - mean)^2 by the delta method.
    """
    n, c = draws.shape[:2]
    tiny = np.finfo("float64").tiny
    mean = draws.mean(axis=(0, 1))
    squares = (draws - mean) ** 2
    sd = np.sqrt(np.maximum(squares.mean(axis=(0, 1)), tiny))
    mean_error = _error(draws.mean(axis=0))
    sd_error = _error(squares.mean(axis=0)) / (2 * sd)
    tails = tail_shape(squares.reshape((n * c,) + squares.shape[2:]))
    if n < 2:
        return Errors(mean, sd, mean_error, sd_error, np.zeros_like(mean), np.zeros_like(mean), tails)
    change = draws[n // 2 :].mean(axis=0) - draws[: n // 2].mean(axis=0)
    drift = change.mean(axis=0)
    score = np.abs(drift) / np.maximum(_error(change), tiny)
    return Errors(mean, sd, mean_error, sd_error, np.abs(drift) / sd, score, tails)


def tail_shape(values):
    r"""Shape k of the upper tails of positive `values` (n, ...): moments of order 1 / k and above do not exist.

    .. math:: \hat k = M_1 + 1 - \tfrac12 \left(1 - M_1^2 / M_2\right)^{-1}, \qquad
              M_r = \tfrac1m \sum_{i \le m} \left(\log x_{(i)} - \log x_{(m + 1)}\right)^r

    over the largest :math:`m = 3 \sqrt n` values, at most a fifth.

    References
    ----------
    Dekkers, Einmahl, de Haan: A Moment Estimator for the Index of an Extreme-Value Distribution, Annals of Statistics
    17, 1989.
    """
    n = len(values)
    m = _tail_length(n)
    if m < 5:
        return np.zeros(values.shape[1:])
    largest = np.partition(values, n - m - 1, axis=0)[n - m - 1 :]
    with np.errstate(all="ignore"):  # all values may be the same
        logs = np.log(largest[1:] / largest[0])
        first, second = logs.mean(axis=0), np.mean(logs**2, axis=0)
        shape = first + 1 - 0.5 / (1 - first**2 / second)
    return np.where(np.isfinite(shape), shape, 0.0)


def tail_error(n):
    """Standard error of :func:`tail_shape` from `n` independent values, for a shape near 0."""
    return 1 / np.sqrt(max(_tail_length(n), 1))


def _tail_length(n):
    return int(min(3 * np.sqrt(n), n / 5))


def _error(by_chain):
    return by_chain.std(axis=0, ddof=1) / np.sqrt(len(by_chain))
