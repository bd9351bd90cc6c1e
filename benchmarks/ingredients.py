"""What each ingredient of the default rule is worth: it is taken out or swapped, over the development set.

Usage: ``make ingredients``, or ``python -m benchmarks.ingredients [RULE ...]`` to fit some rules only.  Every fit is
stored as it ends, so that a run that was stopped goes on where it stood; ``--fresh`` forgets them, ``--tables`` fits
nothing.  The tables go into docs/ingredients.md, over those models that every rule has been fitted to.
"""

import json
import re
import sys
import time
from collections import OrderedDict
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

import pymc3_vi
from pymc3_vi.algorithms.newton import WarmStart
from pymc3_vi.algorithms.newton._lbfgs import InverseHessian
from pymc3_vi.algorithms.newton._warm_start import Arrival
from pymc3_vi.approximations.gaussian import Chart, Curvature, Draws
from pymc3_vi.errors import NonFiniteError, StartError

import numpy as np
import theano

from benchmarks.accuracy import FAMILIES, SEED, N, distances, quantiles
from benchmarks.development_set import DEVELOPMENT_SET, build, stored

ROOT = Path(__file__).resolve().parents[1]
STORE, DOCUMENT = ROOT / ".bench" / "ingredients.json", ROOT / "docs" / "ingredients.md"
BEGIN, END = "<!-- tables -->", "<!-- end of tables -->"
CLASSES = {"advi": pymc3_vi.ADVI, "fullrank_advi": pymc3_vi.FullRankADVI}

#: Rates among which the search by ELBO chooses, and the steps that it gives to each.
RATES, TRIAL_STEPS = (0.3, 0.1, 0.03, 0.01, 0.003), 300


# ---------------------------------------------------------------- parts of the default rule that can be taken out
def _at(warm, mu, scale):
    """Arrival at a place in coordinates of q's own widths, which know nothing of the log density."""
    widths = warm.blocks.std(scale)
    chart = Chart(warm.blocks, mu, scale, Curvature(1 / widths**2), widths)
    return Arrival(chart, chart.origin(), InverseHessian(), -np.inf, np.inf)


def _stay(warm):
    return _at(warm, *warm.best)


_run, _slope = WarmStart.run, Chart.slope


def _forget(warm):
    arrival = _run(warm)
    return _at(warm, *arrival.chart.place(arrival.x))


class _Independent(Draws):
    """Base noise without mirrored pairs and without a Sobol sequence."""

    def pairs(self, count):
        self.taken += count
        return np.random.default_rng([self.seed, self.taken]).standard_normal((2 * count, self.d))


NEWTON = "pymc3_vi.algorithms.newton"
NO_PATH = (f"{NEWTON}._warm_start.WarmStart.run", _stay)
NO_PRECONDITIONING = (f"{NEWTON}._warm_start.WarmStart.run", _forget)
ONE_START = (f"{NEWTON}._warm_start.EXTRA_STARTS", 0)
NO_CONTROL = (
    "pymc3_vi.approximations.gaussian.Chart.slope",
    lambda *args, control=False: _slope(*args, control=control),
)
INDEPENDENT = (f"{NEWTON}._averaged_newton.Draws", _Independent)
ANNEALED = ("pymc3_vi.algorithms.Newton.obstacle", lambda *args: "left out")
UNBALANCED = ("pymc3_vi.algorithms.AnnealedAdam.balanced_noise", False)


# ---------------------------------------------------------------- what is run
def _last_iterate(inference):
    for param, value in inference.last_iterate.items():
        param.set_value(value)


def _end_of_path(inference):
    step = inference.algorithm
    step.write(step.arrival.x)


