"""What PyMC3's notebook "Variational API quickstart" does, at reduced size.

Old notebooks say ``import pymc3 as pm`` and run as they are after ``install()``; the answers are checked.
"""

import pymc3_vi

import arviz as az
import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def installed():
    """With our names in ``pymc3``; models are built without a compiler, which is what takes the time."""
    np.random.seed(42)
    pm.set_tt_rng(42)
    with pymc3_vi.install(), pymc3_vi.fast_build():
        yield
    assert theano.config.compute_test_value == "off"


# ---------------------------------------------------------------- the quickstart
@pytest.fixture
def mixture():
    """Two narrow normals with weights 0.2 and 0.8, and expressions of the variable."""
    with pm.Model() as model:
        x = pm.NormalMixture("x", w=pm.floatX([0.2, 0.8]), mu=pm.floatX([-0.3, 0.5]), sigma=pm.floatX([0.1, 0.1]))
        pm.Deterministic("x2", x**2)
        pm.Deterministic("sin_x", pm.math.sin(x))
    return model


def test_fit_track_refine_and_sample(mixture):
    """Mean field takes one of the two components, with its mean and sd."""
    with mixture:
        inference = pm.ADVI()
        approx = inference.approx
        tracker = pm.callbacks.Tracker(mean=approx.mean.eval, std=approx.std.eval)
        assert inference.fit(2000, callbacks=[tracker], progressbar=False) is approx
        assert len(tracker["mean"]) == len(tracker["std"]) == 2000
        inference.refine(1000, progressbar=False)  # with the callbacks of the fit
        trace = approx.sample(2000)
    assert len(tracker["mean"]) == len(inference.hist) == 3000
    centre = min([-0.3, 0.5], key=lambda mode: abs(mode - trace["x"].mean()))
    assert trace["x"].mean() == pytest.approx(centre, abs=0.02) and trace["x"].std() == pytest.approx(0.1, rel=0.1)
    np.testing.assert_allclose(trace["x2"], trace["x"] ** 2)
    np.testing.assert_allclose(trace["sin_x"], np.sin(trace["x"]))
    assert az.summary(trace, kind="stats").loc["x", "mean"] == pytest.approx(centre, abs=0.02)


def test_particles_find_both_components_and_expressions_are_sampled(mixture):
    with mixture:
        approx = pm.fit(
            300,
            method="svgd",
            inf_kwargs=dict(n_particles=200),
            obj_optimizer=pm.sgd(learning_rate=0.01),
            progressbar=False,
        )
        draws = approx.sample(2000)["x"]
    assert (draws < 0.1).mean() > 0.02 and (draws > 0.1).mean() > 0.5
    a = tt.scalar("a")
    node = a * mixture["x"] + mixture["x2"]  # of a variable outside of the model, too
    evaluated = approx.sample_node(node, size=500).eval({a: 2.0})
    assert evaluated.shape == (500,) and evaluated.std() > 0
    fixed = approx.sample_node(node, deterministic=False, more_replacements={a: np.array(0.0)}, size=500).eval()
    assert fixed.min() >= 0
    assert approx.apply_replacements(node).ndim == 0
    mean = approx.sample_node(mixture["x"], size=2000).mean(0).eval()  # steps of this rate throw some particles far
    assert mean == pytest.approx(approx.mean.eval()[0], abs=4 * draws.std() / np.sqrt(2000))


def test_a_trace_becomes_an_empirical_approximation(mixture):
    with mixture:
        trace = pm.fit(500, progressbar=False).sample(300)
        approx = pm.Empirical(trace)
        again = approx.sample(1000)["x"]
    assert set(np.unique(again)) <= set(np.unique(trace["x"]))


@pytest.fixture(scope="module")
def flowers():
    """Three classes of 4 measurements each, apart in two of them."""
    rng = np.random.RandomState(1)
    centres = np.array([[5.0, 3.4, 1.5, 0.2], [5.9, 2.8, 4.3, 1.3], [6.6, 3.0, 5.6, 2.0]])
    y = np.repeat(np.arange(3), 40)
    x = centres[y] + rng.normal(size=(120, 4)) * [0.4, 0.3, 0.3, 0.2]
    order = rng.permutation(120)
    return x[order[:84]], x[order[84:]], y[order[:84]], y[order[84:]]


def test_accuracy_on_new_data_is_tracked_symbolically(flowers):
    """The cell that failed on test values: expressions are built outside of the model's context, after it."""
    x_train, x_test, y_train, y_test = flowers
    with pm.Model() as model:
        x, y = theano.shared(x_train), theano.shared(y_train)
        slope = pm.Normal("b", 0, sigma=1e2, shape=(4, 3))
        offset = pm.Normal("a", 0, sigma=1e4, shape=(3,))
        p = tt.nnet.softmax(x.dot(slope) + offset)
        pm.Categorical("obs", p=p, observed=y)
    with model:
        inference = pm.SVGD(n_particles=60, jitter=1)
        approx = inference.approx
        test_probs = approx.sample_node(p, more_replacements={x: x_test}, size=20)
        train_probs = approx.sample_node(p)
    test_accuracy = tt.eq(test_probs.argmax(-1), y_test).mean(-1)
    train_accuracy = tt.eq(train_probs.argmax(-1), y_train).mean(-1)
    tracker = pm.callbacks.Tracker(test=test_accuracy.eval, train=train_accuracy.eval)
    inference.fit(150, callbacks=[tracker], progressbar=False)
    assert np.shape(tracker["test"]) == (150, 20) and np.shape(tracker["train"]) == (150,)
    assert np.mean(tracker["test"][-20:]) > 0.9 and np.mean(tracker["train"][-20:]) > 0.9


