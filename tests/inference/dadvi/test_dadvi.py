"""DADVI: exact on Gaussian posteriors, accurate elsewhere, and with the same ways out as every fit."""

import signal

import pymc3_vi
from pymc3_vi.algorithms.fixed_draws._solver import Solver
from pymc3_vi.diagnostics import FixedDrawELBO, point_density
from pymc3_vi.errors import (
    AEVBInferenceError,
    ConvergenceWarning,
    ParametrizationError,
    StartError,
    VariationalInferenceError,
)
from pymc3_vi.graph import cache_of
from pymc3_vi.inference._history import History

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt

from examples.references import load_reference
from tests.example_models import EXAMPLES
from tests.fixed_draw_models import GaussianTarget, gamma_regression, python_functions

FLAGS = {name: getattr(theano.config, name) for name in ("cxx", "linker", "optimizer")}


@pytest.fixture(autouse=True, scope="module")
def _no_compiler():
    with python_functions():
        yield


@pytest.fixture(scope="module")
def target():
    return GaussianTarget()


@pytest.fixture(scope="module")
def skewed():
    return gamma_regression()


@pytest.fixture(scope="module")
def compiled(skewed):
    """An approximation whose functions others borrow: these run often, and pay for a compiler."""
    approx = pymc3_vi.MeanField(model=skewed, random_seed=1)
    with theano.config.change_flags(**FLAGS):
        point_density(approx).compile()
    return approx


def _approx(compiled, seed=1):
    approx = pymc3_vi.MeanField(model=compiled.model, random_seed=seed)
    cache_of(approx)["point_density"] = cache_of(compiled)["point_density"]
    return approx


def _fit(approx, **kwargs):
    kwargs.setdefault("progressbar", False)
    inference = pymc3_vi.DADVI(approx=approx)
    inference.fit(**kwargs)
    return inference


# -------------------------------------------------------------------- truths
def test_a_gaussian_posterior_is_found_exactly(target):
    approx = pymc3_vi.fit(method="dadvi", model=target.model, random_seed=1, progressbar=False)
    assert np.allclose(approx.mean.eval() / target.sd, target.mean / target.sd, rtol=0, atol=1e-7)
    assert np.allclose(approx.std.eval(), target.mean_field_sd, rtol=1e-7)
    cov = approx.lrvb_cov()
    assert np.allclose(cov / np.outer(target.sd, target.sd), target.cov / np.outer(target.sd, target.sd), atol=1e-7)
    assert np.all(approx.frequentist_se() < 1e-7 * target.sd)
    loss = 0.5 * (np.linalg.slogdet(target.precision)[1] - np.log(np.diag(target.precision)).sum())
    log_z = 0.5 * (4 * np.log(2 * np.pi) + np.linalg.slogdet(target.cov)[1])
    assert approx.hist[-1] == pytest.approx(-log_z - loss, abs=1e-6)
    assert approx.report.reason == "done" and "solved after" in approx.report.message


def test_blocks_of_a_gaussian_posterior_are_found_exactly(target):
    model = target.model
    groups = [
        pymc3_vi.Group([model["b"]], vfam="full_rank", model=model, random_seed=1),
        pymc3_vi.Group(None, vfam="mean_field", model=model, random_seed=1),
    ]
    approx = _fit(pymc3_vi.Approximation(groups, model=model)).approx
    order = [1, 2, 3, 0]
    sd = target.sd[order]
    assert np.allclose(approx.mean.eval() / sd, target.mean[order] / sd, rtol=0, atol=1e-7)
    block = np.linalg.inv(target.precision[1:, 1:])
    assert np.allclose(
        approx.cov.eval()[:3, :3] / np.outer(sd[:3], sd[:3]), block / np.outer(sd[:3], sd[:3]), atol=1e-7
    )
    expected = target.cov[np.ix_(order, order)]
    assert np.allclose(approx.lrvb_cov() / np.outer(sd, sd), expected / np.outer(sd, sd), atol=1e-7)


@pytest.mark.parametrize("optimizer", ["trust-krylov", "l-bfgs-b"])
def test_optimizers_agree(compiled, optimizer):
    first = _fit(_approx(compiled), tol=None, n_draws=64).approx
    other = _fit(_approx(compiled), tol=None, n_draws=64, optimizer=optimizer).approx
    assert np.allclose(first.mean.eval(), other.mean.eval(), atol=1e-5)
    assert np.allclose(first.std.eval(), other.std.eval(), atol=1e-5)


