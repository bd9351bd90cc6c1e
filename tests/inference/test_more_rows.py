"""More rows later: a fit goes on with new ones, and ends at the posterior of all."""

import signal

import pymc3_vi
from pymc3_vi.errors import (
    DataError,
    FileFormatError,
    OtherDataError,
    ParametrizationError,
    StartError,
    VariationalInferenceError,
)
from pymc3_vi.model import GaussianPrior, ModelView

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt
from scipy import stats

N, K, NOISE, BATCH = 3000, 3, 0.7, 100
QUIET = dict(progressbar=False)


class Linear:
    """Regression on strongly correlated predictors, with noise of a known size: its posterior is known."""

    def __init__(self):
        rng = np.random.default_rng(3)
        self.x = rng.normal(size=(N, K)) @ (np.eye(K) + 0.8 * rng.normal(size=(K, K)))
        self.y = self.x @ np.array([1.0, -2.0, 0.5]) + NOISE * rng.normal(size=N)
        self.precision = self.x.T @ self.x / NOISE**2 + np.eye(K) / 100.0
        self.mean = np.linalg.solve(self.precision, self.x.T @ self.y / NOISE**2)
        self.cov = np.linalg.inv(self.precision)

    def rows(self, begin, end):
        return {"x": self.x[begin:end], "y": self.y[begin:end]}

    def model(self, end):
        """Of a loader of the first rows."""
        data = pymc3_vi.DataLoader(self.rows(0, end), BATCH, seed=1)
        return _model(data["x"], data["y"], end)


def _model(x, y, total):
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("obs", tt.dot(x, pm.Normal("b", 0.0, 10.0, shape=K)), NOISE, observed=y, total_size=total)
    return model


@pytest.fixture(scope="module")
def linear():
    return Linear()


@pytest.fixture(scope="module")
def half(linear):
    return linear.model(1500)


def _fit(model, method="fullrank_advi", **kwargs):
    return pymc3_vi.fit(500, method, model=model, random_seed=1, **QUIET, **kwargs)


def test_a_stream_of_rows_ends_at_the_posterior_of_all(linear, half):
    """Five refinements, by a dict, a loader, a single row, and a tuple's worth of other types."""
    approx = _fit(half)
    steps = 500
    for begin, end in ((1500, 2000), (2000, 2001), (2001, 2500), (2500, 2502), (2502, 3000)):
        rows = linear.rows(begin, end)
        if begin == 2001:
            rows = pymc3_vi.DataLoader(dict(rows, unused=np.ones(end - begin)), 50, seed=2)
        assert approx.refine(400, data=rows, **QUIET) is approx
        steps += 400
    sd = np.sqrt(np.diag(linear.cov))
    np.testing.assert_allclose(approx.mean.eval() / sd, linear.mean / sd, atol=2e-3)
    np.testing.assert_allclose(approx.cov.eval() / np.outer(sd, sd), linear.cov / np.outer(sd, sd), atol=2e-3)
    assert len(approx.hist) == steps and len(approx.report.runs) == 6
    assert "498 in refinement 5, after 2,502: 3,000 in all" in approx.report.options["algorithm"]


def test_means_of_mean_field_are_those_of_all_rows(linear, half):
    """The correlations that q leaves out are not forgotten, nor counted twice."""
    approx = _fit(half, "advi")
    for begin, end in ((1500, 1600), (1600, 3000)):
        approx.refine(500, data=linear.rows(begin, end), **QUIET)
    sd = 1 / np.sqrt(np.diag(linear.precision))
    np.testing.assert_allclose(approx.mean.eval() / sd, linear.mean / sd, atol=0.02)
    np.testing.assert_allclose(approx.std.eval(), sd, rtol=0.01)


def test_everything_afterwards_is_of_the_new_rows_and_their_prior(linear, half):
    approx = _fit(half)
    mean, cov = approx.mean.eval(), approx.cov.eval()
    x, y = linear.x[1500:], linear.y[1500:]
    approx.refine(500, data={"x": x, "y": y}, **QUIET)
    # Evidence of the new rows given those before: a Gaussian.
    spread = x @ cov @ x.T + NOISE**2 * np.eye(len(y))
    evidence = stats.multivariate_normal(x @ mean, spread).logpdf(y)
    report = approx.diagnose(1000)
    assert report.khat < 0.5 and report.elbo == pytest.approx(evidence, abs=0.05)
    assert -approx.hist[-1] == pytest.approx(evidence, abs=0.05)
    result = approx.to_inference_data(20, posterior_predictive=True, random_seed=1)
    np.testing.assert_array_equal(result.observed_data["obs"], y)
    z = result.posterior["b"].values[0]
    expected = stats.norm(z @ x.T, NOISE).logpdf(y)
    np.testing.assert_allclose(result.log_likelihood["obs"][0], expected, rtol=1e-6)
    drawn = result.posterior_predictive["obs"].values[0]
    assert np.std(drawn - z @ x.T) == pytest.approx(NOISE, rel=0.02)
    assert pymc3_vi.loo(approx, draws=500).n_data_points == 1500


