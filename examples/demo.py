"""Fit the radon model by ADVI and set the answer beside a stored long NUTS run: ``python -m examples.demo``."""

import argparse
import time
from pathlib import Path

import pymc3_vi  # before PyMC3

import numpy as np

from examples import radon
from examples.demo_plots import plot_elbo, plot_posterior
from examples.references import load_reference

STEPS, DRAWS, SEED = 60000, 4000, 20210300
SCALARS = ["intercept", "uranium", "floor", "county_sd", "sigma"]


def summary_lines(draws, reference, counties=()):
    """Table of means and standard deviations, one line a parameter, ADVI beside NUTS.

    Parameters
    ----------
    draws : dict
        Variable -> array of draws, draws on the first axis.
    reference : dict
        As `load_reference` gives it.
    counties : list of (int, str)
        Index and label of the counties that get a line of their own.
    """
    yield f"{'':24}{'ADVI':^17}   {'NUTS':^17}   {'difference':^17}"
    yield f"{'parameter':24}{'mean':>8} {'sd':>8}   {'mean':>8} {'sd':>8}   {'mean / sd':>9} {'sd ratio':>8}"

    def line(label, values, stored, entry=...):
        mean, sd = values.mean(), values.std(ddof=1)
        nuts_mean, nuts_sd = stored["mean"][entry], stored["sd"][entry]
        return (
            f"{label:24}{mean:8.3f} {sd:8.3f}   {nuts_mean:8.3f} {nuts_sd:8.3f}   "
            f"{(mean - nuts_mean) / nuts_sd:+9.2f} {sd / nuts_sd:8.2f}"
        )

    for name in SCALARS:
        yield line(name, draws[name], reference[name])
    for index, label in counties:
        yield line(f"county {label}", draws["county"][:, index], reference["county"], index)

    stored = reference["county"]
    shift = (draws["county"].mean(axis=0) - stored["mean"]) / stored["sd"]
    ratio = draws["county"].std(axis=0, ddof=1) / stored["sd"]
    yield (
        f"all {len(shift)} counties: mean differs by {np.abs(shift).max():.2f} sd at most, "
        f"sd ratio {ratio.min():.2f} to {ratio.max():.2f}"
    )
    yield "Mean field leaves out correlations between parameters: its sds are too small where those are correlated."


def response_lines(response, reference):
    """What linear response makes of the standard deviations, as ratios to NUTS.

    Parameters
    ----------
    response : Series
        Column ``response_sd`` of ``approx.summary()``.
    reference : dict
        As `load_reference` gives it.
    """
    yield "approx.summary() has their sds by linear response beside, in its column response_sd. Over those of NUTS:"
    yield "  " + ", ".join(f"{name} {response[name] / reference[name]['sd']:.2f}" for name in SCALARS)
    ratio = response[[f"county[{k}]" for k in range(len(reference["county"]["sd"]))]] / reference["county"]["sd"]
    yield f"  all {len(ratio)} counties {ratio.min():.2f} to {ratio.max():.2f}"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS, help="gradient steps (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("demo_output"), help="folder of the PNG files")
    options = parser.parse_args(arguments)

    data = radon.load_data()
    begin = time.perf_counter()
    with pymc3_vi.fast_build():
        model = radon.build_model(data)
    built = time.perf_counter()
    with model:
        approx = pymc3_vi.fit(n=options.steps, method="advi", random_seed=SEED)
    fitted, done = time.perf_counter(), approx.report.steps
    trace = approx.sample(DRAWS, random_seed=SEED)
    sampled = time.perf_counter()

    reference = load_reference("radon")
    homes = np.bincount(data.county)
    shown = [int(homes.argmax()), int(homes.argmin())]
    draws = {name: trace[name] for name in SCALARS + ["county"]}
    counties = [(k, f"{data.county_names[k].title()} ({homes[k]})") for k in shown]

    print(f"\nRadon in {len(data.log_radon)} homes of {len(homes)} counties, {approx.ndim} parameters")
    print(
        f"model {built - begin:.1f} s, ADVI {fitted - built:.1f} s ({done} steps, compilation included), "
        f"{DRAWS} draws {sampled - fitted:.1f} s\n"
    )
    print("\n".join(summary_lines(draws, reference, counties)))
    table = approx.summary(round_to=None, random_seed=SEED)
    print("\n".join(response_lines(table["response_sd"], reference)))

    options.output.mkdir(parents=True, exist_ok=True)
    elbo = plot_elbo(approx.hist, options.output / "elbo.png")
    posterior = plot_posterior(draws, reference, data, SCALARS, options.output / "posterior.png")
    print(f"\nELBO:      {elbo}\nPosterior: {posterior}")


if __name__ == "__main__":
    main()
