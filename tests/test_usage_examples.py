"""The documented examples, run from their page as they are written, with their answers checked."""

import re
from pathlib import Path

import pymc3_vi

import numpy as np
import pymc3 as pm
import pytest
import theano.tensor as tt
from scipy import integrate, optimize, stats

from examples.references import load_reference

from . import example_models

PAGE = Path(__file__).resolve().parents[1] / "docs" / "usage_examples.md"


def _blocks():
    """Section title -> its code."""
    found = {}
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        title = section.splitlines()[0].strip()
        found[title] = re.search(r"```python\n(.*?)```", section, re.S).group(1)
    return found


BLOCKS = _blocks()


def run(title, **data):
    """Namespace after running the example on `data`, with the package installed and a fixed seed."""
    namespace = {"pm": pm, "np": np, "tt": tt, "pymc3_vi": pymc3_vi, **data}
    np.random.seed(20211)
    with pymc3_vi.install(), pymc3_vi.fast_build():
        exec(compile(BLOCKS[title], f"{PAGE.name}: {title}", "exec"), namespace)  # noqa: S102
    return namespace


def _moments(log_density, grid):
    """Mean and sd of a one-dimensional density on a grid."""
    logp = log_density(grid)
    weight = np.exp(logp - logp.max())
    weight /= weight.sum()
    mean = (weight * grid).sum()
    return mean, np.sqrt((weight * (grid - mean) ** 2).sum())


def test_every_example_of_the_page_is_run():
    source = Path(__file__).read_text(encoding="utf-8")
    assert [title for title in BLOCKS if f'run("{title}"' not in source] == []
    assert len(BLOCKS) == 10


def test_basic_advi(capsys):
    data = np.random.RandomState(1).normal(3.0, 2.0, 200)
    result = run("Basic ADVI", data=data)
    trace = result["trace_vi"]
    # with 200 observations the priors shift the answer by less than a fiftieth of a posterior sd
    mu, sigma = trace["mu"], trace["sigma"]
    sd_mu = data.std() / np.sqrt(200)
    assert abs(mu.mean() - data.mean()) < 0.1 * sd_mu + 4 * sd_mu / np.sqrt(2000)
    assert mu.std() == pytest.approx(sd_mu, rel=0.08)
    assert sigma.mean() == pytest.approx(data.std(ddof=1), rel=0.02)
    assert re.search(r"ELBO: \d+\.\d\d\n", capsys.readouterr().out)


def test_full_rank_recovers_the_posterior_covariance():
    matrix = np.array([[1.0, 0.4, -0.3], [0.2, 1.0, 0.5], [-0.6, 0.1, 1.0]])
    rng = np.random.RandomState(2)
    target = 1.5 + rng.normal(size=30)
    result = run("Full-rank ADVI", correlation_matrix=matrix, target=target)
    a = matrix.sum(axis=1)  # y ~ N(a . theta, 1)
    exact = np.linalg.inv(np.eye(3) + 30 * np.outer(a, a))
    np.testing.assert_allclose(result["cov_matrix"], exact, atol=0.03 * np.abs(exact).max())
    np.testing.assert_allclose(result["approx"].mean.eval(), exact @ a * target.sum(), atol=0.05)


@pytest.mark.slow
def test_stein_particles_match_the_posterior_means():
    rng = np.random.RandomState(3)
    data = np.where(rng.rand(150) < 0.3, rng.normal(-2, 0.5, 150), rng.normal(2, 0.5, 150))
    result = run("Stein variational gradient descent", mixture_data=data)
    # the two components do not overlap, so each mean is conjugate on its own part
    for name, prior, part in (("mu1", -2.0, data[data < 0]), ("mu2", 2.0, data[data >= 0])):
        precision = 1 + len(part) / 0.25
        exact = (prior + part.sum() / 0.25) / precision
        draws = result["particles"][name]
        assert abs(draws.mean() - exact) < 0.1
        assert draws.std() == pytest.approx(precision**-0.5, rel=0.25)


def test_planar_flow_is_at_least_as_good_as_mean_field():
    data = np.random.RandomState(4).normal(0.8**2, 0.5, size=20)
    result = run("Normalizing flow VI", skewed_data=data)
    grid = np.linspace(-2, 4, 20001)
    logp = stats.skewnorm.logpdf(grid, 5) + stats.norm.logpdf(data[:, None], grid**2, 0.5).sum(0)
    evidence = np.log(integrate.simpson(np.exp(logp - logp.max()), x=grid)) + logp.max()
    with result["flow_model"]:
        mean_field = pymc3_vi.fit(25000, method="advi", random_seed=1, progressbar=False)
    flow_elbo, field_elbo = (-a.hist[-5000:].mean() for a in (result["approx"], mean_field))
    error = result["approx"].hist[-5000:].std() / np.sqrt(5000) + mean_field.hist[-5000:].std() / np.sqrt(5000)
    assert flow_elbo > field_elbo - 3 * error
    assert flow_elbo < evidence + 3 * error
    exact, _ = _moments(
        lambda x: stats.skewnorm.logpdf(x, 5) + stats.norm.logpdf(data[:, None], x**2, 0.5).sum(0), grid
    )
    assert result["trace_flow"]["x"].mean() == pytest.approx(exact, abs=0.05)


