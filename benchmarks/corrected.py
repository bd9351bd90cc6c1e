"""``correct='hmc'`` and ``fit(method='auto')`` against known posteriors, by defaults; writes docs/corrected.md.

Usage: ``python -m benchmarks.corrected [--seeds 5] [NAME ...]``; names run some models only.  Every run is stored in
``.bench/corrected.jsonl`` as soon as it is done, and not repeated; ``--fresh`` forgets those of the models named.
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import pymc3_vi
from pymc3_vi.errors import RejectedFitWarning, UnconvergedChainsWarning, UnreliableWeightsWarning

import numpy as np

from benchmarks import development_set, hard_models, sampled_models

ROOT = Path(__file__).resolve().parents[1]
STORE, DOCUMENT = ROOT / ".bench" / "corrected.jsonl", ROOT / "docs" / "corrected.md"
#: Models whose references are runs of NUTS.
SAMPLED = (development_set, development_set.DEVELOPMENT_SET), (sampled_models, sampled_models.SAMPLED_MODELS)
#: What counts as right: means in sds of the posterior, sds relative.
CLOSE_MEAN, CLOSE_SD = 0.1, 0.1
#: What is misleading rather than inexact.
FAR_MEAN, FAR_SD = 0.3, 1.35
#: Draws that ``sample()`` is asked for after a fit by 'auto'.
DRAWS = 4000
FAMILIES = ("advi", "fullrank_advi")
#: Warnings that tell the user not to rely on draws.
FLAGS = (RejectedFitWarning, UnconvergedChainsWarning, UnreliableWeightsWarning)

INTRODUCTION = """# Corrected draws and known posteriors

Made by `make corrected`: {models} posteriors, {seeds}, every argument at its default. References are those of
`benchmarks/development_set.py` (16 models, long NUTS runs; conjugate and radon exact), `benchmarks/hard_models.py`
({exact} models, exact moments in closed form or by quadrature) and `benchmarks/sampled_models.py` ({sampled}
models, long runs of NUTS, or of a Gibbs sampler for the horseshoe). Errors are the largest over all unconstrained
values with a reference: of means in posterior sds, of sds as log ratios.

"""

BY_CHAINS = """## Fits corrected by chains

`approx.sample(correct="hmc")` from a mean field (`advi`) and a full-rank Gaussian. *Right* means at most 0.1 and 10 %;
*flagged* that a warning named variables. Seconds are CPU of the correction, with compiling of log p.

"""

BY_AUTO = """
## fit(method="auto")

`pymc3_vi.fit(method="auto")`, then `approx.sample({draws})` as it comes: draws of q, or of chains, as the verdict
recommends. *Right* means at most 0.1 and 10 % beyond three standard errors of so many independent draws; *flagged* that
the fit or the draws came with a warning not to rely on them.

"""


def references():
    """Name -> function that gives the model and {variable: (means, sds)}."""
    found = {}
    for module, names in SAMPLED:
        for name in names:
            if module.stored(name):
                found[name] = lambda module=module, name=name: (module.build(name), _stored(module, name))
    for name in hard_models.HARD_MODELS:
        found[name] = lambda name=name: hard_models.build(name)
    return found


def _stored(module, name):
    nuts = module.stored(name)["nuts"]
    return {key: (value["mean"], value["sd"]) for key, value in nuts.items() if not key.startswith("_run")}


def errors(layout, mean, sd, truth):
    """Largest errors of means and of log sds over the values in `truth`, from flat vectors."""
    return _errors(layout.unflatten(mean), layout.unflatten(sd), truth)


def _errors(means, sds, truth):
    worst = [0.0, 0.0]
    for name in means:
        if name in truth:
            m, s = (np.asarray(part, dtype="float64").reshape(means[name].shape) for part in truth[name])
            worst[0] = max(worst[0], float(np.max(np.abs(means[name] - m) / s)))
            worst[1] = max(worst[1], float(np.max(np.abs(np.log(sds[name] / s)))))
    return worst


def corrected(model, truth, method, seed):
    """Dict of what a fit and its correction gave."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        q = pymc3_vi.fit(method=method, model=model, random_seed=seed, progressbar=False)
        begin = time.process_time()
        points = pymc3_vi.HMC(progressbar=False)(q, 1000, np.random.default_rng(seed))
    seconds = time.process_time() - begin
    after = errors(q.ordering, points.run.errors.mean, points.run.errors.sd, truth)
    return dict(
        before=errors(q.ordering, q.mean.eval(), q.std.eval(), truth),
        after=after,
        right=bool(after[0] <= CLOSE_MEAN and after[1] <= np.log(1 + CLOSE_SD)),
        flagged=not points.reliable,
        seconds=round(seconds, 2),
        why="; ".join([f"R-hat {float(np.max(points.nested_rhat)):.3f}"] + points.complaints() + points.words()),
    )


def automatic(model, truth, seed):
    """Dict of what ``fit(method='auto')`` and ``sample()`` gave."""
    begin = time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        q = pymc3_vi.fit(method="auto", model=model, random_seed=seed, progressbar=False)
        arrays = q.sample_arrays(DRAWS, random_seed=seed)
    seconds = time.process_time() - begin
    names = [name for name in truth if name in arrays]
    means, sds = ({n: getattr(np, f)(arrays[n], axis=0) for n in names} for f in ("mean", "std"))
    after = _errors(means, sds, truth)
    limits = CLOSE_MEAN + 3 / np.sqrt(DRAWS), np.log(1 + CLOSE_SD) + 3 / np.sqrt(2 * DRAWS)
    flags = [str(w.message) for w in caught if issubclass(w.category, FLAGS)]
    return dict(
        after=after,
        right=bool(after[0] <= limits[0] and after[1] <= limits[1]),
        flagged=bool(flags),
        draws=q.recommended or "q",
        seconds=round(seconds, 2),
        why="; ".join(flags),
    )