def test_the_gradient_vanishes_at_the_solution(compiled):
    """Of a Monte Carlo estimate with many other draws: zero up to its error."""
    approx = _fit(_approx(compiled), tol=0.005).approx
    mu, sd = approx.mean.eval(), approx.std.eval()
    eps = np.random.RandomState(1).normal(size=(40000, 3))
    _, grad = point_density(approx).slopes(mu + sd * eps)
    for rows in (grad * sd, grad * eps * sd + 1):
        assert np.all(np.abs(rows.mean(axis=0)) < 4 * rows.std(axis=0) / np.sqrt(len(eps)) + 0.02)


def test_standard_errors_cover_the_spread_over_seeds(compiled):
    means, errors = [], []
    for seed in range(16):
        approx = _fit(_approx(compiled, seed), tol=None, n_draws=128).approx
        means.append(approx.mean.eval())
        errors.append(approx.frequentist_se())
    ratio = np.std(means, axis=0, ddof=1) / np.sqrt(np.mean(np.square(errors), axis=0))
    # 15 and some 100 degrees of freedom: the ratio itself is known to 20 %.
    assert np.all(ratio > 0.4) and np.all(ratio < 1.8)


def test_draws_are_doubled_until_the_means_are_accurate(compiled):
    rough = _fit(_approx(compiled), tol=0.5, n_draws=16)
    fine = _fit(_approx(compiled), tol=0.01, n_draws=16)
    assert rough.solution.draws.count == 16
    assert fine.solution.draws.count > 16 and fine.solution.error <= 0.01


def test_the_same_seed_gives_the_same_fit(compiled):
    a, b, c = (_fit(_approx(compiled, seed), tol=None).approx for seed in (1, 1, 2))
    assert np.array_equal(a.hist, b.hist) and np.array_equal(a.mean.eval(), b.mean.eval())
    assert not np.array_equal(a.mean.eval(), c.mean.eval())


def test_minibatches_are_replaced_by_all_data():
    y = np.random.RandomState(1).normal(1.0, 1.0, 40)
    with pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 1.0)
        pm.Normal("y", mu, 1.0, observed=pm.Minibatch(y, 5), total_size=40)
    approx = pymc3_vi.fit(method="dadvi", model=model, random_seed=1, progressbar=False)
    assert approx.mean.eval() == pytest.approx(y.sum() / 41, abs=1e-8)
    assert approx.std.eval() == pytest.approx(41**-0.5, abs=1e-8)


def test_linear_response_has_the_deviations_of_the_posterior():
    """Against a long NUTS run of a hierarchical model, whose groups' scale the mean field holds for too certain."""
    with pymc3_vi.fast_build():
        model = EXAMPLES["hierarchical"]()
    reference = load_reference("hierarchical")
    approx = pymc3_vi.fit(method="dadvi", model=model, random_seed=1, progressbar=False, tol=0.05)
    sd = np.sqrt(np.diag(approx.lrvb_cov(of=["group_mu", "sigma_mu"])))
    assert np.allclose(sd[:10], reference["group_mu"]["sd"], rtol=0.02)
    assert sd[10] == pytest.approx(float(reference["sigma_mu"]["sd"]), rel=0.08)
    own = np.exp(approx.mean.eval()[1]) * approx.std.eval()[1]
    assert own < 0.85 * float(reference["sigma_mu"]["sd"])
    found = approx.mean.eval()[2:]
    assert np.all(np.abs(found - reference["group_mu"]["mean"]) < 0.03 * reference["group_mu"]["sd"])


# -------------------------------------------------------------------- start
def test_a_posterior_without_mode_is_fitted_all_the_same():
    """Two means with a common scale: the density grows without bound as the scale goes to zero."""
    with pm.Model() as model:
        tau = pm.HalfCauchy("tau", 5.0)
        theta = pm.Normal("theta", 0.0, tau, shape=4)
        pm.Normal("y", theta, 1.0, observed=np.array([1.0, -2.0, 0.5, 3.0]))
    approx = pymc3_vi.MeanField(model=model, random_seed=1)
    inference = _fit(approx, tol=0.1)
    assert inference.solution.solved
    assert np.all(approx.std.eval() > 0.05)


def test_a_start_without_density_is_named():
    with pm.Model() as model:
        a = pm.Normal("a", 0.0, 1.0)
        pm.Potential("never", tt.log(-1.0 - a**2))
    with pytest.raises(StartError, match="never"):
        pymc3_vi.fit(method="dadvi", model=model, random_seed=1, progressbar=False)


# -------------------------------------------------------------------- ways out
class _Stop:
    def __init__(self, at, error):
        self.at, self.error, self.seen = at, error, []

    def __call__(self, approx, losses, i):
        self.seen.append((i, float(losses), len(approx.hist)))
        if i == self.at:
            raise self.error


