"""The Newton rule from the front door: exact where the truth is known, and a good citizen of the loop."""

import pymc3_vi
from pymc3_vi.algorithms import Newton
from pymc3_vi.compiler import compile_count
from pymc3_vi.diagnostics import PointDensity
from pymc3_vi.errors import NonFiniteDrawsWarning, NonFiniteError

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt
from scipy import stats

D = 4


@pytest.fixture(scope="module")
def gaussian():
    """A Gaussian target whose widths differ by 1e6, strongly correlated, far from the test point."""
    random = np.random.RandomState(3)
    widths = np.array([1e-3, 1.0, 30.0, 1e3])
    root = np.tril(random.normal(0, 1, (D, D))) + 2 * np.eye(D)
    cov = widths[:, None] * root.dot(root.T) * widths
    mean = np.array([0.5, -40.0, 1e4, 3e5])
    with pymc3_vi.fast_build(), pm.Model() as model:
        z = pm.Flat("z", shape=D)
        precision = np.linalg.inv(cov)
        pm.Potential("target", -0.5 * tt.dot(z - mean, tt.dot(precision, z - mean)))
    model.mean, model.cov, model.precision = mean, cov, 0.5 * (precision + precision.T)
    return model


def _fit(model, n=300, method="advi", **kwargs):
    kwargs.setdefault("random_seed", 1)
    return pymc3_vi.fit(n, method=method, model=model, progressbar=False, **kwargs)


def test_full_rank_finds_the_exact_covariance(gaussian):
    approx = _fit(gaussian, method="fullrank_advi")
    sd = np.sqrt(np.diag(gaussian.cov))
    np.testing.assert_allclose((approx.mean.get_value() - gaussian.mean) / sd, 0, atol=1e-6)
    np.testing.assert_allclose(approx.cov.eval() / np.outer(sd, sd), gaussian.cov / np.outer(sd, sd), atol=1e-6)


def test_mean_field_finds_the_inverse_diagonal_of_the_precision(gaussian):
    approx = _fit(gaussian)
    expected = 1 / np.sqrt(np.diag(gaussian.precision))
    np.testing.assert_allclose((approx.mean.get_value() - gaussian.mean) / expected, 0, atol=1e-5)
    np.testing.assert_allclose(approx.std.eval() / expected, 1, rtol=1e-5)


def test_groups_get_the_inverse_of_their_blocks_of_the_precision(gaussian):
    with pymc3_vi.fast_build(), pm.Model():
        a, b = pm.Flat("a", shape=2), pm.Flat("b", shape=2)
        away = tt.concatenate([a, b]) - gaussian.mean
        pm.Potential("target", -0.5 * tt.dot(away, tt.dot(gaussian.precision, away)))
        groups = [pymc3_vi.Group([a], vfam="fr", random_seed=1), pymc3_vi.Group([b], vfam="mf", random_seed=1)]
        approx = pymc3_vi.KLqp(pymc3_vi.Approximation(groups)).fit(300, progressbar=False)
    cov = approx.cov.eval()
    expected = np.zeros((D, D))
    expected[:2, :2] = np.linalg.inv(gaussian.precision[:2, :2])
    expected[2:, 2:] = np.diag(1 / np.diag(gaussian.precision)[2:])
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(cov / scale, expected / scale, atol=1e-5)


