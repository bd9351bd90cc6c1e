"""Times this package, `pymc3.variational`, PyMC 5 and NumPyro in turns on the same models and data.

Fits: every run is a process of its own that begins with an empty cache of compiled code, the warm run after it finds
what it left.  Steps: every package compiles once, then the packages take steps in turns.  The losses that all packages
reach by the same optimizer are compared.  Every single time goes to a JSON file after every run, medians and ratios to
a Markdown table.  A package that fails on a model is given up there and the rest goes on; ``--append`` goes on with the
runs that the file lacks.
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
from pathlib import Path

from benchmarks.data import DATA
from benchmarks.environments import PEERS, ROOT, prepare
from benchmarks.report import markdown
from benchmarks.runs import Steps, fits
from benchmarks.worker import PACKAGES

#: Steps at every rate of the fit whose loss is compared, where they are slow.
LOSS_STEPS = {"normal-1e5": 1000, "logistic-1e5": 300, "gp": 1000, "bnn": 2000, "full-rank-500": 1000}

#: Factor of its rates, where they are too large: for narrow posteriors, or for 125,000 parameters.
LOSS_SCALE = {"normal-1e5": 0.3, "logistic-1e5": 0.3, "full-rank-500": 0.1}


def _processor():
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def _digits(value):
    """The same numbers to six digits, which keeps the file short."""
    if isinstance(value, dict):
        return {key: _digits(item) for key, item in value.items()}
    return (
        [_digits(item) for item in value]
        if isinstance(value, list)
        else (float(f"{value:.6g}") if isinstance(value, float) else value)
    )


class Record:
    """The runs so far, in a file."""

    def __init__(self, path, keep):
        self.path = path
        self.results = {"machine": f"{_processor()}, {os.cpu_count()} cores", "runs": []}
        if keep and path.exists():
            self.results = json.loads(path.read_text())
            self.results["runs"] = [run for run in self.results["runs"] if "error" not in run]
        self.results["date"] = datetime.date.today().isoformat()
        path.parent.mkdir(parents=True, exist_ok=True)

    def drop(self, options):
        """Forget the runs that the options ask for."""
        jobs = options.jobs + ["loss"] * ("step" in options.jobs)
        self.results["runs"] = [
            run
            for run in self.results["runs"]
            if not (
                run["model"] in options.models
                and run["package"] in options.packages
                and run["job"] in jobs
                and run["threads"] == options.threads
            )
        ]

    def has(self, **wanted):
        """Whether there is such a run, or a failure of the package there."""
        return any(all(run[key] == value for key, value in wanted.items()) for run in self.results["runs"])

    def failed(self, **wanted):
        return any(
            "error" in run and all(run[key] == value for key, value in wanted.items()) for run in self.results["runs"]
        )

    def add(self, phases, **key):
        self.results["runs"].append({**key, **_digits(phases)})
        runs = ",\n  ".join(json.dumps(run) for run in self.results["runs"])
        head = json.dumps({name: value for name, value in self.results.items() if name != "runs"}, indent=1)
        part = self.path.with_suffix(".tmp")
        part.write_text(f'{head[:-2]},\n "runs": [\n  {runs}\n ]\n}}\n')
        part.replace(self.path)
        words = phases.get("error") or ", ".join(
            f"{name} {value[1]:.3g}" if name != "loss" else f"loss {value[0]:.6g} ± {value[1]:.2g}"
            for name, value in phases.items()
            if isinstance(value, list)
        )
        print(" ".join(str(value) for value in key.values()), words, flush=True)


def time_fits(model, options, record):
    """All turns of the fits of one model."""
    for repeat in range(1, options.repeats + 1):
        for package in options.packages:
            key = dict(model=model, package=package, job="fit", threads=options.threads)
            if (package in PEERS and repeat > options.peer_fits) or record.failed(**key):
                continue
            if all(record.has(**key, repeat=repeat, cache=cache) for cache in options.cache):
                continue
            for cache, phases in fits(package, model, options, options.draws if repeat == 1 else 0):
                if not record.has(**key, repeat=repeat, cache=cache):
                    record.add(phases, **key, repeat=repeat, cache=cache)


def time_steps(model, options, record):
    """All turns of the steps of one model, and the losses in the end."""
    keys = {p: dict(model=model, package=p, job="step", threads=options.threads) for p in options.packages}
    missing = [
        repeat
        for repeat in range(1, options.repeats + 1)
        if any(not record.has(**key, repeat=repeat) for key in keys.values())
    ]
    if not missing:
        return
    options.loss_steps, options.loss_scale = LOSS_STEPS.get(model, 3000), LOSS_SCALE.get(model, 1.0)
    with contextlib.ExitStack() as stack:
        workers = {}
        for package, key in keys.items():
            worker = stack.enter_context(Steps(package, model, options))
            if "error" in worker.begun:
                record.add(worker.begun, **key, repeat=missing[0])
            else:
                workers[package] = worker
        for repeat in missing:
            for package, worker in list(workers.items()):
                phases = worker.ask("step")
                record.add({"pass": worker.begun["pass"], **phases}, **keys[package], repeat=repeat)
                if "error" in phases:
                    del workers[package]
        for package, worker in workers.items():
            if options.losses and not record.has(model=model, package=package, job="loss"):
                record.add(worker.ask("loss"), **dict(keys[package], job="loss"), repeat=1)


def _names(known):
    def parse(text):
        names = text.split(",")
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
        return names

    return parse


def _parser():
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks")
    parser.add_argument("--models", type=_names(DATA), default=list(DATA), help=f"of {','.join(DATA)}")
    parser.add_argument("--packages", type=_names(PACKAGES), default=list(PACKAGES), help=f"of {','.join(PACKAGES)}")
    parser.add_argument("--jobs", type=_names(["step", "fit"]), default=["step", "fit"], help="of step,fit")
    parser.add_argument("--cache", type=_names(["cold", "warm"]), default=["cold", "warm"], help="of cold,warm")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each package (default: %(default)s)")
    parser.add_argument("--peer-fits", type=int, default=1, help="turns of PyMC 5 and NumPyro in fits (default: 1)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of steps that are timed (default: %(default)s)")
    parser.add_argument("--fit-steps", type=int, default=20000, help="steps of a fit (default: %(default)s)")
    parser.add_argument(
        "--fit-seconds",
        type=float,
        default=10.0,
        help="from which slow steps of the other packages' fits are extrapolated (default: %(default)s)",
    )
    parser.add_argument("--draws", type=int, default=1000, help="after the fits of the first turn (default: 1000)")
    parser.add_argument("--no-losses", dest="losses", action="store_false", help="do not compare losses after steps")
    parser.add_argument("--threads", type=int, default=1, help="threads of every package (default: %(default)s)")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds for one run (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "latest.json")
    parser.add_argument("--append", action="store_true", help="keep the runs of the output file, make those it lacks")
    parser.add_argument("--redo", action="store_true", help="like --append, but make all that is asked for again")
    parser.add_argument("--markdown", type=Path, help="also write the tables to this file")
    return parser


def main(arguments=None):
    options = _parser().parse_args(arguments)
    for package in options.packages:
        prepare(package)
    record = Record(options.output, options.append or options.redo)
    if options.redo:
        record.drop(options)
    options.loss_steps, options.loss_scale = 0, 1.0
    for job in options.jobs:
        for model in options.models:
            (time_steps if job == "step" else time_fits)(model, options, record)
    text = markdown(record.results)
    print(text)
    if options.markdown:
        options.markdown.write_text(text)


if __name__ == "__main__":
    main()