def _columns(rows=2000, d=5):
    rng = np.random.RandomState(3)
    return rng.rand(rows, d) * rng.randint(1, 10, size=d) + rng.rand(d) * 10


def test_a_callback_stops_a_fit():
    data = _columns()

    def stop_after_10(approx, losses, i):
        if i > 0 and i % 10 == 0:
            raise StopIteration("enough")

    with pm.Model():
        mu, sd = pm.Flat("mu", shape=(5,)), pm.HalfNormal("sd", shape=(5,))
        pm.Normal("lik", mu, sd, observed=data)
        approx = pm.fit(callbacks=[stop_after_10], progressbar=False)
    assert len(approx.hist) == 10


@pytest.mark.filterwarnings("ignore::pymc3_vi.errors.ConvergenceWarning")
def test_minibatches_with_the_shape_of_the_data():
    data = _columns()
    batch = pm.Minibatch(data, batch_size=200)
    with pm.Model():
        mu, sd = pm.Flat("mu", shape=(5,)), pm.HalfNormal("sd", shape=(5,))
        pm.Normal("lik", mu, sd, observed=batch, total_size=data.shape)
        approx = pm.fit(progressbar=False)
    trace = approx.sample(1000)
    assert 0 < len(approx.hist) == approx.report.steps <= 10000 and np.isfinite(approx.hist).all()
    np.testing.assert_allclose(trace["mu"].mean(0), data.mean(0), atol=4 * data.std(0).max() / np.sqrt(2000))
    np.testing.assert_allclose(trace["sd"].mean(0), data.std(0), rtol=0.1)


# ---------------------------------------------------------------- autoregressions
def _autoregression(coefficients, sd, size, centre=0.0):
    """The last `size` of twice as many values."""
    y = np.zeros(2 * size)
    for t in range(len(coefficients), len(y)):
        lags = y[t - len(coefficients) : t][::-1]
        y[t] = np.dot(coefficients, lags) + np.random.normal(centre, sd)
    return y[-size:]


NUTS = dict(tune=60, chains=2, cores=1, random_seed=3, progressbar=False, return_inferencedata=False)


@pytest.mark.filterwarnings("ignore::pymc3_vi.errors.NonFiniteDrawsWarning")
def test_a_first_order_process_near_the_edge_is_fitted_and_sampled():
    """Begun at 0 with q's sd of 0.7, where beyond 1 there is no density; the last q still reaches over it."""
    y = _autoregression([0.95], 2.0, 100)
    with pm.Model() as model:
        theta, tau = pm.Normal("theta", 0.0, 1.0), pm.Exponential("tau", 0.5)
        centre = pm.Normal("centre", mu=0.0, sigma=1.0)
        pm.AR1("y", k=theta, tau_e=tau, observed=y - centre)
        approx = pm.fit(3000, obj_optimizer=pm.adagrad_window, random_seed=2, progressbar=False)
        starts = list(approx.sample(200))
        trace = pm.sample(60, init="advi+adapt_diag", n_init=3000, max_treedepth=4, **NUTS)
    assert approx.mean.eval()[0] + approx.std.eval()[0] > 1.0
    logp = model.logp  # compiled by each access
    assert all(np.isfinite(logp(start)) for start in starts)
    least_squares = y[:-1].dot(y[1:]) / y[:-1].dot(y[:-1])
    assert trace["theta"].max() < 1.0 and trace["theta"].mean() == pytest.approx(least_squares, abs=0.1)
    assert trace["tau"].mean() == pytest.approx(0.25, rel=0.5)


def test_a_second_order_process_is_fitted_and_sampled():
    """Its coefficients as a list of two variables."""
    y = _autoregression([0.9, -0.3], 1.0, 200)
    with pm.Model():
        theta = [pm.Normal("theta0", 0.0, 1.0), pm.Uniform("theta1", -1.0, 1.0)]
        pm.AR("y", theta, sigma=pm.HalfNormal("sigma", 3.0), observed=y)
        approx = pm.fit(progressbar=False, random_seed=1)
        trace = pm.sample(60, init="advi", n_init=1000, **NUTS)
    lags = np.column_stack([y[1:-1], y[:-2]])
    right = np.linalg.solve(lags.T.dot(lags) + np.eye(2), lags.T.dot(y[2:]))
    for draws in (approx.sample(2000, random_seed=1), trace):
        values = [draws["theta0"], draws["theta1"]]
        np.testing.assert_allclose([np.mean(v) for v in values], right, atol=0.06)
        assert draws["sigma"].mean() == pytest.approx(1.0, abs=0.2)
