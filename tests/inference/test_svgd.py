"""Stein variational gradient descent as a method."""

import pymc3_vi

import pymc3 as pm
import pytest
from scipy import stats


@pytest.fixture(scope="module")
def normal():
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("x", 0.0, 1.0)
    return model


def _particles(model, jitter, n):
    inference = pymc3_vi.SVGD(n_particles=100, jitter=jitter, model=model, random_seed=1)
    return inference.fit(n, progressbar=False).histogram.get_value()


def test_particles_spread_from_one_point_as_from_afar(normal):
    """100 particles on a standard normal: the sd from jitter=1e-6 is within 5 % of that from jitter=1."""
    close, wide = (_particles(normal, jitter, 2000) for jitter in (1e-6, 1.0))
    assert close.std() == pytest.approx(wide.std(), rel=0.05)
    assert wide.std() == pytest.approx(1.0, rel=0.05)
    assert stats.kstest(close[:, 0], "norm").statistic < 0.1
