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
    """Section title -> its code; and the code above the first section that makes the data."""
    found = {}
    intro, *sections = PAGE.read_text(encoding="utf-8").split("\n## ")
    for section in sections:
        title = section.splitlines()[0].strip()
        found[title] = re.search(r"```python\n(.*?)```", section, re.S).group(1)
    return found, re.findall(r"```python\n(.*?)```", intro, re.S)[1]


BLOCKS, DATA = _blocks()


def run(title):
    """Namespace after running the example on the page's data, with the package installed and a fixed seed."""
    namespace = {"pm": pm, "np": np, "tt": tt, "pymc3_vi": pymc3_vi}
    exec(compile(DATA, f"{PAGE.name}: data", "exec"), namespace)  # noqa: S102
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
    result = run("Basic ADVI")
    trace, data = result["trace_vi"], result["data"]
    # with 200 observations the priors shift the answer by less than a fiftieth of a posterior sd
    mu, sigma = trace["mu"], trace["sigma"]
    sd_mu = data.std() / np.sqrt(200)
    assert abs(mu.mean() - data.mean()) < 0.1 * sd_mu + 4 * sd_mu / np.sqrt(2000)
    assert mu.std() == pytest.approx(sd_mu, rel=0.08)
    assert sigma.mean() == pytest.approx(data.std(ddof=1), rel=0.02)
    assert re.search(rf"ELBO: {-result['approx'].hist[-1]:.2f}\n", capsys.readouterr().out)
    # sum of log N(y; mean, sd) is above it, by about half a nat and the priors' width for each of two parameters
    best = stats.norm.logpdf(data, data.mean(), data.std()).sum()
    assert best - 20 < -result["approx"].hist[-1000:].mean() < best


def test_full_rank_recovers_the_posterior_covariance():
    result = run("Full-rank ADVI")
    matrix, target = result["correlation_matrix"], result["target"]
    a = matrix.sum(axis=1)  # y ~ N(a . theta, 1)
    exact = np.linalg.inv(np.eye(3) + 30 * np.outer(a, a))
    np.testing.assert_allclose(result["cov_matrix"], exact, atol=0.03 * np.abs(exact).max())
    np.testing.assert_allclose(result["approx"].mean.eval(), exact @ a * target.sum(), atol=0.05)


@pytest.mark.slow
def test_stein_particles_match_the_posterior_means():
    result = run("Stein variational gradient descent")
    data = result["mixture_data"]
    # the two components do not overlap, so each mean is conjugate on its own part
    for name, prior, part in (("mu1", -2.0, data[data < 0]), ("mu2", 2.0, data[data >= 0])):
        precision = 1 + len(part) / 0.25
        exact = (prior + part.sum() / 0.25) / precision
        draws = result["particles"][name]
        assert abs(draws.mean() - exact) < 0.1
        assert draws.std() == pytest.approx(precision**-0.5, rel=0.25)


def test_planar_flow_is_at_least_as_good_as_mean_field():
    result = run("Normalizing flow VI")
    data = result["skewed_data"]
    grid = np.linspace(-2, 4, 20001)
    logp = stats.skewnorm.logpdf(grid, 5) + stats.norm.logpdf(data[:, None], grid**2, 0.5).sum(0)
    evidence = np.log(integrate.simpson(np.exp(logp - logp.max()), x=grid)) + logp.max()
    with result["flow_model"]:
        mean_field = pymc3_vi.fit(25000, method="advi", random_seed=1, progressbar=False, tol=None)
    flow_elbo, field_elbo = (-a.hist[-5000:].mean() for a in (result["approx"], mean_field))
    error = result["approx"].hist[-5000:].std() / np.sqrt(5000) + mean_field.hist[-5000:].std() / np.sqrt(5000)
    assert flow_elbo > field_elbo - 3 * error
    assert flow_elbo < evidence + 3 * error
    exact, _ = _moments(
        lambda x: stats.skewnorm.logpdf(x, 5) + stats.norm.logpdf(data[:, None], x**2, 0.5).sum(0), grid
    )
    assert result["trace_flow"]["x"].mean() == pytest.approx(exact, abs=0.05)


def test_minibatches_reach_the_posterior_of_all_data():
    # PyMC3's Minibatch draws the same rows for X and y from the same seed, 42
    result = run("Minibatch VI")
    X, y = result["X_large"], result["y_large"]
    n, d = X.shape
    design = np.column_stack([X, np.ones(n)])
    prior = np.diag([1.0] * d + [0.01])
    exact = np.linalg.solve(design.T @ design + prior, design.T @ y)
    approx = result["approx"]
    trace = approx.sample(1000)
    np.testing.assert_allclose(trace["weights"].mean(0), exact[:d], atol=0.05)
    assert trace["intercept"].mean() == pytest.approx(exact[d], abs=0.05)
    assert np.isfinite(approx.hist).all()


def test_callbacks_see_loss_and_draws(capsys):
    result = run("Custom optimization and callbacks")
    successes, hist = result["successes"], result["approx"].hist
    np.testing.assert_array_equal(successes, example_models.beta_binomial_data())
    out = capsys.readouterr().out
    printed = re.findall(r"Iteration (\d+): ELBO = (-\d+\.\d\d)", out)
    assert printed == [(str(i), f"{-hist[i - 1]:.2f}") for i in range(1000, 15001, 1000)]
    exact = stats.beta(2 + successes.sum(), 3 + (20 - successes).sum())
    theta = result["approx"].sample(4000)["theta"]
    assert abs(theta.mean() - exact.mean()) < 0.1 * exact.std()
    assert theta.std() == pytest.approx(exact.std(), rel=0.06)


def test_hierarchical_groups_match_nuts():
    result = run("Hierarchical VI")
    np.testing.assert_array_equal(result["hierarchical_data"], example_models.hierarchical_data()[1])
    reference = load_reference("hierarchical")
    mean, sd = (reference["group_mu"][k] for k in ("mean", "sd"))
    effects = result["group_effects"]
    np.testing.assert_allclose(effects.mean(0), mean, atol=0.15 * sd.max())
    np.testing.assert_allclose(effects.std(0), sd, rtol=0.12)


def test_model_comparison_prefers_the_truth(capsys):
    result = run("Model comparison with VI")
    x, y = result["x_data"], result["y_data"]
    printed = dict(re.findall(r"(\w+) model ELBO: (-?\d+\.\d\d)", capsys.readouterr().out))
    assert float(printed["quadratic"]) > float(printed["linear"]) + 20
    linear, quadratic = (result["approx_results"][k] for k in ("linear", "quadratic"))
    assert quadratic.hist[-2000:].mean() < linear.hist[-2000:].mean() - 20
    trace = quadratic.sample(2000)
    fitted = np.polyfit(x, y, 2)[::-1]
    for name, value in zip(("alpha", "beta1", "beta2"), fitted):
        assert trace[name].mean() == pytest.approx(value, abs=0.03)


@pytest.mark.slow
def test_advanced_analysis_compares_with_mcmc(capsys):
    result = run("Advanced approximation analysis")
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
    result = run("From a fit to a trustworthy result")
    x, y = result["predictors"], result["responses"]
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