def run(name, methods, seeds, known):
    """Make the runs of a model that are not stored yet, and store them."""
    done = {(r["method"], r["seed"]) for r in known if r["model"] == name}
    wanted = [(m, s) for m in methods for s in range(1, seeds + 1) if (m, s) not in done]
    if not wanted:
        return
    model, truth = references()[name]()
    for method, seed in wanted:
        row = automatic(model, truth, seed) if method == "auto" else corrected(model, truth, method, seed)
        row.update(model=name, method=method, seed=seed)
        with STORE.open("a") as store:
            store.write(json.dumps(row) + "\n")
        verdict = f"{'right' if row['right'] else 'WRONG'}, {'flagged' if row['flagged'] else 'not flagged'}"
        print(
            f"{name} {method} {seed}: {row['after'][0]:.3f} {row['after'][1]:.3f}, {verdict}, {row['seconds']:.1f} s, "
            f"{row['why']}",
            flush=True,
        )


def _worst(rows):
    after = np.array([r["after"] for r in rows])
    return [f"{value:.3f}" for k in (0, 1) for value in (np.median(after[:, k]), after[:, k].max())]


def _counts(rows):
    silent = sum(not r["right"] and not r["flagged"] for r in rows)
    return [f"{sum(r['right'] for r in rows)}/{len(rows)}", f"{sum(r['flagged'] for r in rows)}", f"{silent}"]


def _table(head, rows):
    return ["| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head)] + rows]


ERRORS = ["mean error, median", "worst", "sd error, median", "worst"]
COUNTS = ["right", "flagged", "not right, not flagged", "seconds"]


def _summary(every):
    models = {r["model"] for r in every}
    good = {name for name in models if all(r["right"] for r in every if r["model"] == name)}
    silent = [r for r in every if not r["right"] and not r["flagged"]]
    far = [r for r in silent if r["after"][0] > FAR_MEAN or r["after"][1] > np.log(FAR_SD)]
    where = f" ({', '.join(sorted({r['model'] for r in silent}))})" if silent else ""
    return [
        "",
        f"{len(every)} runs: {sum(r['right'] for r in every)} right, {sum(r['flagged'] for r in every)} flagged, "
        f"{len(silent)} not right and not flagged{where}, {len(far)} of these by more than {FAR_MEAN} sd or a factor "
        f"of {FAR_SD}. {len(good)} of {len(models)} models are right in all runs. "
        f"Flagged: {', '.join(sorted({r['model'] for r in every if r['flagged']}))}.",
    ]


def document(rows):
    """The page, as text."""
    names = [name for name in references() if any(r["model"] == name for r in rows)]
    by_chains = [r for r in rows if r["method"] != "auto"]
    by_auto = [r for r in rows if r["method"] == "auto"]
    counts = sorted({len([r for r in rows if (r["model"], r["method"]) == key]) for key in _keys(rows)})
    exact, sampled = (sum(n in names for n in ms) for ms in (hard_models.HARD_MODELS, sampled_models.SAMPLED_MODELS))
    seeds = f"{counts[0]} to {counts[-1]} seeds each" if len(counts) > 1 else f"{counts[0]} seeds each"
    text = INTRODUCTION.format(models=len(names), seeds=seeds, exact=exact, sampled=sampled)
    cells = []
    for name in names:
        for method in FAMILIES:
            mine = [r for r in by_chains if (r["model"], r["method"]) == (name, method)]
            if mine:
                before = np.median([r["before"] for r in mine], axis=0)
                seconds = f"{np.median([r['seconds'] for r in mine]):.1f}"
                label = [name, method, f"{before[0]:.2f}", f"{before[1]:.2f}"]
                cells.append(label + _worst(mine) + _counts(mine) + [seconds])
    head = ["model", "family", "q: mean error", "q: sd error"] + ERRORS + COUNTS
    text += BY_CHAINS + "\n".join(_table(head, cells) + _summary(by_chains)) + "\n"
    cells = []
    for name in names:
        mine = [r for r in by_auto if r["model"] == name]
        if mine:
            draws = ", ".join(f"{d} {sum(r['draws'] == d for r in mine)}x" for d in sorted({r["draws"] for r in mine}))
            cells.append(
                [name, draws] + _worst(mine) + _counts(mine) + [f"{np.median([r['seconds'] for r in mine]):.1f}"]
            )
    head = ["model", "draws"] + ERRORS + COUNTS
    return text + BY_AUTO.format(draws=f"{DRAWS:,}") + "\n".join(_table(head, cells) + _summary(by_auto)) + "\n"


def _keys(rows):
    return {(r["model"], r["method"]) for r in rows}


def _read():
    """Stored runs; the last one of those that two processes made."""
    rows = [json.loads(line) for line in STORE.read_text().splitlines()] if STORE.exists() else []
    return list({(r["model"], r["method"], r["seed"]): r for r in rows}.values())


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--methods", type=lambda text: text.split(","), default=FAMILIES + ("auto",))
    parser.add_argument("--fresh", action="store_true", help="forget what is stored of these models")
    options = parser.parse_args(arguments)
    names = options.names or list(references())
    STORE.parent.mkdir(exist_ok=True)
    if options.fresh:
        kept = [r for r in _read() if r["model"] not in names or r["method"] not in options.methods]
        STORE.write_text("".join(json.dumps(r) + "\n" for r in kept))
    for name in names:
        run(name, options.methods, options.seeds, _read())
    text = document(_read())
    print(text)
    if not options.names:
        DOCUMENT.write_text(text)


if __name__ == "__main__":
    main()
