"""Flows of this package and of pymc3.variational at the same parameters."""

from pymc3_vi.flows import FLOWS, Formula

import numpy as np
import pytest
import theano
import theano.tensor as tt
from pymc3.variational import flows as pymc3_flows

THEIRS = {
    "planar": pymc3_flows.PlanarFlow,
    "radial": pymc3_flows.RadialFlow,
    "hh": pymc3_flows.HouseholderFlow,
    "scale": pymc3_flows.ScaleFlow,
    "loc": pymc3_flows.LocFlow,
}
every_flow = pytest.mark.parametrize("name", FLOWS.names())


@pytest.fixture(autouse=True)
def without_compiler():
    with theano.config.change_flags(cxx="", floatX="float64"):
        yield


def values(*outputs):
    return theano.function([], list(outputs), mode="FAST_COMPILE")()


def random_params(cls, d, rng, *lead):
    return {name: rng.normal(size=lead + shape) for name, shape in cls.get_param_spec_for(d=d).items()}


@every_flow
@pytest.mark.parametrize("d", [1, 2, 5])
def test_one_flow(name, d, rng):
    ours = FLOWS.get(name)
    params = random_params(ours, d, rng)
    assert {k: np.shape(v) for k, v in params.items()} == THEIRS[name].get_param_spec_for(d=d)
    z0 = tt.as_tensor_variable(rng.normal(size=(6, d)))
    mine, theirs = ours(z0=z0, dim=d, **params), THEIRS[name](z0=z0, dim=d, **params)
    z, log_det, z_theirs, log_det_theirs = values(mine.forward, mine.logdet, theirs.forward, theirs.logdet)
    # PyMC3 adds 1e-10 to |w|^2 and |v|^2, which here are above 1e-3.
    np.testing.assert_allclose(z, z_theirs, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(log_det, log_det_theirs, rtol=1e-6, atol=1e-6)


@every_flow
def test_rows(name, rng):
    d, rows = 3, 4
    ours = FLOWS.get(name)
    params = random_params(ours, d, rng, rows)
    z0 = tt.as_tensor_variable(rng.normal(size=(5, rows, d)))
    mine = ours(z0=z0, dim=d, batch_size=rows, **params)
    theirs = THEIRS[name](z0=z0, dim=d, batch_size=rows, **params)
    z, log_det, z_theirs, log_det_theirs = values(mine.forward, mine.logdet, theirs.forward, theirs.logdet)
    np.testing.assert_allclose(z, z_theirs, rtol=1e-6, atol=1e-6)
    assert log_det.shape == log_det_theirs.shape == (5,)
    np.testing.assert_allclose(log_det, log_det_theirs, rtol=1e-6, atol=1e-6)


def test_a_chain(rng):
    formula, d = "scale-hh*2-planar-radial-loc", 4
    params = {i: random_params(cls, d, rng) for i, cls in enumerate(Formula(formula).flows)}
    z0 = tt.as_tensor_variable(rng.normal(size=(6, d)))
    mine = Formula(formula)(z0=z0, dim=d, params=params)
    theirs = pymc3_flows.Formula(formula)(z0=z0, dim=d, params=params)
    assert mine.formula == theirs.formula
    results = values(mine.forward, mine.sum_logdets, theirs.forward, theirs.sum_logdets)
    np.testing.assert_allclose(results[0], results[2], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(results[1], results[3], rtol=1e-6, atol=1e-6)


def test_pymc3s_planar_flow_folds_where_it_squeezes_hard():
    # The difference that is meant: its determinant turns negative, so that the density is that of no distribution.
    params = dict(u=np.array([-30.0, 0.0]), w=np.array([1.0, 0.0]), b=0.0)
    z = np.zeros((1, 2))
    z0 = tt.as_tensor_variable(z)
    det = []
    for cls in (FLOWS.get("planar"), pymc3_flows.PlanarFlow):
        x = tt.vector("x")
        z_next = cls(z0=x.dimshuffle("x", 0), dim=2, **params).forward.flatten()
        slope = theano.function([x], tt.stack([tt.grad(z_next[i], x) for i in range(2)]), mode="FAST_COMPILE")(z[0])
        det.append(np.linalg.det(slope))
    assert det[1] < -1e-9
    assert abs(det[0]) < 1e-12  # e^-30, below what an autodiff determinant can tell
    (log_det,) = values(FLOWS.get("planar")(z0=z0, dim=2, **params).logdet)
    np.testing.assert_allclose(log_det, np.log(np.log1p(np.exp(-30))), rtol=1e-12)
