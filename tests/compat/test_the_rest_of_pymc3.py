"""What users need of PyMC3 besides variational inference works on every Python, against closed forms."""

import pymc3_vi

import arviz as az
import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt

Y = np.random.RandomState(3).normal(1.5, 1.0, size=40)
#: Posterior of mu under Normal(0, 10) with standard deviation 1 of the data.
MEAN, SD = Y.sum() / (40 + 0.01), (40 + 0.01) ** -0.5


def normal_model():
    with pymc3_vi.fast_build(), pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 10.0)
        pm.Normal("y", mu, 1.0, observed=Y)
    return model


def check(values):
    values = np.asarray(values)
    # draws of a chain are correlated: no more than every fifth counts
    assert abs(values.mean() - MEAN) < 5 * SD / np.sqrt(values.size / 5)
    assert 0.6 < values.std() / SD < 1.5


@pytest.fixture
def python():
    """Functions of Theano in Python: g++ would take longer than the draws."""
    with theano.config.change_flags(cxx=""):
        yield


SAMPLER = dict(progressbar=False, random_seed=5, compute_convergence_checks=False, return_inferencedata=False)


def test_nuts_in_two_processes(python):
    with normal_model():
        trace = pm.sample(300, tune=300, chains=2, cores=2, **SAMPLER)
    check(trace["mu"])
    assert not np.array_equal(*trace.get_values("mu", combine=False))


@pytest.mark.slow
def test_nuts_in_a_process_that_was_not_forked(python):
    with normal_model():
        trace = pm.sample(200, tune=200, chains=2, cores=2, mp_ctx="spawn", **SAMPLER)
    check(trace["mu"])


@pytest.mark.parametrize("step", [pm.Metropolis, pm.Slice, pm.DEMetropolisZ, pm.HamiltonianMC])
def test_other_samplers(python, step):
    with normal_model():
        trace = pm.sample(400, tune=200, step=step(), chains=1, cores=1, **SAMPLER)
    check(trace["mu"])


def test_samplers_of_discrete_variables(python):
    with pymc3_vi.fast_build(), pm.Model():
        coin, die = pm.Bernoulli("coin", 0.3), pm.Categorical("die", [0.2, 0.3, 0.5])
        count = pm.Poisson("count", 4.0)
        steps = [pm.BinaryMetropolis([coin]), pm.CategoricalGibbsMetropolis([die]), pm.Metropolis([count])]
        trace = pm.sample(700, tune=200, step=steps, chains=1, cores=1, **SAMPLER)
    assert abs(trace["coin"].mean() - 0.3) < 0.15
    assert abs(np.mean(trace["die"] == 2) - 0.5) < 0.1
    assert abs(trace["count"].mean() - 4.0) < 0.8


def test_sequential_monte_carlo(python):
    with normal_model():
        trace = pm.sample_smc(300, random_seed=5, cores=1, chains=1)
    check(trace["mu"])


def test_the_mode_and_predictions(python):
    with normal_model():
        mode = pm.find_MAP(progressbar=False)
        assert abs(mode["mu"] - MEAN) < 1e-3 * SD
        prior = pm.sample_prior_predictive(400, random_seed=1)
        draws = [{"mu": value} for value in np.random.RandomState(2).normal(MEAN, SD, size=400)]
        predicted = pm.sample_posterior_predictive(draws, random_seed=1, progressbar=False)["y"]
    assert prior["y"].shape == (400, 40) and abs(prior["mu"].std() / 10 - 1) < 0.2
    assert predicted.shape == (400, 40) and abs(predicted.mean() - MEAN) < 5 * (SD + 1 / np.sqrt(predicted.size))


def test_arviz_takes_traces(python):
    with normal_model():
        trace = pm.sample(200, tune=200, chains=2, cores=1, **SAMPLER)
        idata = az.from_pymc3(trace)
        returned = pm.sample(
            50, tune=50, chains=2, cores=1, progressbar=False, random_seed=5, return_inferencedata=True
        )
    with pymc3_vi.fast_build(), pm.Model() as wide:
        mu = pm.Normal("mu", 0.0, 10.0)
        pm.Normal("y", mu, 4.0, observed=Y)
    with wide:
        other = az.from_pymc3(pm.sample(200, tune=200, chains=2, cores=1, **SAMPLER))
    assert set(returned.posterior.data_vars) == {"mu"}
    # one parameter: the score is the log density of the data less one
    loo = az.loo(idata)
    wanted = -0.5 * 40 * np.log(2 * np.pi) - 0.5 * np.sum((Y - MEAN) ** 2) - 1
    assert abs(float(loo.elpd_loo if hasattr(loo, "elpd_loo") else loo.iloc[0]) - wanted) < 1.5
    compared = az.compare({"right": idata, "wide": other}, ic="loo")
    assert list(compared.index) == ["right", "wide"]
    assert abs(az.summary(trace, kind="stats")["mean"]["mu"] - MEAN) < SD


def test_minibatches(python):
    rows = np.random.RandomState(1).normal(2.0, 1.0, size=500)
    with pymc3_vi.fast_build(), pm.Model() as model:
        mu = pm.Flat("mu")
        batch = pm.Minibatch(rows, 50)
        y = pm.Normal("y", mu, 1.0, observed=batch, total_size=500)
    logp = theano.function(model.free_RVs, [batch, y.logpt])
    means = []
    for _ in range(20):
        drawn, value = logp(2.0)
        assert drawn.shape == (50,) and np.isin(drawn, rows).all()
        np.testing.assert_allclose(value, -10 * np.sum(0.5 * (drawn - 2.0) ** 2 + 0.5 * np.log(2 * np.pi)))
        means.append(drawn.mean())
    assert abs(np.mean(means) - rows.mean()) < 5 * rows.std() / np.sqrt(1000) and len(set(means)) == 20


def test_gaussian_processes(python):
    x = np.linspace(0, 1, 8)[:, None]
    f = np.sin(3 * x[:, 0])
    with pymc3_vi.fast_build(), pm.Model():
        gp = pm.gp.Marginal(cov_func=pm.gp.cov.ExpQuad(1, ls=0.5))
        gp.marginal_likelihood("y", X=x, y=f, noise=0.01)
        mean, variance = gp.predict(np.array([[0.5]]), diag=True, point={})
    gram = np.exp(-0.5 * ((x - x.T) / 0.5) ** 2)
    cross = np.exp(-0.5 * ((x[:, 0] - 0.5) / 0.5) ** 2)
    np.testing.assert_allclose(mean, cross @ np.linalg.solve(gram + 1e-4 * np.eye(8), f), rtol=1e-4)
    assert 0 <= variance[0] < 1e-3


def test_c_code_of_theano_adds_to_rows():
    if not theano.config.cxx:
        pytest.skip("needs a compiler")
    x, y = tt.dmatrix(), tt.dmatrix()
    index = np.array([0, 2, 0, -1])
    add, put = tt.inc_subtensor(x[index], y), tt.set_subtensor(x[index], y)
    values, rows = np.arange(12.0).reshape(4, 3), np.arange(12.0).reshape(4, 3) + 0.5
    added, replaced = theano.function([x, y], [add, put], mode="FAST_RUN")(values, rows)
    wanted = values.copy()
    np.add.at(wanted, index, rows)
    np.testing.assert_array_equal(added, wanted)
    wanted = values.copy()
    wanted[index] = rows
    np.testing.assert_array_equal(replaced, wanted)