def test_callbacks_see_every_iteration(compiled):
    watch = _Stop(-1, None)
    approx = _fit(_approx(compiled), callbacks=[watch, pymc3_vi.Converged()]).approx
    assert [i for i, _, _ in watch.seen] == list(range(1, len(approx.hist) + 1))
    assert [loss for _, loss, _ in watch.seen] == list(approx.hist)
    assert watch.seen[-1][2] == len(approx.hist)


@pytest.mark.parametrize("error, reason", [(StopIteration("enough"), "stopped"), (KeyboardInterrupt(), "interrupted")])
def test_an_interrupted_fit_loses_nothing_and_goes_on(compiled, error, reason):
    whole = _fit(_approx(compiled)).approx
    stop = _Stop(1, error)
    inference = _fit(_approx(compiled), callbacks=[stop])
    assert inference.approx.report.reason == reason
    assert len(inference.approx.hist) == 1 and inference.state.i == 1
    stop.at = -1
    inference.refine(100, progressbar=False)
    assert inference.approx.report.reason == "done"
    assert len(inference.approx.hist) == inference.state.i > 1
    assert np.allclose(inference.approx.mean.eval(), whole.mean.eval(), atol=1e-6)


@pytest.mark.parametrize("method", ["_put", "product", "extend"])
def test_ctrl_c_leaves_the_last_accepted_place_and_its_history(compiled, monkeypatch, method):
    """Pressed in the middle of a write of parameters, in an evaluation, or before a loss is kept."""
    whole = _fit(_approx(compiled)).approx
    owner = {"_put": Solver, "product": FixedDrawELBO, "extend": History}[method]
    original, calls, places = getattr(owner, method), [], []

    def pressed(self, *args):
        calls.append(method)
        if method == "_put":
            places.append(self.elbo.chart.place(args[0]))
        if len(calls) == 2:
            if method == "_put":
                self.place = places[-1]
                self.blocks.groups[0].shared_params["mu"].set_value(places[-1][0])
            signal.raise_signal(signal.SIGINT)
        return original(self, *args)

    class Pressing(Solver):
        def _put(self, x):
            places.append(self.elbo.chart.place(x))
            super()._put(x)

    monkeypatch.setattr(owner, method, pressed)
    if method != "_put":
        monkeypatch.setattr("pymc3_vi.algorithms.fixed_draws._fixed_draws.Solver", Pressing)
    inference = _fit(_approx(compiled))
    assert inference.approx.report.reason == "interrupted"
    assert len(inference.approx.hist) == inference.state.i == inference.report.steps
    if places:
        mu, scale = inference.algorithm.blocks.read()
        np.testing.assert_allclose(mu, places[-1][0], rtol=1e-12)
        np.testing.assert_allclose(scale, places[-1][1], rtol=1e-6)
    monkeypatch.undo()
    inference.resume(progressbar=False)
    assert inference.approx.report.reason == "done" and len(inference.approx.hist) == inference.state.i
    assert np.allclose(inference.approx.mean.eval(), whole.mean.eval(), atol=1e-6)


def test_another_fit_of_a_solved_problem_has_nothing_to_do(compiled):
    inference = _fit(_approx(compiled))
    before, steps = inference.approx.mean.eval(), len(inference.hist)
    inference.refine(100, progressbar=False)
    assert len(inference.hist) == steps + 1
    assert np.allclose(before, inference.approx.mean.eval(), rtol=0, atol=1e-8)


def test_too_few_iterations_and_draws_are_told(compiled):
    with pytest.warns(ConvergenceWarning, match="not converged after 1 iterations"):
        inference = _fit(_approx(compiled), n=1)
    assert not inference.solution.solved
    assert any("not converged" in text for text in inference.approx.report.warnings)
    with pytest.warns(ConvergenceWarning, match=r"standard error of .* sd with 16 draws, tol is 1e-06"):
        _fit(_approx(compiled), n_draws=16, max_draws=16, tol=1e-6)


