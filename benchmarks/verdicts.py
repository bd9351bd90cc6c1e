"""How often `diagnose()` is right, over fits that are right and fits that are wrong; writes docs/verdicts.md.

Usage: ``make verdicts``, or ``python -m benchmarks.verdicts [--seeds 3] [--tables] [NAME ...]``; names fit some models
only.  Every fit is stored as it ends, so that a run that was stopped goes on where it stood; ``--fresh`` forgets them,
``--tables`` fits nothing.
"""

import argparse
import json
import time
import warnings
from collections import OrderedDict
from pathlib import Path

import pymc3_vi

import numpy as np

from benchmarks import known_evidence, verdict_tables
from benchmarks.corrected import errors, references

ROOT = Path(__file__).resolve().parents[1]
STORE, DOCUMENT = ROOT / ".bench" / "verdicts.jsonl", ROOT / "docs" / "verdicts.md"
EVIDENCE, EVIDENCE_SEEDS = ROOT / ".bench" / "evidence.json", 100

FAMILIES = ("advi", "fullrank_advi")
#: Families without a Gaussian q, and the small models on which they are tried.
OTHERS = ("nfvi", "svgd")
OTHERS_MODELS = ("conjugate_normal", "normal", "poisson_rate", "eight_schools", "banana", "near_modes")


def _adam(n):
    return dict(n=n, obj_optimizer=pymc3_vi.adam(learning_rate=0.01))


#: How long a fit is: by default, cut short, and with steps so small that most fits are far from their optimum.
LENGTHS = OrderedDict(
    default=dict(),
    short=dict(n=60),
    adam_150=_adam(150),
    adam_1000=_adam(1000),
)
#: Draws from which moments of a q are taken that has none in closed form.
DRAWS = 20_000


def cases(names, seeds):
    """(model, family, length, seed) of every fit."""
    for name in names:
        for family in FAMILIES + (OTHERS if name in OTHERS_MODELS else ()):
            for length in LENGTHS:
                if family in OTHERS and length in ("short", "adam_150"):
                    continue
                for seed in range(1, seeds + 1):
                    yield name, family, length, seed


def moments(q, seed):
    """Means and sds of q over its flat vector."""
    if q.all_histograms:
        particles = q.histogram.get_value()
        return particles.mean(axis=0), particles.std(axis=0)
    try:
        return q.mean.eval(), q.std.eval()
    except (NotImplementedError, pymc3_vi.errors.VariationalInferenceError):
        sample = q.sample_arrays(DRAWS, random_seed=seed)
        flat = np.concatenate([np.reshape(sample[n], (DRAWS, -1)) for n in q.ordering.names], axis=1)
        return flat.mean(axis=0), flat.std(axis=0)


def judged(q, seed, **options):
    """What a diagnosis says, as data."""
    begin = time.process_time()
    report = q.diagnose(random_seed=seed, **options)
    found = dict(verdict=report.verdict, seconds=round(time.process_time() - begin, 3), khat=_rounded(report.khat))
    found.update(reasons=report.reasons, notes=report.notes)
    if report.chains is not None:
        found.update(nested_rhat=_rounded(report.nested_rhat), converged=bool(report.chains.reliable))
    return found, report


def _rounded(value):
    return None if value is None else float(f"{value:.4g}")


def measure(model, truth, family, length, seed):
    """One fit and both verdicts on it: by default, and by importance weights alone."""
    begin = time.process_time()
    try:
        q = pymc3_vi.fit(method=family, model=model, random_seed=seed, progressbar=False, **LENGTHS[length])
    except pymc3_vi.errors.VariationalInferenceError as error:
        return dict(failed=f"{type(error).__name__}: {error}"[:300])
    seconds = time.process_time() - begin
    row = dict(fit_seconds=round(seconds, 3), q=[_rounded(e) for e in errors(q.ordering, *moments(q, seed), truth)])
    row["default"], report = judged(q, seed)
    row["weights"] = judged(q, seed, correct=None)[0]
    if report.chains is not None:
        chains = report.chains
        row["chains"] = [_rounded(e) for e in errors(q.ordering, chains.mean, chains.sd, truth)]
    return row


def stored():
    """Case -> what its fit gave."""
    rows = [json.loads(line) for line in STORE.read_text().splitlines()] if STORE.exists() else []
    return OrderedDict((tuple(row.pop("case")), row) for row in rows)


def in_order(found):
    """The same in the order of models, families and lengths, whatever the order of the runs."""
    orders = [list(names) for names in (references(), FAMILIES + OTHERS, LENGTHS)]
    key = lambda case: [order.index(part) for order, part in zip(orders, case)] + [case[3]]  # noqa: E731
    return OrderedDict((case, found[case]) for case in sorted(found, key=key))


def keep(case, row):
    """Append one row to the store."""
    STORE.parent.mkdir(exist_ok=True)
    with STORE.open("a") as file:
        file.write(json.dumps(dict(case=list(case), **row)) + "\n")


def run(names, seeds):
    """Make the fits that are not stored."""
    known, built = references(), (None, None, None)
    done = stored()
    for case in cases(names, seeds):
        if case in done:
            continue
        name, family, length, seed = case
        if built[0] != name:
            built = (name,) + known[name]()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            row = measure(*built[1:], family, length, seed)
        keep(case, row)
        print(*case, verdict_tables.words(row), flush=True)


def evidence():
    """Name -> rows of ``known_evidence.measure``, as far as stored."""
    found = json.loads(EVIDENCE.read_text()) if EVIDENCE.exists() else {}
    return OrderedDict((name, found[name]) for name in known_evidence.KNOWN_EVIDENCE if name in found)


def run_evidence(names=known_evidence.KNOWN_EVIDENCE, seeds=EVIDENCE_SEEDS):
    """Measure the log evidence of those models that are not stored with as many seeds."""
    EVIDENCE.parent.mkdir(exist_ok=True)
    for name in names:
        if len(evidence().get(name, ())) < seeds:
            rows = known_evidence.measure(name, seeds)
            EVIDENCE.write_text(json.dumps(dict(evidence(), **{name: rows})))
            print("evidence", name, flush=True)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--tables", action="store_true")
    options = parser.parse_args(arguments)
    if options.fresh:
        for path in (STORE, EVIDENCE):
            if path.exists():
                path.unlink()
    if not options.tables:
        if not options.names:
            run_evidence()
        run(options.names or list(references()), options.seeds)
    text = verdict_tables.page(in_order(stored()), evidence())
    print(text)
    if not options.names:
        DOCUMENT.write_text(text)


if __name__ == "__main__":
    main()
