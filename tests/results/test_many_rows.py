"""Results of a model of many rows on disk: log-likelihoods and predictions of rows, and scores by sampling."""

import pymc3_vi
from pymc3_vi.data import _stored
from pymc3_vi.errors import ParametrizationError, VariationalInferenceError
from pymc3_vi.progress import Progress
from pymc3_vi.results import _wanted_rows

import arviz as az
import numpy as np
import pymc3 as pm
import pytest
import theano.tensor as tt
from scipy import stats

N = 25_000  # fewer are evaluated as whole data


class Regression:
    """A regression on two predictors with known noise: the posterior and all leave-one-out scores are known."""

    def __init__(self, folder):
        rng = np.random.default_rng(2)
        x = np.lib.format.open_memmap(folder / "x.npy", "w+", "float64", (N, 2))
        x[:] = rng.normal(size=(N, 2)) * [1.0, 3.0]
        self.x, self.y = np.array(x), x @ [0.5, -1.0] + rng.normal(size=N)
        self.model = self.made({"x": np.load(folder / "x.npy", mmap_mode="r"), "y": self.y})
        precision = self.x.T @ self.x + np.eye(2) / 100
        mean, cov = np.linalg.solve(precision, self.x.T @ self.y), np.linalg.inv(precision)
        self.approx = pymc3_vi.FullRank(model=self.model, random_seed=1)
        self.approx.shared_params["mu"].set_value(mean)
        self.approx.shared_params["L_tril"].set_value(np.linalg.cholesky(cov)[np.tril_indices(2)])
        leverage = np.einsum("ij,jk,ik->i", self.x, cov, self.x)
        away = (self.y - self.x @ mean) / (1 - leverage)
        self.scores = stats.norm.logpdf(away, 0.0, 1 / np.sqrt(1 - leverage))

    def made(self, columns):
        data = pymc3_vi.DataLoader(columns, 100, seed=1)
        with pymc3_vi.fast_build(), pm.Model() as model:
            b = pm.Normal("b", 0.0, 10.0, shape=2)
            pm.Normal("y", tt.dot(data["x"], b), 1.0, observed=data["y"], total_size=N)
        return model

    def likelihood(self, idata, rows):
        mu = idata.posterior["b"].values[0] @ self.x[rows].T
        return stats.norm.logpdf(self.y[rows], mu, 1.0)


@pytest.fixture(scope="module")
def regression(tmp_path_factory):
    return Regression(tmp_path_factory.mktemp("rows"))


@pytest.mark.parametrize("subsample", [None, 400])
def test_scores_by_sampling_are_those_of_all_rows(regression, subsample):
    found = pymc3_vi.loo(regression.approx, draws=1000, random_seed=1, subsample=subsample)
    assert found["subsample"] == (subsample or 4000) and found["n_data_points"] == N
    assert abs(found.iloc[0] - regression.scores.sum()) < 4 * found["subsampling_se"] + 0.5
    assert 0 < found["subsampling_se"] < 0.1 * found.iloc[1]
    assert found.iloc[1] == pytest.approx(np.sqrt(N * regression.scores.var()), rel=0.01)
    assert found["p_loo"] == pytest.approx(2.0, abs=0.6)
    each, rows = found["loo_i"].values, np.isfinite(found["pareto_k"].values)
    assert rows.sum() == found["subsample"] and each.sum() == pytest.approx(found.iloc[0])
    np.testing.assert_allclose(each[rows], regression.scores[rows], atol=0.02)
    assert "elpd" in str(found) and set(az.compare({"a": found, "b": found}).index) == {"a", "b"}


def test_bars_tell_rows_where_they_are_asked_for(regression, monkeypatch):
    shown = []
    monkeypatch.setattr(Progress, "update", lambda self, done, comment="": shown.append((comment, done, self.total)))
    pymc3_vi.loo(regression.approx, draws=100, random_seed=1, subsample=400, progressbar=True)
    assert shown[-1] == ("scores at all draws", 400, 400)
    assert ("scores at few draws", N, N) in shown and all(done <= total for _, done, total in shown)
    shown.clear()
    regression.approx.to_inference_data(5, log_likelihood=True, posterior_predictive=True, random_seed=1)
    assert ("log-likelihood of y", N, N) in shown and shown[-1] == ("rows with predictive draws", N, N)


