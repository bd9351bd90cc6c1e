"""Corrected draws and expectations against a known posterior."""

import pymc3_vi
from pymc3_vi.errors import AEVBInferenceError, ExplicitInferenceError, UnknownNameError, UnreliableWeightsWarning

import numpy as np
import pymc3 as pm
import pytest
import theano


@pytest.fixture(scope="module")
def biased(conjugate):
    return conjugate.gaussian([0.5, 0, 0], [1.0, 1.3, 1.0])


def test_corrected_draws_follow_the_posterior(conjugate, biased):
    draws = biased.sample(20000, correct="psis", random_seed=1)["mu"]
    n = 20000 / 4  # resampled draws repeat; a quarter is a safe lower bound on what they are worth
    assert np.all(np.abs(draws.mean(0) - conjugate.mean) < 4 * conjugate.sd / np.sqrt(n))
    np.testing.assert_allclose(draws.std(0), conjugate.sd, rtol=4 / np.sqrt(2 * n))
    plain = biased.sample(20000, random_seed=1)["mu"]
    assert abs(plain.mean(0)[0] - conjugate.mean[0]) > 0.4 * conjugate.sd[0]


def test_corrected_draws_are_seeded(biased):
    a, b = (biased.sample(50, correct="psis", random_seed=4)["mu"] for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert (biased.sample(50, correct="psis")["mu"] != biased.sample(50, correct="psis")["mu"]).any()


def test_unknown_correction(biased):
    with pytest.raises(UnknownNameError, match="Unknown correction of draws 'psi'. Did you mean 'psis'"):
        biased.sample(10, correct="psi")


def test_unreliable_corrections_warn(conjugate):
    narrow = conjugate.gaussian(scale=0.3)
    with pytest.warns(UnreliableWeightsWarning, match="k-hat is .* the corrected draws are not reliable"):
        narrow.sample(10, correct="psis", random_seed=1)
    with pytest.warns(UnreliableWeightsWarning, match="the expectation and its error are not reliable"):
        narrow.expectation("mu", random_seed=1)


def test_expectation_and_its_error(conjugate, biased):
    node = conjugate.model["mu"] ** 2
    truth = conjugate.mean**2 + conjugate.sd**2
    found = biased.expectation(node, draws=50000, random_seed=1)
    assert found.value.shape == (3,) and found.khat < 0.7
    assert np.all(np.abs(found.value - truth) < 4 * found.error)
    assert np.all(found.error < 0.02 * truth)


def test_plain_expectation_is_that_of_the_approximation(conjugate, biased):
    found = biased.expectation("mu", draws=50000, correct=None, random_seed=1)
    np.testing.assert_allclose(found.error, conjugate.sd * [1.0, 1.3, 1.0] / np.sqrt(50000), rtol=0.03)
    mean = conjugate.mean + [0.5 * conjugate.sd[0], 0, 0]
    assert np.all(np.abs(found.value - mean) < 4 * found.error)
    assert found.khat is None and found.ess == 50000


def test_expectation_refuses_what_it_does_not_know(biased):
    with pytest.raises(UnknownNameError, match="no variable 'muu'. Did you mean 'mu'"):
        biased.expectation("muu")
    with pytest.raises(UnknownNameError, match="Unknown correction of draws 'is'"):
        biased.expectation("mu", correct="is")


def test_particles_have_plain_expectations_only(conjugate, rng):
    values = rng.normal(size=(20, 3)).astype(theano.config.floatX)
    particles = pymc3_vi.Empirical(trace={"mu": values}, model=conjugate.model)
    with pytest.raises(ExplicitInferenceError, match="does not define log q"):
        particles.expectation("mu")
    found = particles.expectation("mu", draws=20000, correct=None, random_seed=1)
    assert np.all(np.abs(found.value - values.mean(0)) < 4 * found.error)


def test_amortised_draws_cannot_be_corrected(model_fast):
    with model_fast(), pm.Model() as model:
        z = pm.Normal("z", 0.0, 1.0, shape=(5, 1))
    params = {"mu": theano.shared(np.zeros((5, 1))), "rho": theano.shared(np.zeros((5, 1)))}
    approx = pymc3_vi.Approximation([pymc3_vi.Group([z], params=params, local=True, model=model)], model=model)
    with pytest.raises(AEVBInferenceError, match="not defined for amortised"):
        approx.sample(10, correct="psis")
