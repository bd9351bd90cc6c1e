"""What a fit looks at before its first step: 20 draws of q."""

import re
import warnings

import pymc3_vi
from pymc3_vi.algorithms.stochastic import _gradients
from pymc3_vi.errors import ConvergenceWarning, NonFiniteDrawsWarning, NonFiniteError, OverflowStartWarning, StartError
from pymc3_vi.graph import SeedStream
from pymc3_vi.steps import Step

import numpy as np
import pymc3 as pm
import pytest
import theano.tensor as tt
from scipy import stats

STILL = pymc3_vi.sgd(learning_rate=1e-9)
PLAIN = dict(progressbar=False, obj_optimizer=STILL)
SD = np.log(2.0)  # of q before the first step


@pytest.fixture(scope="module")
def walled():
    """A standard normal and one whose log density is NaN above 0.5."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0)
        pm.Normal("free", 0.0, 1.0, shape=2)
        pm.Potential("wall", tt.log(0.5 - x))
    return model


def _first_noise(seed, *shape):
    return SeedStream(seed).generator("pre-flight").standard_normal(shape)


@pytest.mark.parametrize("n_mc", [1, 7])
def test_the_draws_beyond_a_wall_are_counted(walled, n_mc):
    inference = pymc3_vi.ADVI(model=walled, random_seed=4)
    x = SD * _first_noise(4, 21 if n_mc == 7 else 20, 3)[:20, 0]
    bad = x > 0.5
    assert 0 < bad.sum() < 20
    with pytest.warns(NonFiniteDrawsWarning) as caught:
        inference.fit(1000, obj_n_mc=n_mc, **PLAIN)
    text, at_the_end = [str(c.message) for c in caught if c.category is NonFiniteDrawsWarning]
    assert "in the last 40% of the steps" in at_the_end and "The potential term of variable 'wall' is nan" in at_the_end
    assert text.startswith(f"{bad.sum()} of 20 draws of q before the first step")
    value = re.search(r"the potential term of variable 'wall' is nan at x=([\d.]+) \(in (\d+)\)", text)
    assert float(value.group(1)) == pytest.approx(x[bad][0], abs=1e-3) and int(value.group(2)) == bad.sum()
    assert "start='map'" in text and "free=" not in text
    # Each draw that is used takes 1 / P(x < 0.5) trials: a negative binomial number is left out.
    used, p = 1000 * n_mc, stats.norm.cdf(0.5 / SD)
    assert abs(inference.report.runs[0].left_out - used * (1 - p) / p) < 4 * np.sqrt(used * (1 - p)) / p
    assert f"{inference.report.runs[0].left_out:,} draws without a finite" in str(inference.report)
    assert len(inference.hist) == 1000 and np.isfinite(inference.hist).all()


def test_particles_beyond_a_wall_are_counted(walled):
    inference = pymc3_vi.SVGD(model=walled, n_particles=30, jitter=1.0, random_seed=1)
    particles = inference.approx.histogram.get_value()
    picked = particles[SeedStream(1).generator("pre-flight").integers(0, 30, 20), 0]
    with pytest.warns(
        NonFiniteDrawsWarning, match=rf"^{(picked > 0.5).sum()} of 20 draws.*'wall' is nan at x=.*left out"
    ):
        inference.fit(1, **PLAIN)


def _minibatches():
    with pymc3_vi.fast_build(), pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 1.0)
        pm.Normal("y", mu, 1.0, observed=pm.Minibatch(np.arange(50.0), 5), total_size=50)
    return model


def test_nothing_is_said_or_changed_where_all_is_well(monkeypatch):
    """The steps are those without a look: parameters, optimizer, noise and minibatches are put back."""
    tried, trial = [], Step.trial
    monkeypatch.setattr(Step, "trial", lambda *args, **options: tried.append(trial(*args, **options)) or tried[-1])
    with warnings.catch_warnings():
        warnings.simplefilter("error", NonFiniteDrawsWarning)
        looked = pymc3_vi.fit(60, model=_minibatches(), random_seed=1, progressbar=False, algorithm="stochastic")
    assert np.isfinite(tried).all() and len(tried[0]) == 20
    monkeypatch.setattr(_gradients, "check_draws", lambda *args: None)
    plain = pymc3_vi.fit(60, model=_minibatches(), random_seed=1, progressbar=False, algorithm="stochastic")
    np.testing.assert_array_equal(looked.hist, plain.hist)
    np.testing.assert_array_equal(looked.mean.get_value(), plain.mean.get_value())


def test_a_start_from_which_no_draw_is_finite_is_given_up_for_another():
    """Finite at the test point, but otherwise only above 5, where the posterior is a normal at 8."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        x = pm.Normal("x", 0.0, 10.0)
        pm.Potential("far", tt.switch((x > 5.0) + (abs(x) < 1e-6), -0.5 * (x - 8.0) ** 2, -np.inf))
    with pytest.raises(StartError, match="^None of 20 draws of q .*'far' is -inf at x=.*in 20"):
        pymc3_vi.ADVI(model=model, random_seed=1).fit(10, **PLAIN)
    with pytest.warns(OverflowStartWarning, match="None of 20 draws"):
        approx = pymc3_vi.fit(10, model=model, random_seed=1, **PLAIN)
    assert np.isfinite(approx.hist).all() and len(approx.hist) == 10 and approx.mean.get_value()[0] > 5
    with pytest.raises(StartError, match="None of 20 draws"):
        pymc3_vi.fit(10, model=model, start={"x": 0.0}, random_seed=1, **PLAIN)