@pytest.mark.slow
def test_logistic_regression_is_that_of_all_rows():
    rng = np.random.default_rng(7)
    x = rng.normal(size=(N, K))
    y = (rng.random(N) < 1 / (1 + np.exp(-x @ np.array([1.0, -0.5, 0.3])))).astype("int64")

    def fitted(end):
        data = pymc3_vi.DataLoader({"x": x[:end], "y": y[:end]}, BATCH, seed=1)
        with pymc3_vi.fast_build(), pm.Model() as model:
            b = pm.Normal("b", 0.0, 10.0, shape=K)
            pm.Bernoulli("obs", logit_p=tt.dot(data["x"], b), observed=data["y"], total_size=end)
        return _fit(model, "advi")

    whole, approx = fitted(N), fitted(1500)
    for begin in (1500, 2000, 2500):
        approx.refine(500, data={"x": x[begin : begin + 500], "y": y[begin : begin + 500]}, **QUIET)
    sd = whole.std.eval()
    np.testing.assert_allclose(approx.mean.eval() / sd, whole.mean.eval() / sd, atol=0.05)
    np.testing.assert_allclose(approx.std.eval(), sd, rtol=0.05)


@pytest.mark.parametrize("kind", ["minibatch", "data"])
def test_minibatches_and_data_containers_take_new_rows(linear, kind):
    old, new = linear.rows(0, 1500), linear.rows(1500, N)
    if kind == "minibatch":
        x, y = (pm.Minibatch(old[name], BATCH) for name in "xy")
        model, rows = _model(x, y, 1500), {x: pm.Minibatch(new["x"], 50), y: new["y"]}
    else:
        with pm.Model() as model:
            x, y = pm.Data("x", old["x"]), pm.Data("y", old["y"])
        with model, pymc3_vi.fast_build():
            pm.Normal("obs", tt.dot(x, pm.Normal("b", 0.0, 10.0, shape=K)), NOISE, observed=y)
        rows = new
    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    inference.fit(500, **QUIET)
    inference.refine(500, data=rows, **QUIET)
    approx, sd = inference.approx, 1 / np.sqrt(np.diag(linear.precision))
    np.testing.assert_allclose(approx.mean.eval() / sd, linear.mean / sd, atol=0.02)
    assert len(inference.hist) == len(approx.hist) == 1000
    before = approx.mean.eval()
    inference.refine(500, **QUIET)  # more steps of the same
    np.testing.assert_allclose(approx.mean.eval() / sd, before / sd, atol=0.01)
    assert approx.to_inference_data(10).observed_data["obs"].shape == (1500,)


def test_rows_that_do_not_fit_are_refused_and_change_nothing(linear, half):
    approx = _fit(half)
    before, new = approx.mean.eval(), linear.rows(1500, 1600)
    for data, said in (
        ({"x": new["x"]}, "has no column 'y'"),
        ({"X": new["x"], "Y": new["y"]}, "columns of the model"),
        (dict(new, x=new["x"][:, :2]), r"column 'x'.*shape \(3,\)"),
        (dict(new, y=new["y"][:50]), "as many rows"),
        ({tt.vector("z"): new["y"]}, "no minibatch"),
    ):
        with pytest.raises(DataError, match=said):
            approx.refine(100, data=data, **QUIET)
    with pytest.raises(StartError, match="obs"):
        approx.refine(100, data=dict(new, y=np.full(100, np.nan)), **QUIET)
    np.testing.assert_array_equal(approx.mean.eval(), before)
    assert len(approx.hist) == 500 and not approx.view.replaced
    approx.refine(300, data=linear.rows(1500, N), **QUIET)
    approx.refine(50, **QUIET)  # more steps on the same rows
    sd = np.sqrt(np.diag(linear.cov))
    np.testing.assert_allclose(approx.mean.eval() / sd, linear.mean / sd, atol=2e-3)
    assert len(approx.hist) == 850


def test_what_cannot_have_new_rows(linear, half):
    with pytest.raises(VariationalInferenceError, match="not been fitted"):
        pymc3_vi.MeanField(model=half).refine(10, data=linear.rows(0, 9))
    flow = pymc3_vi.NormalizingFlow(model=half)
    flow.hist = np.zeros(1)
    with pytest.raises(ParametrizationError, match="advi"):
        flow.refine(10, data=linear.rows(0, 9))
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("y", pm.Normal("mu"), 1.0, observed=np.zeros(3))
    fixed = pymc3_vi.MeanField(model=model)
    fixed.hist = np.zeros(1)
    with pytest.raises(ParametrizationError, match=r"pm\.Data"):
        fixed.refine(10, data=np.zeros(3))