# -------------------------------------------------------------------- errors
@pytest.mark.parametrize(
    "options, error, text",
    [
        ({"optimiser": "trust-ncg"}, TypeError, "Did you mean 'optimizer'"),
        ({"obj_optimizer": pymc3_vi.adam}, TypeError, "DADVI.fit got an unknown keyword 'obj_optimizer'"),
        (
            {"optimizer": "trust-ngc"},
            ValueError,
            "'optimizer' parameter of fit must be one of .* Did you mean 'trust-ncg'",
        ),
        ({"optimizer_options": {"gtoll": 1}}, TypeError, "Did you mean 'gtol'"),
        ({"draws": "halton"}, ValueError, "'draws' parameter of fit must be one of"),
        ({"tol": -1.0}, ValueError, "'tol' parameter of fit must be a finite number greater than 0"),
        ({"n_draws": 1}, ValueError, "'n_draws' parameter of fit must be an integer of at least 2"),
        ({"n_draws": 64, "max_draws": 32}, ValueError, r"'max_draws' parameter of fit must be at least n_draws \(64\)"),
        ({"callbacks": [3]}, TypeError, "'callbacks' parameter"),
    ],
    ids=["keyword", "other_method", "optimizer", "scipy_option", "draws", "tol", "n_draws", "max_draws", "callbacks"],
)
def test_wrong_options_are_named(compiled, options, error, text):
    with pytest.raises(error, match=text):
        pymc3_vi.fit(method=pymc3_vi.DADVI(approx=_approx(compiled)), progressbar=False, **options)


def test_wrong_families_are_named(target):
    flow = pymc3_vi.NormalizingFlow("scale-loc", model=target.model)
    with pytest.raises(ParametrizationError, match="DADVI needs mean-field or full-rank groups"):
        pymc3_vi.DADVI(approx=flow)
    rows = [
        pymc3_vi.Group([target.model["b"]], vfam="mf", rowwise=True, model=target.model),
        pymc3_vi.Group(None, vfam="mf", model=target.model),
    ]
    with pytest.raises(ParametrizationError, match="DADVI needs mean-field or full-rank groups"):
        pymc3_vi.DADVI(approx=pymc3_vi.Approximation(rows, model=target.model))
    with pytest.raises(AEVBInferenceError, match="DADVI does not support local variables"):
        pymc3_vi.DADVI(model=target.model, local_rv={target.model["a"]: {}})
    with pytest.raises(TypeError, match="'approx' together with 'start'"):
        pymc3_vi.DADVI(approx=pymc3_vi.MeanField(model=target.model), start={"a": 1.0})


def test_going_on_before_the_first_fit_says_so(compiled):
    inference = pymc3_vi.DADVI(approx=_approx(compiled))
    with pytest.raises(VariationalInferenceError, match="Need to call `.fit` first"):
        inference.refine(10)
    with pytest.raises(VariationalInferenceError, match="Need to call `.fit` first"):
        inference.resume()


def test_the_log_density_is_profiled(target):
    profile = pymc3_vi.DADVI(model=target.model, random_seed=1).run_profiling(3, n_draws=16, tol=None)
    assert profile.fct_callcount > 3


@pytest.mark.parametrize("optimizer", ["trust-ncg", "trust-krylov", "l-bfgs-b"])
@pytest.mark.parametrize("stop_at", [1, 4])
def test_resumed_is_uninterrupted(model_fast, tmp_path, optimizer, stop_at):
    """In the same process and from a file, in the middle of a round and with more draws than at first."""
    with model_fast():
        with pm.Model() as model:
            x = pm.Normal("x", 0.0, 1.0, shape=2)
            pm.Potential("curved", -tt.exp(x[0] + x[1]) - 0.5 * (x[0] - x[1] ** 2) ** 2)
    options = dict(progressbar=False, optimizer=optimizer, optimizer_options={"gtol": 1e-6}, n_draws=16)

    def make():
        return pymc3_vi.DADVI(model=model, random_seed=3)

    whole = make()
    whole.fit(100, **options)
    assert len(whole.hist) > stop_at and whole.approx.fixed_draws.count > 16
    part = make()
    part.fit(100, callbacks=[_Stop(stop_at, KeyboardInterrupt())], **options)
    part.save(tmp_path / "x.npz")
    assert len(part.hist) == stop_at
    part.resume(callbacks=[], progressbar=False)
    loaded = pymc3_vi.Inference.load(tmp_path / "x.npz", model)
    assert type(loaded) is pymc3_vi.DADVI and loaded.state.i == stop_at
    loaded.resume(progressbar=False)
    for which in (part, loaded):
        np.testing.assert_array_equal(which.hist, whole.hist)
        for a, b in zip(which.approx.params, whole.approx.params):
            np.testing.assert_array_equal(a.get_value(), b.get_value())
        assert which.approx.fixed_draws == whole.approx.fixed_draws
        assert which.report.message == whole.report.message


def test_it_is_installed_with_the_rest():
    with pymc3_vi.install():
        assert pm.DADVI is pymc3_vi.DADVI
    assert not hasattr(pm, "DADVI")
