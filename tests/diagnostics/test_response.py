"""Linear response of a mean field by gradients, against that by Hessian products."""

import pymc3_vi
from pymc3_vi.approximations.gaussian import response_covariances, response_noise
from pymc3_vi.diagnostics import point_density

import numpy as np
import pymc3 as pm


def test_a_skewed_posterior(rng):
    with pymc3_vi.fast_build(), pm.Model() as model:
        a, b = pm.Normal("a", 0.0, 1.0), pm.Normal("b", 0.0, 1.0)
        rate = pm.math.exp(a + b * np.array([0.0, 1.0, 1.0, 2.0]))
        pm.Poisson("obs", rate, observed=rng.poisson(2.0, 4))
    dadvi = pymc3_vi.DADVI(model=model, random_seed=2)
    dadvi.fit(n_draws=1024, tol=None, progressbar=False)
    approx = dadvi.approx
    wanted = approx.lrvb_cov()
    mu, scale, eps = approx.mean.eval(), approx.std.eval(), response_noise(2, 5)
    grad = point_density(approx).slopes(mu + scale * eps)[1]
    np.testing.assert_allclose(response_covariances(grad[None], scale[None], eps)[0], wanted, rtol=0.02)
    naive = np.diag(scale**2)
    assert abs(naive[0, 1] - wanted[0, 1]) > 0.1 * abs(wanted[0, 0])  # there is something to respond
    assert np.isnan(response_covariances(-grad[None], scale[None], eps)).all()  # no maximum