def test_minibatches_reach_the_posterior_of_all_data():
    rng = np.random.RandomState(5)
    n, d = 5000, 4
    X = rng.normal(size=(n, d))
    weights = np.array([1.0, -2.0, 0.5, 0.0])
    y = 0.7 + X @ weights + rng.normal(size=n)
    # PyMC3's Minibatch draws the same rows for X and y from the same seed, 42
    result = run("Minibatch VI", X_large=X, y_large=y, large_dataset=X, n_features=d)
    design = np.column_stack([X, np.ones(n)])
    prior = np.diag([1.0] * d + [0.01])
    exact = np.linalg.solve(design.T @ design + prior, design.T @ y)
    approx = result["approx"]
    trace = approx.sample(1000)
    np.testing.assert_allclose(trace["weights"].mean(0), exact[:d], atol=0.05)
    assert trace["intercept"].mean() == pytest.approx(exact[d], abs=0.05)
    assert np.isfinite(approx.hist).all()


def test_callbacks_see_loss_and_draws(capsys):
    successes = example_models.beta_binomial_data()
    result = run("Custom optimization and callbacks", successes=successes)
    out = capsys.readouterr().out
    assert len(re.findall(r"Iteration \d+000: ELBO = \d+\.\d\d", out)) == 15
    exact = stats.beta(2 + successes.sum(), 3 + (20 - successes).sum())
    theta = result["approx"].sample(4000)["theta"]
    assert abs(theta.mean() - exact.mean()) < 0.1 * exact.std()
    assert theta.std() == pytest.approx(exact.std(), rel=0.06)


def test_hierarchical_groups_match_nuts():
    group_idx, observed = example_models.hierarchical_data()
    result = run("Hierarchical VI", group_idx=group_idx, hierarchical_data=observed)
    reference = load_reference("hierarchical")
    mean, sd = (reference["group_mu"][k] for k in ("mean", "sd"))
    effects = result["group_effects"]
    np.testing.assert_allclose(effects.mean(0), mean, atol=0.15 * sd.max())
    np.testing.assert_allclose(effects.std(0), sd, rtol=0.12)


def test_model_comparison_prefers_the_truth():
    rng = np.random.RandomState(6)
    x = np.linspace(-2, 2, 60)
    y = 1.0 + 0.5 * x - 0.8 * x**2 + rng.normal(0, 0.3, 60)
    result = run("Model comparison with VI", x_data=x, y_data=y)
    linear, quadratic = (result["approx_results"][k] for k in ("linear", "quadratic"))
    assert quadratic.hist[-2000:].mean() < linear.hist[-2000:].mean() - 20
    trace = quadratic.sample(2000)
    fitted = np.polyfit(x, y, 2)[::-1]
    for name, value in zip(("alpha", "beta1", "beta2"), fitted):
        assert trace[name].mean() == pytest.approx(value, abs=0.03)


@pytest.mark.slow
def test_advanced_analysis_compares_with_mcmc(capsys):
    data = np.random.RandomState(7).normal(1.0, 0.7, 50)
    result = run("Advanced approximation analysis", obs_data=data)
    assert result["mean_params"].shape == (2,) and result["cov_params"].shape == (2, 2)
    np.testing.assert_allclose(result["std_params"] ** 2, np.diag(result["cov_params"]), rtol=1e-6)
    vi, mcmc = result["vi_samples"], result["mcmc_samples"]
    for name in ("mu", "tau"):
        assert abs(vi[name].mean() - mcmc[name].mean()) < 0.15 * mcmc[name].std()
    table = result["comparison"]
    assert set(table.index) == {"VI", "MCMC"}
    elpd = table["elpd_loo" if "elpd_loo" in table else "loo"]  # renamed in ArviZ 0.13
    assert abs(elpd["VI"] - elpd["MCMC"]) < 1.0


@pytest.mark.slow
def test_a_verdict_leads_to_the_posterior(capsys):
    """Slopes of a regression with known noise, which have a conjugate answer."""
    rng = np.random.RandomState(8)
    first = rng.normal(size=80)
    x = np.column_stack([first, first + 1.7 * rng.normal(size=80)])
    y = x @ [1.0, -0.5] + rng.normal(size=80)
    result = run("From a fit to a trustworthy result", x_data=x, y_data=y)
    cov = np.linalg.inv(x.T @ x + np.eye(2) / 100)
    exact = cov @ x.T @ y
    assert result["report"].verdict == "correct"
    # mean field is too narrow along correlated slopes; the corrected draws are not
    plain, corrected = result["approx"].sample(4000)["beta"], result["corrected"]["beta"]
    np.testing.assert_allclose(corrected.mean(0), exact, atol=0.15 * np.sqrt(np.diag(cov)).max())
    np.testing.assert_allclose(corrected.std(0), np.sqrt(np.diag(cov)), rtol=0.08)
    assert np.all(plain.std(0) < 0.9 * np.sqrt(np.diag(cov)))
    leverage = np.einsum("ij,jk,ik->i", x, cov, x)
    residual = (y - x @ exact) / (1 - leverage)  # of each row from the fit to the others
    exact_elpd = stats.norm.logpdf(residual, 0, np.sqrt(1 + leverage / (1 - leverage))).sum()
    # 4,000 draws whose weights have k-hat near 0.6: the score moves by 0.2 from seed to seed
    assert result["elpd"].iloc[0] == pytest.approx(exact_elpd, abs=0.8)
    assert "verdict: correct" in capsys.readouterr().out


def test_scipy_is_the_referee():
    """The closed forms above rest on this one: the conjugate mean is the mode of the written-out density."""
    part, prior = np.array([1.8, 2.3, 2.1]), 2.0
    precision = 1 + len(part) / 0.25
    logp = lambda m: -(stats.norm.logpdf(m, prior, 1) + stats.norm.logpdf(part, m, 0.5).sum())  # noqa: E731
    assert optimize.minimize_scalar(logp).x == pytest.approx((prior + part.sum() / 0.25) / precision, abs=1e-5)
