"""The rule of fits without an explicit optimizer."""

import pymc3_vi
from pymc3_vi.algorithms import Newton
from pymc3_vi.compiler import compile_count
from pymc3_vi.graph import StepNoise
from pymc3_vi.graph._noise import balance

import numpy as np
import pymc3 as pm
import pytest
import theano

from examples.references import load_reference

from .. import example_models


@pytest.fixture(scope="module")
def conjugate():
    y = np.random.RandomState(1).normal(1.0, 1.0, 10)
    with pymc3_vi.fast_build(), pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 1.0)
        pm.Normal("y", mu, 1.0, observed=y)
    model.mean, model.sd = y.sum() / 11, 1 / np.sqrt(11)
    return model


@pytest.fixture
def annealed(monkeypatch):
    """The rule for what the Newton rule does not cover, on models that it covers."""
    monkeypatch.setattr(Newton, "obstacle", lambda self, task: "not in this test")


@pytest.mark.parametrize("method", ["advi", "fullrank_advi"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_default_arguments_reach_the_conjugate_posterior(annealed, conjugate, method, seed):
    """Mean within 0.02 sd and sd within 2 %, as promised for default arguments."""
    approx = pymc3_vi.fit(method=method, model=conjugate, random_seed=seed, progressbar=False)
    assert abs(approx.mean.get_value()[0] - conjugate.mean) < 0.02 * conjugate.sd
    assert approx.std.eval()[0] == pytest.approx(conjugate.sd, rel=0.02)


@pytest.mark.parametrize("name, variable", [("beta_binomial", "theta"), ("hierarchical", "group_mu")])
def test_default_arguments_agree_with_nuts(annealed, name, variable):
    with pymc3_vi.fast_build():
        model = example_models.EXAMPLES[name]()
    approx = pymc3_vi.fit(model=model, random_seed=1, progressbar=False)
    draws = approx.sample(40000, random_seed=1)[variable]
    reference = load_reference(name)[variable]
    sd = reference["sd"]
    error = np.hypot(reference["mcse_mean"], sd / np.sqrt(40000))
    assert (np.abs(draws.mean(0) - reference["mean"]) < 0.02 * sd + 4 * error).all()
    relative = np.hypot(reference["mcse_sd"] / sd, 1 / np.sqrt(2 * 40000))
    assert (np.abs(draws.std(0) / sd - 1) < 0.02 + 4 * relative).all()


def test_many_correlations_do_not_widen_full_rank(annealed):
    """A walk of 100 values with known covariance: noise in the 5,050 entries of L must not add up."""
    d = 100
    difference = np.eye(d) - np.eye(d, k=-1)
    cov = np.linalg.inv(10 * difference.T.dot(difference) + 4 * np.eye(d))
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.MvNormal("z", np.zeros(d), cov=cov, shape=d)
    approx = pymc3_vi.fit(method="fullrank_advi", model=model, random_seed=1, progressbar=False)
    assert np.abs(approx.mean.eval() / np.sqrt(np.diag(cov))).max() < 0.02
    np.testing.assert_allclose(approx.std.eval() / np.sqrt(np.diag(cov)), 1, atol=0.1)


def test_another_n_compiles_nothing(annealed, conjugate):
    inference = pymc3_vi.ADVI(model=conjugate, random_seed=1)
    inference.fit(500, progressbar=False)
    before = compile_count()
    inference.fit(3000, progressbar=False)
    inference.refine(100, progressbar=False)
    assert compile_count() == before and len(inference.hist) == 3600


def test_result_is_the_average_and_the_last_iterate_stays_reachable(annealed, conjugate):
    seen = []
    inference = pymc3_vi.ADVI(model=conjugate, random_seed=1)
    inference.fit(100, progressbar=False, callbacks=[lambda a, losses, i: seen.append(a.mean.get_value()[0])])
    mu = inference.approx.mean
    assert mu.get_value()[0] == pytest.approx(np.mean(seen[60:]), rel=1e-6)
    assert inference.last_iterate[mu][0] == pytest.approx(seen[-1])


def test_an_explicit_optimizer_is_used_alone(conjugate):
    seen = []
    inference = pymc3_vi.ADVI(model=conjugate, random_seed=1)
    inference.fit(
        50,
        progressbar=False,
        obj_optimizer=pymc3_vi.sgd(learning_rate=1e-3),
        callbacks=[lambda a, losses, i: seen.append(a.mean.get_value()[0])],
    )
    assert inference.approx.mean.get_value()[0] == seen[-1]
    assert not inference.algorithm.compiled.graph.noise.balanced


def test_early_stop_before_the_tail_keeps_the_iterate(annealed, conjugate):
    def stop(approx, losses, i):
        if i == 5:
            stop.value = approx.mean.get_value()
            raise StopIteration

    approx = pymc3_vi.fit(1000, model=conjugate, random_seed=1, progressbar=False, callbacks=[stop])
    np.testing.assert_array_equal(approx.mean.get_value(), stop.value)


@pytest.mark.parametrize("rows, columns", [(1000, 3), (1000, 60), (64, 30)])
def test_balanced_blocks_have_matched_moments(rows, columns):
    block = np.random.default_rng(1).standard_normal((rows, columns))
    plain = block.copy()
    balance(block)
    np.testing.assert_allclose(block.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose((block**2).mean(0), 1, rtol=1e-12)
    if rows >= 8 * columns:
        np.testing.assert_allclose(block.T @ block / rows, np.eye(columns), atol=1e-12)
    # a row is still what a standard normal draw looks like
    assert abs(block[0] - plain[0]).max() < 1.2
    few = np.random.default_rng(1).standard_normal((9, 2))
    same = few.copy()
    balance(few)
    np.testing.assert_array_equal(few, same)


def test_balanced_noise_does_not_depend_on_chunks():
    values = []
    for _ in range(2):
        noise = StepNoise(balanced=True)
        noise.add((3,), np.random.default_rng(4))
        noise.allocate()
        noise.refill()
        values.append(noise.blocks[0].shared.get_value())
    np.testing.assert_array_equal(*values)
    assert values[0].dtype == theano.config.floatX


def test_average_of_the_tail_with_an_optimizer_of_ones_own(conjugate):
    seen = []
    inference = pymc3_vi.ADVI(model=conjugate, random_seed=1)
    options = dict(obj_optimizer=pymc3_vi.sgd(learning_rate=1e-3), progressbar=False)
    inference.fit(200, average=0.25, callbacks=[lambda a, losses, i: seen.append(a.mean.get_value()[0])], **options)
    mu = inference.approx.mean
    assert mu.get_value()[0] == pytest.approx(np.mean(seen[150:]), rel=1e-6)
    assert inference.last_iterate[mu][0] == seen[-1] != mu.get_value()[0]
    before = compile_count()
    inference.fit(100, average=0.25, **options)
    assert compile_count() == before and len(inference.hist) == 300
    plain = pymc3_vi.ADVI(model=conjugate, random_seed=1)
    plain.fit(200, **options)
    assert plain.approx.mean.get_value()[0] == pytest.approx(seen[-1], rel=1e-6)


def test_average_is_checked(conjugate):
    with pytest.raises(ValueError, match="'average' parameter of fit needs an obj_optimizer"):
        pymc3_vi.fit(10, model=conjugate, average=0.5, progressbar=False)
    with pytest.raises(ValueError, match="'average' parameter of fit must be"):
        pymc3_vi.fit(10, model=conjugate, average=1.5, obj_optimizer=pymc3_vi.adam, progressbar=False)