@pytest.fixture(scope="module")
def skewed():
    """Log of a Gamma(3, 1) variable, whose mean-field optimum is known: E_q[e^x] = 3 and sigma^2 = 1/3."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        x = pm.Flat("x")
        pm.Potential("target", 3.0 * x - tt.exp(x))
    model.sigma = np.sqrt(1 / 3.0)
    model.mu = np.log(3.0) - model.sigma**2 / 2
    return model


@pytest.mark.parametrize("n, draws", [(2000, 1), (10000, 1), (500, 10)])
def test_optimum_of_a_skewed_target(skewed, n, draws):
    approx = _fit(skewed, n, obj_n_mc=draws)
    assert isinstance(pymc3_vi.ADVI(model=skewed).objective.approx, pymc3_vi.MeanField)
    assert abs(approx.mean.get_value()[0] - skewed.mu) < 0.01 * skewed.sigma
    assert approx.std.eval()[0] == pytest.approx(skewed.sigma, rel=0.01)
    # the loss is the negative ELBO at the parameters of its step
    m, s = skewed.mu, skewed.sigma
    elbo = 3 * m - np.exp(m + s**2 / 2) + 0.5 * np.log(2 * np.pi * np.e * s**2)
    tail = approx.hist[len(approx.hist) // 2 :]
    assert abs(tail.mean() + elbo) < 5 * tail.std() / np.sqrt(len(tail))


def test_beta_weights_the_divergence_from_the_prior():
    """With weight beta on KL(q || prior) a conjugate posterior is that of the likelihood to the power 1 / beta."""
    y, beta = np.array([1.0, 2.0, 4.0]), 2.5
    with pymc3_vi.fast_build(), pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 1.0)
        pm.Normal("y", mu, 1.0, observed=y)
    approx = pymc3_vi.KLqp(pymc3_vi.MeanField(model=model, random_seed=1), beta=beta).fit(300, progressbar=False)
    precision = 1 + len(y) / beta
    assert approx.mean.get_value()[0] == pytest.approx(y.sum() / beta / precision, rel=1e-5)
    assert approx.std.eval()[0] == pytest.approx(precision**-0.5, rel=1e-5)


def test_same_seed_same_result_whatever_the_chunks(skewed):
    plain = _fit(skewed, 700)
    watched = _fit(skewed, 700, callbacks=[lambda approx, losses, i: None])
    np.testing.assert_array_equal(plain.hist, watched.hist)
    np.testing.assert_array_equal(plain.mean.get_value(), watched.mean.get_value())
    assert (_fit(skewed, 700, random_seed=2).hist != plain.hist).any()


def test_a_second_fit_goes_on_and_compiles_nothing(skewed):
    inference = pymc3_vi.ADVI(model=skewed, random_seed=1)
    inference.fit(500, progressbar=False)
    step, before = inference.state.step, compile_count()
    assert isinstance(step, Newton)
    evaluations = step.warm_evaluations
    inference.fit(4000, progressbar=False, tol=None)
    inference.refine(100, progressbar=False)
    assert inference.state.step is step and compile_count() == before
    assert len(inference.hist) == 4600 and step.warm_evaluations == evaluations
    assert inference.approx.std.eval()[0] == pytest.approx(skewed.sigma, rel=0.005)


def test_parameters_set_by_hand_are_a_new_start(skewed):
    inference = pymc3_vi.ADVI(model=skewed, random_seed=1)
    inference.fit(500, progressbar=False)
    inference.approx.params[0].set_value(np.array([5.0]))
    inference.fit(500, progressbar=False)
    assert abs(inference.approx.mean.get_value()[0] - skewed.mu) < 0.02


def test_the_result_is_an_average_and_callbacks_see_iterates(skewed):
    seen = []
    inference = pymc3_vi.ADVI(model=skewed, random_seed=1)
    inference.fit(2000, progressbar=False, callbacks=[lambda a, losses, i: seen.append(a.mean.get_value()[0])])
    mu = inference.approx.mean
    assert inference.last_iterate[mu][0] == seen[-1]
    assert min(seen[32:]) < mu.get_value()[0] < max(seen[32:]) and mu.get_value()[0] != seen[-1]


def test_no_steps_change_nothing(skewed):
    assert _fit(skewed, 0, start={"x": 2.5}).mean.get_value() == pytest.approx([2.5])


def test_an_interrupt_in_the_warm_start_ends_cleanly(skewed, interrupted_evaluation):
    inference = pymc3_vi.ADVI(model=skewed, random_seed=1)
    inference.fit(0, progressbar=False)
    with interrupted_evaluation(inference.state.step.target):
        inference.fit(500, progressbar=False)
    assert len(inference.approx.hist) == 0 and np.isfinite(inference.approx.mean.get_value()).all()
    inference.fit(500, progressbar=False)
    assert abs(inference.approx.mean.get_value()[0] - skewed.mu) < 0.02


@pytest.mark.parametrize("n_mc", [1, 4])
def test_draws_beyond_a_cliff_are_left_out_and_named(n_mc):
    """0.7 % of the draws of q, at x > 1.5."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        wild = pm.Normal("wild", 0.0, 1.0)
        pm.Potential("cliff", tt.sqrt(1.5 - wild))
    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    with pytest.warns(NonFiniteDrawsWarning, match="in the last 40% .* potential term of variable 'cliff' is nan"):
        inference.fit(5000, progressbar=False, obj_n_mc=n_mc)
    assert len(inference.hist) == 5000 and np.isfinite(inference.hist).all()
    mean, std = inference.approx.mean.get_value()[0], inference.approx.std.eval()[0]
    expected = 5000 * n_mc * stats.norm.sf(1.5, mean, std)
    assert 0.5 * expected < inference.report.runs[0].left_out < 6 * expected  # the first iterates are wider
    assert -0.6 < mean < -0.3 and 0.7 < std < 0.9


