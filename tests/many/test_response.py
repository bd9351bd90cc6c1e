"""Linear response of many mean fields, against that of a single fit."""

import pymc3_vi
from pymc3_vi.many._data_sets import DataSets
from pymc3_vi.many._density import BatchDensity
from pymc3_vi.many._newton import fixed_noise
from pymc3_vi.many._response import response_covariances
from pymc3_vi.model import ModelView, data_containers

import numpy as np
import pymc3 as pm


def test_a_skewed_posterior(rng):
    with pymc3_vi.fast_build(), pm.Model() as model:
        counts = pm.Data("counts", rng.poisson(2.0, 4))
        a, b = pm.Normal("a", 0.0, 1.0), pm.Normal("b", 0.0, 1.0)
        pm.Poisson("obs", pm.math.exp(a + b * np.array([0.0, 1.0, 1.0, 2.0])), observed=counts)
    dadvi = pymc3_vi.DADVI(model=model, random_seed=2)
    dadvi.fit(n_draws=1024, tol=None, progressbar=False)
    wanted = dadvi.approx.lrvb_cov()
    view = ModelView(model)
    density = BatchDensity(view, data_containers(view))
    mu, scale = dadvi.approx.mean.eval()[None], dadvi.approx.std.eval()[None]
    data = DataSets.of([{"counts": model["counts"].get_value()}])
    found = response_covariances(density, mu, scale, fixed_noise(2, 512, 5), data)[0]
    np.testing.assert_allclose(found, wanted, rtol=0.02)
    naive = np.diag(scale[0] ** 2)
    assert abs(naive[0, 1] - wanted[0, 1]) > 0.1 * abs(wanted[0, 0])  # there is something to respond
