"""Default fits in more dimensions than dense curvature is affordable in for mean field: exact optima of a latent walk.

Counts y_t ~ Poisson(exp x_t) on a Gaussian walk with precision Q.  At the optimum of a Gaussian family

    Q mu = y - r,   r_t = exp(mu_t + S_tt / 2),   S = (Q + diag r)^-1   (mean field: S_tt = 1 / (Q_tt + r_t)).
"""
import numpy as np
import pymc3 as pm
import pytest
from scipy import optimize
import theano.tensor as tt

import pymc3_vi

D, STEP = 240, 0.15


def _walk():
    """Counts and the precision of the walk."""
    random = np.random.RandomState(8)
    counts = random.poisson(np.exp(1.0 + np.cumsum(STEP * random.standard_normal(D)))).astype(float)
    difference = np.eye(D) - np.eye(D, k=-1)
    weights = np.full(D, STEP ** -2.0)
    weights[0] = 1.0  # x_0 ~ N(0, 1)
    return counts, difference.T.dot(weights[:, None] * difference)


COUNTS, Q = _walk()


@pytest.fixture(scope="module")
def model():
    with pymc3_vi.fast_build(), pm.Model() as model:
        x = pm.Flat("x", shape=D)
        first = -0.5 * x[0] ** 2
        pm.Potential("walk", first - 0.5 * tt.sum(tt.sqr((x[1:] - x[:-1]) / STEP)))
        pm.Poisson("counts", tt.exp(x), observed=COUNTS)
    return model


def _optimum(variances):
    """mu and variances that agree with each other; ``variances(r)`` are those of the family for rates r."""
    mu, v = np.log(COUNTS + 1), np.full(D, 0.1)
    for _ in range(200):
        found = optimize.root(
            lambda m, v=v: Q.dot(m) - COUNTS + np.exp(m + v / 2), mu, jac=lambda m, v=v: Q + np.diag(np.exp(m + v / 2))
        )
        mu, before, v = found.x, v, variances(np.exp(found.x + v / 2))
        if np.abs(v / before - 1).max() < 1e-10:
            return mu, v
    raise AssertionError("the conditions of the optimum were not solved")


@pytest.mark.parametrize(
    "method, variances",
    [
        ("advi", lambda r: 1 / (np.diag(Q) + r)),
        ("fullrank_advi", lambda r: np.diag(np.linalg.inv(Q + np.diag(r)))),
    ],
    ids=["mean_field", "full_rank"],
)
def test_the_optimum_is_reached(model, method, variances):
    n = 2000
    mu, v = _optimum(variances)
    approx = pymc3_vi.fit(n, method=method, model=model, random_seed=1, progressbar=False)
    np.testing.assert_allclose((approx.mean.eval() - mu) / np.sqrt(v), 0, atol=0.02)
    # n draws tell a standard deviation to 1 / sqrt(2 n).
    error = (approx.std.eval() / np.sqrt(v) - 1) * np.sqrt(2 * n)
    assert np.abs(error).max() < 4.5 and np.sqrt(np.mean(error ** 2)) < 1.5
