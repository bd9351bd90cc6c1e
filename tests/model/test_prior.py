"""Draws from the prior are joint ones, and the same in every process."""

import os
import subprocess
import sys

import pymc3_vi
from pymc3_vi.model import ModelView
from pymc3_vi.model._prior import prior_points, simulated

import numpy as np
import pymc3 as pm


def _model():
    with pymc3_vi.fast_build(), pm.Model() as model:
        for name in "abcde":
            pm.Normal(name, 0.0, 1.0)
        pm.Normal("child", pm.HalfNormal("u", 1.0) + pm.Exponential("v", 1.0), pm.HalfNormal("w", 1.0))
        mu = pm.Normal("mu", 1.0, 3.0)
        tau = pm.Deterministic("tau", pm.HalfNormal("root", 1.0) ** 2)
        theta = pm.Normal("theta", mu, 0.1, shape=2)
        pm.Normal("y", theta, pm.math.sqrt(tau), observed=np.zeros(2))
    return model


def test_draws_are_joint():
    """Children belong to their parents, data to both; means and sds are the prior's."""
    view, count = ModelView(_model()), 1000
    points = list(prior_points(view, count, 1))
    mu, theta = (np.array([point[name] for point in points]) for name in ("mu", "theta"))
    error = 4 / np.sqrt(count)
    assert abs(mu.mean() - 1.0) < 3 * error and abs(mu.std() / 3 - 1) < error
    assert abs((theta - mu[:, None]).std() / 0.1 - 1) < error
    truths, data = simulated(view, ["mu", "theta", "tau", "root"], count, 2)
    np.testing.assert_allclose(truths["tau"], truths["root"] ** 2)
    units = (data["y"] - truths["theta"]) / truths["root"][:, None]
    assert abs(units.std() - 1) < error and abs(units.mean()) < error


def test_they_are_the_same_in_every_process():
    """Strings, and so sets of names, have another order in each."""
    script = (
        "print([*{'a', 'b', 'c', 'd', 'e', 'mu'}]);"
        "from tests.model.test_prior import _model, ModelView, prior_points; import numpy as np; "
        "print([np.round(v, 9).tolist() for p in prior_points(ModelView(_model()), 2, 1) for v in p.values()])"
    )
    found, orders = set(), set()
    for seed in ("1", "2"):
        environment = dict(os.environ, PYTHONHASHSEED=seed, THEANO_FLAGS="cxx=")
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        orders.add(done.stdout.splitlines()[0])
        found.add(done.stdout.splitlines()[-1])
    assert len(found) == 1 and len(orders) == 2
