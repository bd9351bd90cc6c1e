"""Arithmetic of the benchmarks' report, on results small enough to be worked out by hand."""

import pytest

from benchmarks import acceptance, worker
from benchmarks.acceptance import Line, lines, table
from benchmarks.ratios import CPU, WALL, ratio, times
from benchmarks.report import disagreements, markdown


def step(model, package, repeat, cpu, threads=1, wall=None, one_pass=1e-6):
    return {
        "model": model,
        "package": package,
        "job": "step",
        "threads": threads,
        "repeat": repeat,
        "pass": [one_pass, one_pass],
        "step": [cpu if wall is None else wall, cpu],
    }


def fit(model, package, repeat, cache, seconds, steps=20000):
    phases = {name: [2 * s, s] for name, s in zip(("import", "build", "compile", "fit", "sample"), seconds)}
    return {
        "model": model,
        "package": package,
        "job": "fit",
        "threads": 1,
        "repeat": repeat,
        "cache": cache,
        "steps": steps,
        **phases,
    }


def loss(package, mean, error):
    return {"model": "gp", "package": package, "job": "loss", "threads": 1, "repeat": 1, "loss": [mean, error]}


def by_words(runs, words):
    return next(line for line in lines(runs) if line.what.startswith(words))


def test_ratio_is_the_median_of_ratios_within_turns():
    # 6/3, 10/1 and 8/2 in the common turns; the ratio of the medians would be 8/2.5
    assert ratio({1: 6.0, 2: 10.0, 3: 8.0, 4: 1.0}, {1: 3.0, 2: 1.0, 3: 2.0, 5: 9.0}) == 4.0
    assert ratio({1: 6.0}, {2: 3.0}) is None
    assert ratio(None, {2: 3.0}) is None


def test_times_add_phases_and_keep_caches_and_threads_apart():
    runs = [
        fit("gp", "pymc3", 1, "cold", (1, 2, 4, 8, 16)),
        fit("gp", "pymc3", 1, "warm", (1, 1, 1, 1, 1)),
        step("gp", "pymc3", 1, 5.0),
        step("gp", "pymc3", 1, 3.0, threads=2),
    ]
    assert times(runs, "fit", "cold", ("import", "fit"), CPU) == {("gp", "pymc3"): {1: 9}}
    assert times(runs, "fit", "cold", ("import", "fit"), WALL) == {("gp", "pymc3"): {1: 18}}
    assert times(runs, "step", None, ("step",), CPU) == {("gp", "pymc3"): {1: 5}, ("gp, 2 threads", "pymc3"): {1: 3}}


def test_cold_counts_the_import_and_warm_does_not():
    runs = [
        fit("gp", "pymc3_vi", 1, "cold", (1, 1, 1, 1, 9)),
        fit("gp", "pymc3", 1, "cold", (3, 10, 20, 7, 9)),
        fit("gp", "pymc3_vi", 1, "warm", (1, 1, 1, 2, 9)),
        fit("gp", "pymc3", 1, "warm", (90, 10, 10, 4, 9)),
    ]
    assert by_words(runs, "Cold").ratios == {"gp": 10.0}
    assert by_words(runs, "Warm").ratios == {"gp": 6.0}
    assert by_words(runs, "Warm").is_met and not by_words(runs, "Cold").is_met


def test_mean_field_and_full_rank_are_separate_demands():
    runs = [
        step("gp", "pymc3_vi", 1, 1.0),
        step("gp", "pymc3", 1, 2.0),
        step("lkj", "pymc3_vi", 1, 1.0),
        step("lkj", "pymc3", 1, 8.0),
        step("full-rank-10", "pymc3_vi", 1, 1.0),
        step("full-rank-10", "pymc3", 1, 9.0),
    ]
    assert by_words(runs, "Step of mean field").ratios == {"gp": 2.0, "lkj": 8.0}
    assert by_words(runs, "Step of full rank").ratios == {"full-rank-10": 9.0}
    row = next(row for row in table(runs) if "mean field" in row)
    assert "| 2 | 1 | 4.00 | 2.00 (gp) | 8.00 (lkj) | mean 3, each 1.5 | yes |" in row


def test_the_faster_peer_counts_and_both_are_needed():
    runs = [
        step("gp", "pymc3_vi", 1, 2.0, wall=1.0),
        step("gp", "pymc5", 1, 6.0, wall=5.0),
        step("gp", "numpyro", 1, 8.0, wall=0.5),
        step("lkj", "pymc3_vi", 1, 2.0),
        step("lkj", "pymc5", 1, 6.0),
    ]
    small = [line for line in lines(runs) if line.what.startswith("Step up to 10,000")]
    assert [line.ratios for line in small] == [{"gp": 3.0}, {"gp": 0.5}]
    assert [line.is_met for line in small] == [True, False]


def test_large_data_are_measured_against_one_pass():
    runs = [step("normal-1e5", "pymc3_vi", repeat, 3.0, one_pass=1.0) for repeat in (1, 2)]
    line = by_words(runs, "Step at 100,000 observations over one pass")
    assert (line.ratios, line.turns) == ({"normal-1e5": 3.0}, {"normal-1e5": 2})
    assert line.is_met and not line._replace(most=2).is_met


def test_without_runs_nothing_is_claimed():
    assert all(line.is_met is None for line in lines([]))
    assert all("not measured" in row for row in table([])[2:])


def test_a_bound_on_the_mean_alone():
    line = Line("", {"a": 2.0, "b": 8.0}, {"a": 5, "b": 5}, 4.0, None, None)
    assert line.is_met and not line._replace(mean=4.01).is_met


def test_losses_agree_within_noise_and_tolerance():
    runs = [loss("pymc3_vi", 10.0, 0.003), loss("pymc3", 10.06, 0.004), loss("numpyro", 10.08, 0.004)]
    assert disagreements(runs) == [("gp", "numpyro")]  # 0.05 + 4 * 0.005 = 0.07


def test_page_has_failures_and_marks_what_is_extrapolated():
    runs = [
        fit("gp", "pymc3_vi", 1, "cold", (1, 1, 1, 1, 1)),
        fit("gp", "pymc3", 1, "cold", (1, 1, 1, 7, 1), steps=9),
        {"model": "lkj", "package": "pymc5", "job": "step", "threads": 1, "repeat": 1, "error": "no such thing"},
    ]
    page = markdown({"date": "today", "machine": "a machine", "runs": runs})
    assert "| gp | 1 | 4 | 10\\* (2.5x) |" in page
    assert "- pymc5 on lkj (step): no such thing" in page


@pytest.mark.parametrize("each, timed", [(1e-3, 20000), (1e-2, 200 + 500)])
def test_slow_steps_are_extrapolated_linearly(each, timed, monkeypatch):
    now = [0.0]

    def steps(n):
        now[0] += each * n
        return n

    monkeypatch.setattr(worker.Phases, "_now", staticmethod(lambda: (2 * now[0], now[0])))
    found = worker.extrapolated(steps, 20000, seconds=5.0)
    assert found["steps"] == timed
    assert found["fit"] == pytest.approx([2 * each * 20000, each * 20000])


def test_models_of_large_data_are_known_by_their_names():
    assert acceptance.is_large("normal-1e5") and acceptance.is_large("logistic-1e5, 2 threads")
    assert not acceptance.is_large("logistic-1e3")
