"""Default fits in more dimensions than dense curvature is affordable in for mean field: exact optima of a latent walk.

Counts y_t ~ Poisson(exp x_t) on a Gaussian walk with precision Q.  At the optimum of a Gaussian family

    Q mu = y - r,   r_t = exp(mu_t + S_tt / 2),   S = (Q + diag r)^-1   (mean field: S_tt = 1 / (Q_tt + r_t)).
"""

import pymc3_vi
from pymc3_vi.errors import ConvergenceWarning

import numpy as np
import pymc3 as pm
import pytest
import theano.tensor as tt
from scipy import optimize

D, MANY = 240, 640


class Walk:
    """Counts on a walk whose steps have standard deviation `step`: the smaller, the more correlated the posterior."""

    def __init__(self, step, d=D):
        self.d = d
        random = np.random.RandomState(8)
        self.counts = random.poisson(np.exp(1.0 + np.cumsum(step * random.standard_normal(d)))).astype(float)
        difference = np.eye(d) - np.eye(d, k=-1)
        weights = np.full(d, step**-2.0)
        weights[0] = 1.0  # x_0 ~ N(0, 1)
        self.precision = difference.T.dot(weights[:, None] * difference)
        with pymc3_vi.fast_build(), pm.Model() as self.model:
            x = pm.Flat("x", shape=d)
            pm.Potential("walk", -0.5 * x[0] ** 2 - 0.5 * tt.sum(tt.sqr((x[1:] - x[:-1]) / step)))
            pm.Poisson("counts", tt.exp(x), observed=self.counts)

    def optimum(self, variances):
        """mu and variances that agree with each other; ``variances(Q, r)`` are those of the family for rates r."""
        q, y = self.precision, self.counts
        mu, v = np.log(y + 1), np.full(self.d, 0.1)
        for _ in range(200):
            found = optimize.root(
                lambda m, v=v: q.dot(m) - y + np.exp(m + v / 2), mu, jac=lambda m, v=v: q + np.diag(np.exp(m + v / 2))
            )
            mu, before, v = found.x, v, variances(q, np.exp(found.x + v / 2))
            if np.abs(v / before - 1).max() < 1e-10:
                return mu, v
        raise AssertionError("the conditions of the optimum were not solved")


def mean_field(q, r):
    return 1 / (np.diag(q) + r)


def full_rank(q, r):
    return np.diag(np.linalg.inv(q + np.diag(r)))


@pytest.mark.parametrize(
    "step, method, variances, mean_error, d",
    [
        (0.15, "advi", mean_field, 0.02, D),
        (0.05, "advi", mean_field, 0.1, D),
        (0.15, "fullrank_advi", full_rank, 0.02, D),
        pytest.param(0.15, "fullrank_advi", full_rank, 0.02, MANY, marks=pytest.mark.slow),
    ],
    ids=["mean_field", "mean_field_of_the_strongly_correlated", "full_rank", "full_rank_of_many"],
)
def test_the_optimum_is_reached(step, method, variances, mean_error, d):
    n = 2000
    walk = Walk(step, d)
    mu, v = walk.optimum(variances)
    approx = pymc3_vi.fit(n, method=method, model=walk.model, random_seed=1, progressbar=False)
    np.testing.assert_allclose((approx.mean.eval() - mu) / np.sqrt(v), 0, atol=mean_error)
    # n draws tell a standard deviation to 1 / sqrt(2 n).
    error = (approx.std.eval() / np.sqrt(v) - 1) * np.sqrt(2 * n)
    assert np.abs(error).max() < 4.5 and np.sqrt(np.mean(error**2)) < 1.5


def test_beyond_that_full_rank_is_the_optimum_of_mean_field_and_says_so():
    """A Gaussian walk around 2, whose precision is tridiagonal with 5 on the diagonal, 3 at the end."""
    d = 1100
    with pymc3_vi.fast_build(), pm.Model() as model:
        x = pm.Flat("x", shape=d) - 2
        pm.Potential("walk", -0.5 * tt.sum(tt.sqr(x)) - tt.sum(tt.sqr(x[1:] - x[:-1])) - tt.sqr(x[0]))
    inference = pymc3_vi.FullRankADVI(model=model, random_seed=1)
    with pytest.warns(ConvergenceWarning, match="(?s)1,100 values.*at most 1,024.*optimum of mean field.*group"):
        approx = inference.fit(2000, progressbar=False)
    precision = np.full(d, 5.0)
    precision[-1] = 3.0
    np.testing.assert_allclose(approx.std.eval() * np.sqrt(precision), 1, atol=4.5 / np.sqrt(2 * 2000))
    np.testing.assert_allclose((approx.mean.eval() - 2) * np.sqrt(precision), 0, atol=0.02)
    # Correlations that were found in another way are not given up for it.
    entries = approx.groups[0].shared_params["L_tril"]
    values = entries.get_value()
    values[1] = 0.1
    entries.set_value(values)
    inference.fit(2, progressbar=False)
    assert np.count_nonzero(entries.get_value()) > d


def test_a_small_full_rank_group_beside_many_values_finds_its_correlations(recwarn):
    """What the warning above advises."""
    cov = np.array([[1.0, 1.6], [1.6, 4.0]])
    with pymc3_vi.fast_build(), pm.Model():
        a, b = pm.Flat("a", shape=2), pm.Normal("b", 0.0, 1.0, shape=1100)
        pm.Potential("target", -0.5 * tt.dot(a - 1, tt.dot(np.linalg.inv(cov), a - 1)))
        groups = [pymc3_vi.Group([a], vfam="fr", random_seed=1), pymc3_vi.Group([b], vfam="mf")]
        approx = pymc3_vi.KLqp(pymc3_vi.Approximation(groups)).fit(progressbar=False)
    assert not [w for w in recwarn if issubclass(w.category, ConvergenceWarning)]
    sd = np.array([1.0, 2.0])
    np.testing.assert_allclose((approx.groups[0].mean.eval() - 1) / sd, 0, atol=0.02)
    np.testing.assert_allclose(approx.groups[0].cov.eval() / np.outer(sd, sd), cov / np.outer(sd, sd), atol=0.05)


def test_dadvi_reaches_the_optimum_of_full_rank():
    walk = Walk(0.15)
    mu, v = walk.optimum(full_rank)
    approx = pymc3_vi.DADVI(pymc3_vi.FullRank(model=walk.model, random_seed=1)).fit(tol=None, progressbar=False)
    # The error of the 1,920 fixed draws is below 0.003 sd.
    np.testing.assert_allclose((approx.mean.eval() - mu) / np.sqrt(v), 0, atol=0.01)
    np.testing.assert_allclose(approx.std.eval() / np.sqrt(v), 1, rtol=0.01)
