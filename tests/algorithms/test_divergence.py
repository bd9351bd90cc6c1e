"""Fits that end far above where they began say so and keep their best state, however short; others say nothing."""

import warnings

import pymc3_vi
from pymc3_vi.errors import ConvergenceWarning

import numpy as np
import pymc3 as pm
import pytest
import theano

FITS = {
    "adam": dict(n=150, obj_optimizer=pymc3_vi.adam(learning_rate=50.0)),
    "five steps": dict(n=5, obj_optimizer=pymc3_vi.adam(learning_rate=50.0)),
    "adamax": dict(n=20, obj_optimizer=pymc3_vi.adamax(learning_rate=50.0)),
    "adagrad_window": dict(n=60, obj_optimizer=pymc3_vi.adagrad_window(learning_rate=50.0)),
    "sgd": dict(n=6, obj_optimizer=pymc3_vi.sgd(learning_rate=3.0)),
    "momentum": dict(n=12, obj_optimizer=pymc3_vi.momentum(learning_rate=2.0)),
    "full rank": dict(n=30, method="fullrank_advi", obj_optimizer=pymc3_vi.adam(learning_rate=50.0)),
    "particles": dict(n=20, method="svgd", obj_optimizer=pymc3_vi.adam(learning_rate=50.0)),
    "no losses": dict(n=5, score=False, obj_optimizer=pymc3_vi.adam(learning_rate=50.0)),
}


def _normal(testval=0.1):
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("x", 0.0, 1.0, testval=testval)
    return model


def _fit(model, **keywords):
    with theano.config.change_flags(cxx=""):
        return pymc3_vi.fit(model=model, random_seed=1, progressbar=False, **keywords)


@pytest.mark.parametrize("kind", FITS)
def test_a_fit_that_diverges_is_told_and_taken_back(kind):
    with pytest.warns(ConvergenceWarning, match="diverged: the median .* learning rate than that of .*="):
        approx = _fit(_normal(), **FITS[kind])
    mean = float(approx.mean.eval()[0])
    assert abs(mean) < 3.0 and float(approx.std.eval()[0]) < 5.0


def test_minibatches_too():
    x = np.random.RandomState(0).normal(2.0, 1.0, 200)
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("y", pm.Normal("mu", 0.0, 10.0), 1.0, observed=pm.Minibatch(x, 20, random_seed=1), total_size=200)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        _fit(model, n=30, obj_optimizer=pymc3_vi.adam(learning_rate=50.0))


@pytest.mark.parametrize("rate, diverges", [(0.0102, True), (0.001, False)])
def test_losses_of_a_stream_are_compared_as_they_were(rate, diverges):
    def rows():
        random = np.random.RandomState(0)
        while True:
            yield random.normal(2.0, 1.0, 20)

    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("y", pm.Normal("mu", 0.0, 10.0), 1.0, observed=pm.generator(rows()), total_size=200)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        approx = _fit(model, n=90, obj_optimizer=pymc3_vi.sgd(learning_rate=rate))
    assert any("diverged" in str(w.message) for w in caught) == diverges
    assert abs(float(approx.mean.eval()[0]) - 2.0) < 5.0


@pytest.mark.parametrize("n", [20, 200])
@pytest.mark.parametrize("testval", [0.0, 30.0])
def test_short_honest_fits_say_nothing(n, testval):
    model = _normal(testval)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        for optimizer in (pymc3_vi.adam(learning_rate=0.1), pymc3_vi.adagrad_window(), pymc3_vi.sgd(learning_rate=0.1)):
            _fit(model, n=n, obj_optimizer=optimizer)


def test_a_loss_that_a_callback_raises_is_no_divergence():
    """States are compared under one log density, that of the end."""
    weight = theano.shared(1e-3)
    with pymc3_vi.fast_build(), pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0, testval=0.1)
        pm.Potential("like", -weight * 1e3 * (1.0 + (x - 0.2) ** 2))

    def anneal(approx, losses, i):
        weight.set_value(i / 200)

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        approx = _fit(model, n=200, obj_optimizer=pymc3_vi.adam(learning_rate=0.05), callbacks=[anneal])
    assert approx.hist[-1] > approx.hist[0] + 500.0
    assert float(approx.mean.eval()[0]) == pytest.approx(0.2, abs=0.1)


def test_the_last_iterate_of_a_fit_that_diverged_is_not_kept_to_go_on_from():
    inference = pymc3_vi.ADVI(model=_normal(), random_seed=1)
    with theano.config.change_flags(cxx=""), pytest.warns(ConvergenceWarning, match="diverged"):
        inference.fit(40, progressbar=False, average=0.5, obj_optimizer=pymc3_vi.adam(learning_rate=50.0))
    for param, value in inference.last_iterate.items():
        np.testing.assert_array_equal(value, param.get_value())