@pytest.fixture(scope="module")
def slippery():
    """No gradient below 1, where the test point is; a normal at 3 with sd 0.1 above."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        x = pm.Normal("x", 0.0, 10.0)
        pm.Potential("slope", tt.switch(x > 1.0, -50.0 * (x - 3.0) ** 2, tt.sqrt(tt.maximum(x - 1.0, 0.0))))
    return model


@pytest.mark.parametrize("method", ["advi", "dadvi"])
def test_the_newton_rule_and_dadvi_begin_elsewhere_where_no_scale_is_finite(slippery, method):
    with pytest.warns(OverflowStartWarning, match="gradient of variable 'x'"):
        approx = pymc3_vi.fit(2000, method, model=slippery, random_seed=1, progressbar=False)
    precision = 100 + 0.01
    assert approx.mean.get_value() == pytest.approx([300 / precision], abs=1e-3)
    assert approx.std.eval() == pytest.approx([precision**-0.5], rel=0.02)


def test_gradients_are_looked_at_too(slippery):
    count = np.sum(SD * _first_noise(1, 20) <= 1.0)
    with pytest.warns(
        NonFiniteDrawsWarning, match=rf"^{count} of 20.*the gradient of variable 'x' is nan at x=.*in {count}"
    ):
        with pytest.raises(NonFiniteError, match=r"A parameter became non-finite at step \d+.* draws had been"):
            pymc3_vi.ADVI(model=slippery, random_seed=1).fit(200, **PLAIN)


def test_an_op_that_raises_has_no_density_there():
    with pymc3_vi.fast_build(), pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0)
        matrix = tt.stack([tt.stack([1.0, 2 * x]), tt.stack([2 * x, 1.0])])
        pm.Potential("root", tt.log(tt.slinalg.Cholesky(lower=True, on_error="raise")(matrix)[1, 1]))
    inference = pymc3_vi.ADVI(model=model, random_seed=1)
    count = np.sum(abs(SD * _first_noise(1, 20)) > 0.5)
    with pytest.warns(NonFiniteDrawsWarning, match=rf"^{count} of 20 .*the log density is undefined \(") as caught:
        inference.fit(1000, **PLAIN)
    assert not any("Apply node" in str(c.message) for c in caught)
    p = stats.norm.cdf(0.5 / SD) - stats.norm.cdf(-0.5 / SD)
    # So many that others are drawn in, counted once: one in a step, or more where they are drawn afresh.
    few, many, sd = 1000 * (1 - p), 1000 * (1 - p) / p, np.sqrt(1000 * (1 - p))
    assert few - 4 * sd < inference.report.runs[0].left_out < many + 4 * sd / p


@pytest.mark.parametrize("method", ["advi", "nfvi=scale-loc"])
def test_infinite_densities_that_steps_without_a_loss_do_not_see_are_said(method):
    with pymc3_vi.fast_build(), pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0)
        pm.Potential("wall", tt.switch(x < 0.3, 0.1 * x, -np.inf))
    with pytest.warns(NonFiniteDrawsWarning, match="of 20 draws of q after the fit .*term of variable 'wall' is -inf"):
        approx = pymc3_vi.fit(20, method, model=model, random_seed=1, score=False, **PLAIN)
    assert approx.report.runs[0].left_out == 0  # their gradients are finite
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pymc3_vi.fit(20, method, model=model, random_seed=1, **PLAIN)
    assert not any("after the fit" in str(w.message) for w in caught)


@pytest.fixture(scope="module")
def rooted():
    """A Cholesky factor that raises where |x| > 1."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0)
        matrix = tt.stack([tt.stack([1.0, x]), tt.stack([x, 1.0])])
        pm.Potential("root", tt.log(tt.slinalg.Cholesky(lower=True, on_error="raise")(matrix)[1, 1]))
    return model