def test_more_than_half_of_the_draws_end_a_fit():
    """Nothing but the draws beyond keeps q's scale down, once they are left out."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        x = pm.Flat("x")
        pm.Potential("box", tt.switch(abs(x) < 1, 0.0, -np.inf))
    with pytest.raises(NonFiniteError, match="box"):
        pymc3_vi.ADVI(model=model, random_seed=1).fit(
            5000, progressbar=False, obj_optimizer=pymc3_vi.sgd(learning_rate=0.1)
        )


def test_what_the_rule_does_not_cover_goes_to_another(skewed):
    import theano

    count = theano.shared(0)
    inference = pymc3_vi.ADVI(model=skewed, random_seed=1)
    inference.fit(20, progressbar=False, more_updates={count: count + 1})
    assert count.get_value() == 20 and not isinstance(inference.algorithm, Newton)


@pytest.mark.parametrize("stop_at", [137, 700])
def test_a_restored_step_goes_on_exactly(skewed, stop_at):
    """In the middle of a batch, and after a fit whose parameters are the average."""
    whole = pymc3_vi.ADVI(model=skewed, random_seed=1)
    whole.fit(700, progressbar=False)
    whole.refine(300, progressbar=False)
    first = pymc3_vi.ADVI(model=skewed, random_seed=1)
    saved = {}

    def keep(approx, losses, i):
        if i == stop_at:
            saved.update(first.state.step.snapshot() if first.state else step.snapshot())

    first.fit(0, progressbar=False)
    step = first.state.step
    first.fit(700, callbacks=[keep], progressbar=False)
    if stop_at == 700:
        saved = step.snapshot()
    second = pymc3_vi.ADVI(model=skewed, random_seed=99)
    second.fit(0, progressbar=False)
    other = second.state.step
    other.restore(saved)
    other.reopen()
    losses = other.run(700 - stop_at)
    other.result()
    np.testing.assert_array_equal(losses, whole.hist[stop_at:700])
    if stop_at == 700:
        for parameter, value in zip(second.approx.params, other.written):
            parameter.set_value(value)
    other.begin(300)
    np.testing.assert_array_equal(other.run(300), whole.hist[700:])
    other.result()
    for a, b in zip(second.approx.params, whole.approx.params):
        np.testing.assert_array_equal(a.get_value(), b.get_value())


def test_a_state_of_another_step_is_refused(skewed, gaussian):
    inference = pymc3_vi.ADVI(model=skewed, random_seed=1)
    inference.fit(0, progressbar=False)
    other = pymc3_vi.ADVI(model=gaussian, random_seed=1)
    other.fit(0, progressbar=False)
    with pytest.raises(ValueError, match="dimension"):
        inference.state.step.restore(other.state.step.snapshot())
    with pytest.raises(ValueError, match="default rule"):
        inference.state.step.restore({"names": []})


def test_other_data_are_a_new_target():
    """The warm start of the first data says nothing of the second."""
    import theano

    with pymc3_vi.fast_build(), pm.Model() as model:
        centre = theano.shared(np.float64(0.0))
        x = pm.Flat("x")
        pm.Potential("target", 2.0 * (x - centre) - tt.exp(x - centre))
    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    inference.fit(1000, progressbar=False)
    first = inference.approx.mean.get_value()[0]
    centre.set_value(300.0)
    inference.refine(1000, progressbar=False)
    assert inference.approx.mean.get_value()[0] == pytest.approx(first + 300, abs=0.02)


def test_data_that_change_amid_a_batch_count_from_the_next_step():
    y = theano.shared(np.linspace(-1.0, 1.0, 10))
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        pm.Normal("y", pm.Normal("mu", 0.0, 1.0), 1.0, observed=y)

    def move(approx, losses, i):
        if i == 5:
            y.set_value(y.get_value() + 100.0)

    hist = pymc3_vi.fit(40, model=model, random_seed=1, progressbar=False, callbacks=[move]).hist
    assert hist[:5].max() < 50 and hist[5:].min() > 1000


@pytest.mark.parametrize("n_mc", [1, 4])
def test_data_that_change_while_a_fit_is_stopped_count_from_the_next_step(n_mc):
    y = theano.shared(np.linspace(-1.0, 1.0, 10))
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        pm.Normal("y", pm.Normal("mu", 0.0, 1.0), 1.0, observed=y)

    def stop(approx, losses, i):
        if i == 7:
            raise StopIteration

    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    inference.fit(40, progressbar=False, callbacks=[stop], obj_n_mc=n_mc)
    y.set_value(y.get_value() + 100.0)
    inference.resume(progressbar=False, callbacks=[])
    assert inference.hist[:7].max() < 50 and inference.hist[7:].min() > 1000


def test_rows_that_are_evaluated_again_change_no_bit(skewed, monkeypatch):
    """Rows are evaluated ahead in pieces; what has run is kept where a fit stops within one."""
    monkeypatch.setattr(PointDensity, "points_at_once", 8)
    whole = _fit(skewed, 500, tol=None)
    parts = pymc3_vi.ADVI(model=skewed, random_seed=1)

    def stop(approx, losses, i):
        if i % 13 == 0:
            raise StopIteration

    parts.fit(500, progressbar=False, tol=None, callbacks=[stop])
    while parts.state.i < 500:
        parts.resume(progressbar=False)
    np.testing.assert_array_equal(parts.hist, whole.hist)
    np.testing.assert_array_equal(parts.approx.mean.get_value(), whole.mean.get_value())


def test_minibatches_go_to_the_annealed_rule_on_demand():
    with pymc3_vi.fast_build(), pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 1.0)
        pm.Normal("y", mu, 1.0, observed=pm.Minibatch(np.arange(20.0), 5), total_size=20)
    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    inference.fit(5, progressbar=False, algorithm="stochastic")
    assert not isinstance(inference.algorithm, Newton)


def test_a_gradient_that_is_nan_is_named():
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("fine", 0.0, 1.0)
        odd = pm.Normal("odd", 0.0, 1.0)
        pm.Potential("kink", tt.sqrt(tt.maximum(odd - 1.0, 0.0)))  # below 1: 0 times an infinite slope
    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    with pytest.raises(NonFiniteError, match="odd"):
        inference.fit(500, progressbar=False)
    assert np.isfinite(inference.approx.mean.get_value()).all()


def test_a_small_fit_spends_little_on_its_start(skewed):
    inference = pymc3_vi.ADVI(model=skewed, random_seed=1)
    inference.fit(3, progressbar=False)
    assert len(inference.hist) == 3 and inference.state.step.warm_evaluations < 600 + 300
    assert abs(inference.approx.mean.get_value()[0] - skewed.mu) < 0.1 * skewed.sigma


def test_two_modes_are_not_straddled():
    """From the saddle between two modes 17 sds apart, to one of them."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        z = pm.Flat("z", shape=2)
        modes = [-2.0 * tt.sum((z - centre) ** 2) for centre in (3.0, -3.0)]
        pm.Potential("target", tt.log(tt.exp(modes[0]) + tt.exp(modes[1]) + 1e-300))
    approx = _fit(model, 2000, method="fullrank_advi")
    np.testing.assert_allclose(np.abs(approx.mean.get_value()), 3.0, atol=0.01)
    np.testing.assert_allclose(approx.std.eval(), 0.5, rtol=0.02)


