"""Values on the scale of users, without a compiled graph: those that sampling gives."""

import pymc3_vi
from pymc3_vi.model import Constrained

import numpy as np
import pymc3 as pm


def test_values_are_those_of_sampling_where_transforms_act_value_by_value(model_fast):
    """A simplex mixes its values, and the bound of `part` is random: both are left out, as is what has no transform."""
    with model_fast(), pm.Model() as model:
        pm.Uniform("share", -2.0, np.array([1.0, 3.0]), shape=2)
        pm.Bound(pm.Normal, lower=1.0)("above", 0.0, 1.0)
        pm.Dirichlet("weights", np.ones(3))
        scale = pm.HalfNormal("scale", 1.0)
        pm.Uniform("part", 0.0, scale, shape=(2, 2))
        pm.Beta("chance", 2.0, 3.0)
        pm.Normal("plain")
    q = pymc3_vi.MeanField(model=model, random_seed=1)
    constrained, draws = Constrained(model, q.ordering), q.sample_arrays(12, random_seed=1)
    assert constrained.labels == ["share[0]", "share[1]", "above", "scale", "chance"]
    z = np.concatenate([draws[entry.var].reshape(12, -1) for entry in q.ordering.vmap], axis=1)
    found = constrained(z.reshape(3, 4, -1)).reshape(12, -1)
    expected = np.concatenate([draws[name].reshape(12, -1) for name in ("share", "above", "scale", "chance")], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