@pytest.mark.parametrize("method", ["advi", "svgd", "dadvi"])
def test_an_op_that_raises_at_the_start_is_a_start_error(rooted, method):
    with pytest.raises(StartError, match="undefined at the start: .*(not positive definite|potrf).*x=3"):
        pymc3_vi.fit(5, method, model=rooted, start={"x": 3.0}, random_seed=1, progressbar=False)


def test_particles_at_which_an_op_raises_are_left_out_and_it_is_named(rooted):
    with pytest.warns(NonFiniteDrawsWarning, match="of 20 draws of q.*not positive definite|potrf"):
        approx = pymc3_vi.SVGD(model=rooted, n_particles=20, jitter=2.0, random_seed=1).fit(5, progressbar=False)
    assert approx.report.reason == "done" and 0 < approx.report.runs[-1].left_out < 5 * 20
    assert np.isfinite(approx.params[0].get_value()).all()


def test_dadvi_says_that_a_posterior_has_no_bound():
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("y", 0.0, 1.0)
        pm.Potential("slope", 1.0 * pm.Flat("x"))
    with pytest.warns(ConvergenceWarning, match="has run away: .* for x. The posterior seems to have no bound"):
        pymc3_vi.fit(200, "dadvi", model=model, random_seed=1, progressbar=False)


def clipped():
    """Chances of recall: 1 where the two add up to more, at which 16 of 18 cannot be."""
    t, k = np.array([1.0, 2, 4, 7, 12]), np.array([16, 13, 10, 6, 5])
    a, b = pm.Beta("a", 1, 1, testval=0.3), pm.Beta("b", 1, 1, testval=0.05)
    pm.Binomial("k", 18, tt.clip(tt.exp(-a * t) + b, 0, 1), observed=k)


def rest_of_two():
    a, b = pm.Beta("a", 1, 1, testval=0.3), pm.Beta("b", 1, 1, testval=0.3)
    pm.Potential("k", 5 * tt.log(a) + 6 * tt.log(b) + 3 * tt.log(1 - a - b))


def beyond_the_largest():
    pm.Uniform("k", 0.0, pm.HalfNormal("a", 5.0, testval=2.0), observed=[0.3, 1.7, 1.1])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("build, seed", [(clipped, 2), (rest_of_two, 1), (beyond_the_largest, 1)])
def test_a_posterior_with_an_edge_inside_of_q_is_said_to_have_one(build, seed):
    """The ELBO of any Gaussian is minus infinity there: another rate or start is no advice."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        build()
    with pymc3_vi.fast_build(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        inference = pymc3_vi.ADVI(model=model, random_seed=seed)
        try:
            inference.fit(3000, progressbar=False)
            error = ""
        except NonFiniteError as raised:
            error = str(raised)
    assert np.isfinite(inference.approx.mean.eval()).all() and np.isfinite(inference.hist).all()
    texts = [error, *(str(w.message) for w in caught if w.category is NonFiniteDrawsWarning)]
    (text,) = [text for text in texts if "bound the variables by their distributions, so that" in text]
    assert re.search("[dD]ata term of variable 'k' is -inf|potential term of variable 'k' is nan", text)