def test_parameters_that_have_not_moved_yet_are_not_taken_for_convergence(skewed):
    """The rule moves after batches of steps; the first batch of 50,000 steps is longer than 100 steps."""
    inference = pymc3_vi.ADVI(model=skewed, random_seed=1)
    check = pymc3_vi.callbacks.CheckParametersConvergence(every=100, tolerance=1e-12, diff="absolute")
    inference.fit(50000, callbacks=[check], progressbar=False)
    assert len(inference.hist) == 50000


@pytest.mark.slow
def test_float32():
    import subprocess
    import sys

    code = (
        "import pymc3_vi, numpy as np, pymc3 as pm, theano.tensor as tt\n"
        "with pymc3_vi.fast_build(), pm.Model() as model:\n"
        "    x = pm.Flat('x', shape=3)\n"
        "    pm.Potential('t', tt.sum(3 * x - tt.exp(x)))\n"
        "for method in ('advi', 'fullrank_advi'):\n"
        "    a = pymc3_vi.fit(2000, method=method, model=model, random_seed=1, progressbar=False)\n"
        "    assert a.mean.get_value().dtype == 'float32'\n"
        "    np.testing.assert_allclose(a.mean.eval(), np.log(3) - 1 / 6, atol=0.01)\n"
        "    np.testing.assert_allclose(a.std.eval(), 3 ** -0.5, rtol=0.01)\n"
    )
    import os

    flags = os.environ.get("THEANO_FLAGS", "") + ",floatX=float32"
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ, THEANO_FLAGS=flags.strip(",")))
