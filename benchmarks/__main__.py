"""Times this package, `pymc3.variational`, PyMC 5 and NumPyro in turns on the same models and data.

Every run is a process of its own.  Cold runs begin with an empty cache of compiled code, the warm run after each finds
what it left.  Results go to a JSON file with every single time, and to a Markdown table of medians and ratios.
"""
import argparse
import datetime
import json
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks.data import DATA
from benchmarks.environments import ROOT, environment, interpreter, prepare
from benchmarks.report import markdown
from benchmarks.worker import PACKAGES


def _processor():
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def _run(package, model, job, cache, options):
    """Phases of one run, or a dict with the last line of its error."""
    command = [interpreter(package), "-m", "benchmarks.worker", package, model, job]
    command += ["--seconds", str(options.seconds), "--fit-steps", str(options.fit_steps)]
    try:
        done = subprocess.run(
            command, env=environment(package, cache, options.threads), cwd=ROOT, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, universal_newlines=True, timeout=options.timeout,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"more than {options.timeout} s"}
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def _turn(package, model, repeat, options, record):
    """The runs of one package on one model in one turn: cold and warm, each job with a cache of its own."""
    for job in options.jobs:
        folder = tempfile.mkdtemp(prefix="cache", dir=options.caches)
        kept = options.caches / f"{package}-{model}-{job}"
        try:
            if "cold" in options.cache:
                record(package, model, job, "cold", repeat, _run(package, model, job, folder, options))
            if "warm" in options.cache:
                if "cold" not in options.cache:
                    if not kept.exists():  # fills the cache; not counted
                        _run(package, model, job, kept, options)
                    cache = kept
                else:
                    cache = folder
                record(package, model, job, "warm", repeat, _run(package, model, job, cache, options))
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _names(known):
    def parse(text):
        names = text.split(",")
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
        return names

    return parse


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks")
    parser.add_argument("--models", type=_names(DATA), default=list(DATA), help=f"of {','.join(DATA)}")
    parser.add_argument("--packages", type=_names(PACKAGES), default=list(PACKAGES), help=f"of {','.join(PACKAGES)}")
    parser.add_argument("--jobs", type=_names(["step", "fit"]), default=["step", "fit"], help="of step,fit")
    parser.add_argument("--cache", type=_names(["cold", "warm"]), default=["cold", "warm"], help="of cold,warm")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each package (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of steps that are timed (default: %(default)s)")
    parser.add_argument("--fit-steps", type=int, default=20000, help="steps of a fit (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="threads of every package (default: %(default)s)")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds for one run (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "latest.json")
    parser.add_argument("--append", action="store_true", help="keep the runs that are in the output file")
    parser.add_argument("--markdown", type=Path, help="also write the tables to this file")
    options = parser.parse_args(arguments)

    for package in options.packages:
        prepare(package)
    options.caches = ROOT / ".bench" / "caches"
    options.caches.mkdir(parents=True, exist_ok=True)
    results = {"machine": f"{_processor()}, {os.cpu_count()} cores", "runs": []}
    if options.append and options.output.exists():
        results = json.loads(options.output.read_text())
    results["date"] = datetime.date.today().isoformat()
    options.output.parent.mkdir(parents=True, exist_ok=True)

    def record(package, model, job, cache, repeat, phases):
        run = {"package": package, "model": model, "job": job, "cache": cache, "repeat": repeat, **phases}
        results["runs"].append(run)
        options.output.write_text(json.dumps(results, indent=1) + "\n")
        words = phases.get("error") or ", ".join(f"{name} {cpu:.3g}" for name, (_, cpu) in phases.items())
        print(f"{model:14} {package:9} {job:4} {cache:4} {words}", flush=True)

    first = 1 + max([run["repeat"] for run in results["runs"]], default=0)
    for repeat in range(first, first + options.repeats):
        for model in options.models:
            for package in options.packages:
                _turn(package, model, repeat, options, record)
    text = markdown(results)
    print(text)
    if options.markdown:
        options.markdown.write_text(text)


main()
