"""What is refused, and what works, after the model's data were changed for predictions."""

import warnings

import pymc3_vi
from pymc3_vi.errors import OtherDataError

import numpy as np
import pymc3 as pm
import pytest
import theano

RNG = np.random.RandomState(0)
X = RNG.normal(size=100)
Y = 2 * X + 1 + 0.5 * RNG.normal(size=100)
NEW = np.array([10.0, 20.0, 30.0])
PREDICTED = 2 * NEW + 1


class Problem:
    """Regression on ``pm.Data``, or on shared variables without names."""

    def __init__(self, named):
        with pymc3_vi.fast_build(), pm.Model() as self.model:
            x, y = (pm.Data("x", X), pm.Data("y_data", Y)) if named else (theano.shared(X), theano.shared(Y))
            a, b, s = pm.Normal("a", 0, 5), pm.Normal("b", 0, 5), pm.HalfNormal("s", 2)
            self.mu = pm.Deterministic("mu", a + b * x)
            self.y = pm.Normal("y", self.mu, s, observed=y)
        self.shared = x, y
        self.approx = pymc3_vi.fit(3000, model=self.model, random_seed=1, progressbar=False)

    def set(self, x, y):
        """Other data, as ``pm.set_data`` does."""
        for variable, value in zip(self.shared, (x, y)):
            variable.set_value(np.asarray(value, dtype=variable.dtype))


@pytest.fixture(scope="module", params=[True, False], ids=["pm.Data", "shared"])
def problem(request):
    return Problem(request.param)


@pytest.fixture(params=["both", "x alone", "other values"])
def changed(problem, request):
    new = {"both": (NEW, np.zeros(3)), "x alone": (NEW, Y), "other values": (X + 9, Y)}
    problem.set(*new[request.param])
    yield problem.approx
    problem.set(X, Y)


@pytest.mark.parametrize("call", [
    lambda approx: approx.diagnose(draws=200),
    lambda approx: approx.sample(10, correct="psis"),
    lambda approx: approx.expectation("a", draws=200),
    lambda approx: approx.summary(200, correct="psis"),
    lambda approx: approx.to_inference_data(10, correct="psis"),
    lambda approx: approx.lrvb_cov(),
    lambda approx: pymc3_vi.loo(approx, draws=100),
], ids=["diagnose", "sample", "expectation", "summary", "to_inference_data", "lrvb_cov", "loo"])  # fmt: skip
def test_what_rests_on_the_data_of_the_fit_is_refused(changed, call):
    with pytest.raises(OtherDataError, match=r"not those of the fit: .*posterior_predictive=True"):
        call(changed)


def test_the_message_names_them(problem):
    problem.set(NEW, np.zeros(3))
    try:
        with pytest.raises(OtherDataError) as caught:
            problem.approx.diagnose()
    finally:
        problem.set(X, Y)
    words = "'x' (shape (100,), now (3,))" if problem.shared[0].name else "a shared variable without a name (shape"
    assert words in str(caught.value)


def test_predictions_are_for_the_new_data(problem):
    problem.set(NEW, np.zeros(3))
    try:
        with pytest.warns(UserWarning, match="Draws and predictions are for the new data"):
            idata = problem.approx.to_inference_data(400, posterior_predictive=True, random_seed=1)
        with warnings.catch_warnings():  # who asks for predictions alone misses nothing
            warnings.simplefilter("error")
            problem.approx.to_inference_data(5, posterior_predictive=True, log_likelihood=False, random_seed=1)
        node = problem.approx.sample_node(problem.mu, size=400).eval()
        table = problem.approx.summary(400, random_seed=1)
    finally:
        problem.set(X, Y)
    drawn = idata.posterior_predictive["y"].values[0]
    assert drawn.shape == (400, 3) and idata.posterior["mu"].shape == (1, 400, 3)
    sd = 0.06 * NEW  # of the slope, times the predictor
    np.testing.assert_array_less(np.abs(drawn.mean(0) - PREDICTED), 4 * sd)
    np.testing.assert_array_less(np.abs(node.mean(0) - PREDICTED), 4 * sd)
    assert set(idata.groups()) <= {"posterior", "posterior_predictive", "constant_data"}
    assert "mu[2]" in table.index and "not those of the fit" in table.note


def test_data_that_are_put_back_are_the_same(problem):
    problem.set(NEW, np.zeros(3))
    problem.set(X.copy(), Y.copy())
    assert problem.approx.diagnose(draws=500, random_seed=1).usable


def test_a_further_fit_is_one_to_the_new_data():
    problem = Problem(True)
    problem.set(X + 1, Y)
    inference = pymc3_vi.ADVI(model=problem.model, random_seed=1)
    approx = inference.fit(500, progressbar=False)
    assert approx.diagnose(draws=500, random_seed=1).draws >= 500
    with pytest.raises(OtherDataError):
        problem.approx.diagnose()


def test_loaded_fits_know_their_data(problem, tmp_path):
    path = tmp_path / "fit.npz"
    problem.approx.save(path)
    assert pymc3_vi.load(path, problem.model).diagnose(draws=500, random_seed=1).usable
    problem.set(X, Y + 1)
    try:
        if problem.shared[0].name is not None:
            other = pymc3_vi.load(path, problem.model, same_data=False)
            with pytest.raises(OtherDataError, match="has other observed values"):
                other.diagnose()
    finally:
        problem.set(X, Y)


def test_particles_and_dadvi_know_their_data(problem):
    for approx in (
        pymc3_vi.fit(20, "svgd", problem.model, inf_kwargs={"n_particles": 20}, progressbar=False),
        pymc3_vi.fit(50, "dadvi", problem.model, random_seed=1, progressbar=False),
    ):
        problem.set(X + 9, Y)
        try:
            with pytest.raises(OtherDataError):
                approx.diagnose()
        finally:
            problem.set(X, Y)


# ---------------------------------------------------------------- observed nodes
def test_nodes_of_observed_values_are_pointed_out(problem, recwarn):
    approx = problem.approx
    for node in (problem.y, problem.y * 2, [problem.mu, problem.y.sum()]):
        with pytest.warns(UserWarning, match="holds the observed values of y, not predictions"):
            approx.sample_node(node, size=3)
    recwarn.clear()
    approx.sample_node(problem.mu, size=3)
    approx.sample_node(problem.model.logpt)  # depends on both
    approx.sample_node([problem.y - problem.mu])
    assert not [w for w in recwarn if "observed values" in str(w.message)]
