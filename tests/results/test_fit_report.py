"""``approx.report`` says what was run and why it ended."""

import json
import re
import warnings

import pymc3_vi
from pymc3_vi.errors import NonFiniteError
from pymc3_vi.results import FitReport

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt

from .models import hierarchy

SGD = pymc3_vi.sgd(learning_rate=1e-3)


@pytest.fixture(scope="module")
def inference():
    return pymc3_vi.ADVI(model=hierarchy(), random_seed=1)


def _fit(inference, n=30, **options):
    return inference.fit(n, progressbar=False, **dict(dict(obj_optimizer=SGD), **options))


class _Raise(pymc3_vi.Callback):
    """Raises at the fifth step of a fit."""

    def __init__(self, error):
        self.error = error

    def bind(self, inference):
        self.at = inference.state.i + 5

    def __call__(self, approx, losses, i):
        if i == self.at:
            raise self.error


def test_all_steps(inference):
    approx = _fit(inference, obj_n_mc=2)
    report = approx.report
    run = report.runs[-1]
    assert report is inference.report and report.method == "ADVI"
    assert (run.asked, run.steps, run.reason, run.message) == (30, 30, "done", "ran all 30 steps")
    assert run.compile_seconds > 0 and run.step_seconds > 0
    assert run.options == {
        "algorithm": "stochastic gradients by sgd(learning_rate=0.001)",
        "because": "an optimizer was given",
        "obj_n_mc": 2,
        "obj_optimizer": "sgd(learning_rate=0.001)",
        "score": True,
    }
    assert f"{approx}".splitlines() == [approx.title, report.brief()]
    assert report.brief().startswith(f"ADVI: {report.steps} steps in ") and report.brief().endswith("ran all 30 steps")
    words = str(report)
    for expected in ("ADVI, KL[MeanField]", "to compile", "ran all 30 steps", "sgd(learning_rate=0.001)", "theano 1."):
        assert expected in words
    assert "<td style='text-align:left'>ADVI, KL[MeanField]</td>" in report._repr_html_()


def test_what_was_taken_and_why_is_said(inference):
    report = _fit(inference, obj_optimizer=None).report
    assert report.options["algorithm"].startswith("Newton steps for Gaussian families, independent values")
    assert "because" in str(report) and report.options["because"].startswith("Gaussian groups and a log density")
    asked = _fit(inference, obj_optimizer=None, algorithm="stochastic").report
    assert asked.options["algorithm"].startswith("stochastic gradients by AnnealedAdam(")
    assert asked.options["because"] == "asked for"


@pytest.mark.parametrize("error, reason, words", [
    (StopIteration("enough"), "stopped", r"stopped by _Raise at step [\d,]+: enough"),
    (StopIteration(), "stopped", r"stopped by _Raise at step [\d,]+$"),
    (KeyboardInterrupt(), "interrupted", "interrupted by the user"),
    (RuntimeError("no\nmore"), "failed", "RuntimeError: no$"),
])  # fmt: skip
def test_reasons_to_end(inference, error, reason, words):
    before = len(inference.hist)
    callbacks = [_Raise(error)]
    if isinstance(error, RuntimeError):
        with pytest.raises(RuntimeError):
            _fit(inference, callbacks=callbacks)
    else:
        _fit(inference, callbacks=callbacks)
    run = inference.approx.report.runs[-1]
    assert (run.steps, run.reason) == (5, reason)
    assert re.match(words, run.message)
    assert len(inference.hist) == before + 5 and inference.state.i == before + 5


def test_functions_that_stop_are_named(inference):
    def that_is_it(approx, losses, i):
        raise StopIteration

    assert "stopped by that_is_it at step" in str(_fit(inference, callbacks=[that_is_it]))


def test_non_finite_steps(inference):
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        x = pm.Normal("x", 0.0, 1.0)
        pm.Potential("p", tt.log(x + 3.0) - 20.0 * x)
    broken = pymc3_vi.ADVI(model=model, random_seed=1)
    with pytest.raises(NonFiniteError):
        _fit(broken, 1000, obj_n_mc=20, obj_optimizer=pymc3_vi.sgd(learning_rate=0.1))
    run = broken.approx.report.runs[0]
    assert run.reason == "non-finite" and run.message.startswith("NonFiniteError: The loss became")
    assert run.steps == len(broken.hist) < 1000


def test_a_second_run_is_added(inference):
    before = inference.report.steps
    _fit(inference, 10)
    inference.refine(7, progressbar=False)
    report = inference.approx.report
    assert [run.steps for run in report.runs[-2:]] == [10, 7] and report.steps == before + 17
    assert report.runs[-1].options == report.runs[-2].options and report.runs[-1].compile_seconds == 0
    assert f"{report.steps:,} in {len(report.runs)} runs" in str(report)


def test_warnings_are_kept_and_shown(inference):
    def careful(approx, losses, i):
        warnings.warn("take care", stacklevel=2)

    for _ in range(2):
        with pytest.warns(UserWarning, match="take care"):
            _fit(inference, 3, callbacks=[careful])
        assert "UserWarning: take care" in inference.report.runs[-1].warnings
    assert "UserWarning: take care" in str(inference.report)
    show = warnings.showwarning
    _fit(inference, 3)
    assert warnings.showwarning is show and inference.report.runs[-1].warnings == []


def test_json_and_back(inference):
    _fit(inference, 3)
    report = inference.report
    again = FitReport.from_json(json.loads(json.dumps(report.to_json(), allow_nan=False)))
    assert str(again) == str(report) and again._repr_html_() == report._repr_html_()


def test_before_a_fit():
    report = FitReport("ADVI", "KL[MeanField]")
    assert report.reason is None and report.message == "not fitted yet" and report.options == {} and report.steps == 0
    assert pymc3_vi.MeanField(model=hierarchy()).report is None


def test_ageing_libraries_are_no_matter_of_the_fit(inference, recwarn):
    """As NumPy's word on Theano's np.complex; what the user's own code is told stays."""

    def old(approx, losses, i):
        for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
            for place in (theano.__file__, pm.__file__, np.__file__):
                warnings.warn_explicit(f"ageing {i} {place}", category, place, 369)
        warnings.warn_explicit(f"a wrong value {i}", RuntimeWarning, theano.__file__, 1)
        warnings.warn_explicit(f"old callback {i}", DeprecationWarning, __file__, 1)

    warnings.simplefilter("always")
    inference.fit(2, callbacks=[old], progressbar=False)
    found = inference.report.warnings
    assert not [w for w in found if "ageing" in w or "np.complex" in w] and "ageing" not in str(inference.report)
    last = len(inference.hist)
    assert [w for w in found if "wrong" in w] == [f"RuntimeWarning: a wrong value {i}" for i in (last - 1, last)]
    assert f"DeprecationWarning: old callback {last}" in found
    assert len([w for w in recwarn if "ageing" in str(w.message)]) == 18  # shown as ever