def test_a_log_likelihood_that_would_be_large_is_that_of_a_sample(regression, monkeypatch):
    monkeypatch.setattr(_wanted_rows, "LARGEST", 1000)
    with pytest.warns(UserWarning, match=r"25,000 rows at 30 draws.*log_likelihood=True.*loo\(approx\)"):
        idata = regression.approx.to_inference_data(30, random_seed=1)
    found = idata.log_likelihood["y"]
    rows = found["y_row"].values
    assert found.shape == (1, 30, 4000) and idata.log_likelihood.attrs["rows"] == N
    assert idata.observed_data["y"].shape == (N,)
    np.testing.assert_allclose(found.values[0], regression.likelihood(idata, rows), rtol=1e-5, atol=1e-5)
    with pytest.raises(VariationalInferenceError, match=r"sample of rows.*loo\(approx\)"):
        pymc3_vi.loo(idata)


def test_all_rows_where_they_are_asked_for_in_a_file(regression, monkeypatch):
    whole = regression.approx.to_inference_data(20, log_likelihood=True, random_seed=1)
    everything = regression.likelihood(whole, np.arange(N))
    np.testing.assert_allclose(whole.log_likelihood["y"].values[0], everything, rtol=1e-5, atol=1e-5)
    monkeypatch.setattr(_stored, "LARGEST_IN_MEMORY", 1000)
    monkeypatch.setattr(_wanted_rows, "LARGEST", 1000)
    stored = regression.approx.to_inference_data(20, log_likelihood=True, random_seed=1)
    np.testing.assert_array_equal(stored.log_likelihood["y"].values, whole.log_likelihood["y"].values)


def test_rows_by_number(regression):
    rows = [24_000, 7, 3, 7]
    idata = regression.approx.to_inference_data(400, posterior_predictive=True, random_seed=1, rows=rows)
    rows = np.array([3, 7, 24_000])
    np.testing.assert_allclose(idata.log_likelihood["y"].values[0], regression.likelihood(idata, rows), rtol=1e-5)
    np.testing.assert_array_equal(idata.observed_data["y"].values, regression.y[rows])
    np.testing.assert_array_equal(idata.posterior_predictive["y_dim_0"].values, rows)
    mean = regression.x[rows] @ regression.approx.mean.eval()
    np.testing.assert_allclose(idata.posterior_predictive["y"].values[0].mean(0), mean, atol=5 / np.sqrt(400))


def test_predictions_of_all_rows_of_a_file(regression, monkeypatch):
    monkeypatch.setattr(_stored, "LARGEST_IN_MEMORY", 1000)
    idata = regression.approx.to_inference_data(3, posterior_predictive=True, log_likelihood=False, random_seed=1)
    away = idata.posterior_predictive["y"].values[0] - regression.x @ regression.approx.mean.eval()
    assert away.shape == (3, N) and away.std() == pytest.approx(1.0, abs=5 / np.sqrt(6 * N))
    assert abs(away.mean()) < 5 / np.sqrt(3 * N) + 0.05


@pytest.mark.parametrize("rows", [[-1, 2], [N], []])
def test_rows_that_are_not_there(regression, rows):
    with pytest.raises((ParametrizationError, ValueError), match="'rows' parameter of"):
        regression.approx.to_inference_data(5, rows=rows)


def test_rows_of_a_model_that_reads_none(biased):
    with pytest.raises(ParametrizationError, match=r"'rows' parameter of to_inference_data.*reads no such rows"):
        biased.to_inference_data(5, rows=[0])


def test_rows_of_a_model_of_few(regression):
    small = {"x": regression.x[:300], "y": regression.y[:300]}
    model = regression.made(small)
    approx = pymc3_vi.MeanField(model=model, random_seed=1)
    idata = approx.to_inference_data(5, rows=[4, 9])
    np.testing.assert_allclose(
        idata.log_likelihood["y"].values[0], regression.likelihood(idata, [4, 9]), rtol=1e-4, atol=1e-4
    )
