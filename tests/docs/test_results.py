"""The page on results, run as it is written."""

import numpy as np
import pytest

from .pages import run_page


@pytest.mark.slow
def test_results(capsys):
    names = run_page("results.md")
    printed = capsys.readouterr().out
    assert (
        "Use the corrected draws: approx.sample(correct='hmc')" in printed and "Importance-corrected. k-hat" in printed
    )
    # numerical integration gives P(tau > 5) = 0.249
    large = names["large"]
    assert large.value == pytest.approx(0.249, abs=4 * large.error + 0.01)
    assert np.mean(names["trace"]["tau"] > 5) == pytest.approx(0.249, abs=0.06)
    assert np.mean(names["exact"]["tau"] > 5) == pytest.approx(0.249, abs=0.06)
    assert names["in_school_a"].dims == ("chain", "draw") and names["first_advice"].startswith("a richer family")
    assert set(names["idata"].groups()) >= {"posterior", "posterior_predictive", "log_likelihood", "observed_data"}
    assert set(names["table"].index) == {"partial pooling", "the same from InferenceData"}
    assert np.ptp(names["table"].iloc[:, 1]) < 0.3