def _best_rate(inference):
    """Of `RATES`, the one whose first steps of Adam reach the lowest loss; parameters are put back."""
    rate = theano.shared(RATES[0])
    run = dict(progressbar=False, obj_optimizer=pymc3_vi.adam(learning_rate=rate))
    inference.fit(0, **run)
    step, losses = inference.algorithm, {}
    begin = step.snapshot()
    for value in RATES:
        rate.set_value(value)
        try:
            inference.fit(TRIAL_STEPS, **run)
            losses[value] = np.mean(inference.hist[-TRIAL_STEPS // 3 :])
        except NonFiniteError:
            losses[value] = np.inf
        step.restore(begin)
    return min(losses, key=losses.get)


def _searched(inference):
    best = _best_rate(inference)
    return inference.fit(
        N, progressbar=False, obj_optimizer=pymc3_vi.adam(learning_rate=pymc3_vi.updates.cosine(best, N))
    )


class Rule:
    """One row of the tables.

    Parameters
    ----------
    title : str
    without : tuple of (str, object)
        Names in the package and what takes their place.
    made : dict
        Keywords of the inference class.
    read : callable, optional
        Puts another iterate than the result into the parameters.
    run : callable, optional
        Fits an inference; by default ``fit(N)`` with `options`.
    **options
        Keywords of ``fit``.
    """

    def __init__(self, title, without=(), made=None, read=None, run=None, **options):
        self.title, self.without, self.made, self.read = title, without, made or {}, read
        self.run, self.options = run, options

    def fit(self, model, method):
        """The fitted approximation."""
        with ExitStack() as stack:
            for name, value in self.without:
                stack.enter_context(mock.patch(name, value))
            inference = self.begin(model, method)
            if self.run is not None:
                return self.run(inference)
            all_steps = {} if isinstance(inference, pymc3_vi.DADVI) else {"tol": None}
            inference.fit(N, progressbar=False, **all_steps, **self.options)
            if self.read is not None:
                self.read(inference)
            return inference.approx

    def begin(self, model, method):
        """The inference."""
        return CLASSES[method](model=model, random_seed=SEED, **self.made)


class Deterministic(Rule):
    """DADVI of the same family."""

    def begin(self, model, method):
        family = {"advi": pymc3_vi.MeanField, "fullrank_advi": pymc3_vi.FullRank}[method]
        return pymc3_vi.DADVI(approx=family(model=model, random_seed=SEED))


def _adam(**options):
    return dict(options, obj_optimizer=pymc3_vi.adam(learning_rate=0.01))


COSINE = pymc3_vi.adam(learning_rate=pymc3_vi.updates.cosine(0.05, N))

RULES = OrderedDict(
    default=Rule("the default rule"),
    last_iterate=Rule("- the last iterate instead of the average", read=_last_iterate),
    end_of_path=Rule("- the end of the path alone, no stochastic phase", read=_end_of_path),
    no_path=Rule("- no path to a start, no preconditioning", (NO_PATH,)),
    no_preconditioning=Rule("- the path, but no preconditioning by it", (NO_PRECONDITIONING,)),
    one_start=Rule("- no jittered starts", (ONE_START,)),
    no_control=Rule("- no control variate", (NO_CONTROL,)),
    independent=Rule("- independent draws instead of mirrored Sobol pairs", (INDEPENDENT,)),
    dadvi=Deterministic("DADVI"),
    annealed=Rule("annealed Adam, the rule for everything else", (ANNEALED,)),
    annealed_map=Rule("- from `start='map'`", (ANNEALED,), dict(start="map")),
    annealed_laplace=Rule("- from `start='laplace'`", (ANNEALED,), dict(start="laplace")),
    annealed_last=Rule("- the last iterate instead of the average", (ANNEALED,), read=_last_iterate),
    annealed_unbalanced=Rule("- noise without matched moments", (ANNEALED, UNBALANCED)),
    annealed_path=Rule("- path-derivative gradient", (ANNEALED,), dict(cost_part_grad_scale=0)),
    searched=Rule("`adam(cosine(η, n))`, η by a search", run=_searched),
    cosine=Rule("`adam(cosine(0.05, n))`", obj_optimizer=COSINE),
    adam=Rule("`adam(0.01)`", **_adam()),
    adam_average=Rule("- `average=0.4`", **_adam(average=0.4)),
    adam_map=Rule("- from `start='map'`", made=dict(start="map"), **_adam()),
    adam_laplace=Rule("- from `start='laplace'`", made=dict(start="laplace"), **_adam()),
    window=Rule("`adagrad_window(0.001)`, PyMC3's default", obj_optimizer=pymc3_vi.adagrad_window),
    window_laplace=Rule("- from `start='laplace'`", made=dict(start="laplace"), obj_optimizer=pymc3_vi.adagrad_window),
)


def measure(name, family, method, rule):
    """Errors of one fit, None for those of a failed one, and its CPU seconds."""
    optimum, model = stored(name)[family], build(name)
    begin = time.process_time()
    try:
        approx = rule.fit(model, method)
        seconds = time.process_time() - begin
        mean, sd = ([float(f"{x:.4g}") for x in found] for found in distances(approx, optimum))
    except (NonFiniteError, StartError):
        mean, sd, seconds = None, None, time.process_time() - begin
    return {"mean": mean, "sd": sd, "values": len(optimum["mean"]), "seconds": round(seconds, 2)}


# ---------------------------------------------------------------- the tables
def _row(rule, fits):
    cells = []
    for which in ("mean", "sd"):
        cells += quantiles(
            np.concatenate([np.full(f["values"], np.inf) if f[which] is None else f[which] for f in fits])
        )
    failed = sum(f["mean"] is None for f in fits)
    far = sum(f["mean"] is None or max(f["mean"]) > 0.1 for f in fits)
    seconds = np.median([f["seconds"] for f in fits])
    return f"| {rule.title} | " + " | ".join(cells) + f" | {far} | {failed} | {seconds:.1f} |"


def tables(found):
    """Lines of both tables."""
    lines = []
    for family, _, title in FAMILIES:
        names = [name for name in DEVELOPMENT_SET if all(_key(rule, name, family) in found for rule in RULES)]
        if not names:
            continue
        lines += [
            "",
            f"### {title[0].upper()}{title[1:]}, {len(names)} of {len(DEVELOPMENT_SET)} models",
            "",
            f"{', '.join(names)}.",
            "",
            "| rule | mean error: median | 90 % | largest | sd error: median | 90 % | largest | beyond 0.1 sd "
            "| failed | seconds |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        lines += [_row(rule, [found[_key(key, name, family)] for name in names]) for key, rule in RULES.items()]
    return lines + [""]


def _key(rule, name, family):
    return f"{rule} {name} {family}"


def main(arguments):
    fresh = "--fresh" in arguments
    chosen = [a for a in arguments if not a.startswith("--")] or list(RULES)
    if "--tables" in arguments:
        chosen = []
    known = list(RULES) + ["--fresh", "--tables"]
    unknown = [a for a in arguments if a not in known]
    if unknown:
        sys.exit(f"Unknown: {', '.join(unknown)}. Known: {', '.join(known)}.")
    found = json.loads(STORE.read_text()) if STORE.exists() and not fresh else {}
    STORE.parent.mkdir(exist_ok=True)
    for name in DEVELOPMENT_SET:
        for family, method, _ in FAMILIES:
            for rule in chosen:
                key = _key(rule, name, family)
                if key in found or family not in stored(name):
                    continue
                found[key] = fit = measure(name, family, method, RULES[rule])
                part = STORE.with_suffix(".part")
                part.write_text(json.dumps(found))
                part.replace(STORE)
                worst = [np.inf if fit[k] is None else max(fit[k]) for k in ("mean", "sd")]
                print(f"{key}: mean {worst[0]:.2g}, sd {worst[1]:.2g}, {fit['seconds']:.1f} s", flush=True)
    text = f"{BEGIN}\n" + "\n".join(tables(found)) + f"\n{END}"
    print(text)
    DOCUMENT.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: text, DOCUMENT.read_text(), flags=re.S))


if __name__ == "__main__":
    main(sys.argv[1:])