def test_a_refinement_in_a_file(linear, half, tmp_path):
    """Draws need no rows; a refinement goes on from them; what judges q asks for them."""
    path, rows = tmp_path / "fit.npz", linear.rows(1500, 2500)
    approx = _fit(half, "advi")
    approx.refine(300, data=rows, **QUIET)
    approx.save(path)
    alone, whole = pymc3_vi.load(path, half), pymc3_vi.load(path, half, data=rows)
    with pytest.raises(OtherDataError, match="1,000 rows of refinement 1"):
        alone.diagnose()
    assert whole.fitted_to.changes() == [] and whole.view.told == approx.view.told
    with pytest.raises(FileFormatError, match="other rows"):
        pymc3_vi.load(path, half, data=linear.rows(1500, 2499))
    alone.save(tmp_path / "again.npz")
    again = pymc3_vi.load(tmp_path / "again.npz", half)
    assert again.left_rows["before"] == [1500] and again.left_rows["rows"] == 1000
    whole.refine(300, data=linear.rows(2500, N), **QUIET)
    sd = 1 / np.sqrt(np.diag(linear.precision))
    np.testing.assert_allclose(whole.mean.eval() / sd, linear.mean / sd, atol=0.02)
    again.refine(300, data=linear.rows(2500, N), **QUIET)
    assert "500 in refinement 2, after 2,500: 3,000 in all" in again.report.options["algorithm"]


def test_a_killed_refinement_resumes_to_the_same_bits(linear, half, tmp_path):
    path, rows = tmp_path / "fit.npz", linear.rows(1500, N)

    def fitted():
        inference = pymc3_vi.ADVI(model=half, random_seed=1)
        inference.fit(200, **QUIET)
        return inference

    straight = fitted()
    straight.refine(100, data=rows, **QUIET)
    killed = fitted()
    checkpoint = pymc3_vi.Checkpoint(every=5, path=path)

    def kill(approx, losses, i):
        if i == 217:  # amid the second pass
            raise RuntimeError("killed")

    killed.state = killed.state._replace(callbacks=[checkpoint, kill])
    with pytest.raises(RuntimeError):
        killed.refine(100, data=rows, **QUIET)
    with pytest.raises(FileFormatError, match="Pass them"):
        pymc3_vi.Inference.load(path, half)
    resumed = pymc3_vi.Inference.load(path, half, data=rows)
    resumed.resume(**QUIET)
    np.testing.assert_array_equal(resumed.approx.mean.eval(), straight.approx.mean.eval())
    np.testing.assert_array_equal(resumed.hist, straight.hist)


def test_ctrl_c_during_a_refinement(linear, half):
    """It can be ended; the next rows wait for that."""
    inference = pymc3_vi.FullRankADVI(model=half, random_seed=1)
    inference.fit(200, **QUIET)

    def interrupt(approx, losses, i):
        if i == 210:
            signal.raise_signal(signal.SIGINT)

    inference.state = inference.state._replace(callbacks=[interrupt])
    inference.refine(200, data=linear.rows(1500, N), **QUIET)
    assert inference.report.reason == "interrupted"
    with pytest.raises(VariationalInferenceError, match="Let it end"):
        inference.approx.refine(data=linear.rows(0, 10), **QUIET)
    inference.resume(callbacks=[], **QUIET)
    sd = np.sqrt(np.diag(linear.cov))
    np.testing.assert_allclose(inference.approx.mean.eval() / sd, linear.mean / sd, atol=2e-3)


def test_gaussian_priors_have_the_density_of_their_precision(half):
    rng = np.random.default_rng(5)
    free = ModelView(half).free
    point, mean, few = rng.normal(size=K), rng.normal(size=K), np.array([1])
    root = np.tril(rng.normal(size=(K, K))) + 2 * np.eye(K)
    arrow = np.array([[2.0, 0.0, 3.0], [0.4, 1.5, -0.7]])  # D and, below it, P and B
    pull = np.array([0.4, 0.0, -0.7])
    precision = np.diag([2.0, 0.0, 3.0])
    precision[1] = precision[:, 1] = precision @ pull
    precision[1, 1] = 1.5 + pull @ np.diag([2.0, 0.0, 3.0]) @ pull
    cases = [
        (np.array([1.0, 2.0, 0.5]), None, np.diag([1.0, 4.0, 0.25])),
        (root, None, root @ root.T),
        (arrow, few, precision),
    ]
    for factor, of_few, expected in cases:
        node = GaussianPrior(["b"], mean, factor, of_few).node(free)
        value = theano.function(free, node, mode=theano.Mode("py", "fast_compile"))(point)
        assert value == pytest.approx(stats.multivariate_normal(mean, np.linalg.inv(expected)).logpdf(point))
