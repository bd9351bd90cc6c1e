"""Pareto-smoothed importance weights of draws from an approximation."""

import arviz as az
import numpy as np
from scipy import special

from ..errors import VariationalInferenceError

__all__ = ["ImportanceWeights", "khat_threshold", "nearly_equal"]

#: Weights are nearly equal when at least this share of the draws is effective and none has more than that share of the
#: weight: one draw, five standard deviations out, then moves a mean by a tenth of one at most.
EQUAL_ESS, LARGEST_SHARE = 0.7, 0.02


def khat_threshold(draws):
    r"""Largest k-hat with which `draws` draws give reliable importance-sampling estimates.

    .. math:: \min(1 - 1 / \log_{10} S,\; 0.7)

    References
    ----------
    Vehtari, Simpson, Gelman, Yao, Gabry: Pareto Smoothed Importance Sampling, JMLR 25(72), 2024, section 3.2.4.
    """
    return min(1.0 - 1.0 / np.log10(draws), 0.7)


def nearly_equal(weights):
    """Whether normalised `weights` (..., s) are nearly equal, so that their tail has little to say; (...)."""
    weights = np.asarray(weights)
    ess = 1.0 / np.sum(weights**2, axis=-1)
    return (ess >= EQUAL_ESS * weights.shape[-1]) & (weights.max(axis=-1) <= LARGEST_SHARE)


class ImportanceWeights:
    r"""Weights that turn draws from q into draws from p, smoothed in their tail.

    .. math:: \log w_s = \log p(z_s, D) - \log q(z_s)

    Parameters
    ----------
    log_weights : ndarray (s,)
        Raw log weights; -inf for draws that p does not allow.

    Attributes
    ----------
    khat : float
        Shape of the generalised Pareto distribution of the largest weights: 1 / khat is the number of moments that
        the weights have.  -inf when all weights are equal.
    weights : ndarray (s,)
        Smoothed weights, with sum 1.
    log_z : float
        Estimate of log p(D), the logarithm of the mean smoothed weight.
    log_z_error : float
        Its standard error.
    ess : float
        Effective sample size of the weights, :math:`1 / \sum_s w_s^2`.

    References
    ----------
    Vehtari et al.: Pareto Smoothed Importance Sampling, JMLR 25(72), 2024.  Yao, Vehtari, Simpson, Gelman: Yes, but
    Did It Work? Evaluating Variational Inference, ICML 2018, section 3.1.
    """

    def __init__(self, log_weights):
        raw = np.array(log_weights, dtype="float64")
        if not np.isfinite(raw).any() or np.isposinf(raw).any() or np.isnan(raw).any():
            raise VariationalInferenceError(
                "Importance weights are defined only if log p is finite at some draws and log p - log q is nowhere "
                "infinite or NaN. The approximation lies where the model has no density; fit again from another start."
            )
        self.raw = raw
        smoothed, self.khat = self._smooth(raw)
        top = smoothed.max()
        total = np.exp(smoothed - top).sum()
        self.weights = np.exp(smoothed - top) / total
        self.log_z = float(top + np.log(total) - np.log(len(raw)))
        self.ess = float(1.0 / np.sum(self.weights**2))
        self.log_z_error = float(np.sqrt(max(1.0 / self.ess - 1.0 / len(raw), 0.0)))

    @staticmethod
    def _smooth(raw):
        """Smoothed log weights on the scale of the raw ones, and k-hat."""
        finite = raw[np.isfinite(raw)]
        # Equal up to rounding of log p and log q: there is no tail to fit.
        if len(finite) == len(raw) and np.ptp(finite) <= 1e-9 * max(1.0, np.abs(finite).max()):
            return raw, -np.inf
        normalised, khat = az.psislw(raw.copy())
        # Smoothing leaves the body alone, so its smallest weight tells what normalising subtracted.  The tail holds
        # at most a fifth of the draws; if no more of them are possible, there is no body.
        if 4 * len(finite) > len(raw):
            lowest = int(np.argmin(np.where(np.isfinite(raw), raw, np.inf)))
            return normalised + (raw[lowest] - normalised[lowest]), float(khat)
        return normalised + special.logsumexp(finite), float(khat)

    @property
    def khat_error(self):
        r"""Standard error of k-hat, :math:`(1 + \hat k) / \sqrt M` with M weights in the tail; 0 where there is none.

        References
        ----------
        Smith: Estimating Tails of Probability Distributions, Annals of Statistics 15(3), 1987, section 3.
        """
        if not np.isfinite(self.khat):
            return 0.0
        tail = min(len(self.raw) / 5, 3 * np.sqrt(len(self.raw)))
        return float(max(1.0 + self.khat, 0.5) / np.sqrt(tail))

    @property
    def threshold(self):
        """:func:`khat_threshold` for this number of draws."""
        return khat_threshold(len(self.weights))

    @property
    def reliable(self):
        """Whether k-hat is below its threshold."""
        return self.khat < self.threshold

    @property
    def nearly_equal(self):
        """Whether the weights are so nearly equal that their tail has little to say."""
        return bool(nearly_equal(self.weights))

    def resample(self, size, generator):
        """Indices (size,) of draws picked with probability equal to their weights, in random order.

        Systematic resampling: draw s is picked :math:`n w_s` times, rounded up or down.

        References
        ----------
        Kitagawa: Monte Carlo Filter and Smoother for Non-Gaussian Nonlinear State Space Models, Journal of
        Computational and Graphical Statistics 5(1), 1996, appendix.
        """
        points = (np.arange(size) + generator.random()) / size
        index = np.searchsorted(np.cumsum(self.weights), points)
        return generator.permutation(np.minimum(index, len(self.weights) - 1))

    def mean(self, values):
        r"""Weighted mean of `values` (s, ...) and its standard error.

        .. math:: \hat\mu = \sum_s w_s f_s, \qquad
                  \mathrm{se}^2 = \sum_s w_s^2 (f_s - \hat\mu)^2
        """
        values = np.asarray(values, dtype="float64")
        mean = np.tensordot(self.weights, values, axes=1)
        error = np.sqrt(np.tensordot(self.weights**2, (values - mean) ** 2, axes=1))
        return mean, error
