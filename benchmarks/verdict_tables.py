"""What the fits of ``benchmarks.verdicts`` come to, as the page docs/verdicts.md."""

from collections import OrderedDict

import numpy as np

from benchmarks.known_evidence import FITS

__all__ = ["page", "words", "state"]

#: What makes a fit wrong: means off by this many sds, or sds by this factor; and how near these limits the references,
#: some of which are long runs of NUTS, cannot tell.
WRONG_MEAN, WRONG_SD, MARGIN = 0.3, np.log(1.35), 0.02
#: What counts as close, in the same units, and as right for corrected draws.
CLOSE_MEAN, CLOSE_SD = 0.1, np.log(1.1)

INTRODUCTION = """# Verdicts

Made by `make verdicts`. Models with known posteriors are fitted well and badly, every fit is judged by
`approx.diagnose()` with its default arguments, and the verdict is compared with the truth. The models are those of
`benchmarks/development_set.py` (references: long runs of NUTS) and of `benchmarks/hard_models.py` and its kin
(references in closed form, by quadrature or by long runs).

A fit is *wrong* when the mean of any value with a reference is off by more than 0.3 posterior sd, or an sd by a factor
of more than 1.35. The stored runs of NUTS have standard errors of up to 0.008 sd and 0.7 %; where the largest error is
within 0.02 sd or 2 % of the limit the reference cannot tell, so the fit is listed under *border* and counts neither as
right nor as wrong. q's own moments are exact for Gaussian families; those of flows come from 20,000 draws.

- *'use' is wrong*: of the fits that `diagnose` says can be used as they are, those that are wrong.
- *caught*: of the wrong fits, those that it does not say so of (the verdict is `'correct'` or `'reject'`).
- *rejected*: of the right fits, those that it calls not usable (`'reject'`), false alarms.
- *corrected*: of the right fits, those for which it advises corrected draws. Its own limits are narrower than the ones
  that make a fit wrong here (0.1 sd and 10 %, beyond two standard errors, of the values users see as well as of the
  unconstrained ones): between the two a fit is right for many purposes, and corrected draws are better.

Fits of four lengths: *default* arguments; *short*, 60 steps of the default rule; *adam_150* and *adam_1000*, as many
steps of Adam with a rate of 0.01, which end far from the optimum for most models.

"""

LENGTH_NAMES = OrderedDict(default="default", short="short", adam_150="Adam, 150 steps", adam_1000="Adam, 1,000 steps")
COLUMNS = "fits | wrong | border | 'use' is wrong | caught | rejected | corrected"


def state(row):
    """'right', 'wrong', or 'border' where the error of the reference does not let one tell."""
    if not np.all(np.isfinite(row["q"])):
        return "wrong"
    away = max(row["q"][0] - WRONG_MEAN, row["q"][1] - WRONG_SD)
    return "border" if abs(away) < MARGIN else "wrong" if away > 0 else "right"


def words(row):
    """One fit in a line."""
    if "failed" in row:
        return row["failed"]
    found = row["default"]
    text = f"{state(row)}: mean {row['q'][0]:.2f}, log sd {row['q'][1]:.2f}; {found['verdict']}"
    if "nested_rhat" in found:
        text += f", R-hat {found['nested_rhat']:.3f}{'' if found['converged'] else ', not converged'}"
        text += f", chains {row['chains'][0]:.3f} {row['chains'][1]:.3f}"
    return text + f"; by weights {row['weights']['verdict']} (k-hat {row['weights']['khat']}), {found['seconds']:.1f} s"


def _share(part, whole):
    return "-" if not whole else f"{part} of {whole} ({100 * part / whole:.1f} %)"


def _counts(rows, which="default"):
    """Cells below `COLUMNS`."""
    wrong, right = ([r for r in rows if state(r) == s] for s in ("wrong", "right"))
    used = {s: sum(r[which]["verdict"] == "use" for r in part) for s, part in (("wrong", wrong), ("right", right))}
    return [
        f"{len(rows)}",
        f"{len(wrong)}",
        f"{len(rows) - len(wrong) - len(right)}",
        _share(used["wrong"], used["wrong"] + used["right"]),
        _share(len(wrong) - used["wrong"], len(wrong)),
        _share(sum(r[which]["verdict"] == "reject" for r in right), len(right)),
        _share(sum(r[which]["verdict"] == "correct" for r in right), len(right)),
    ]


def _table(head, lines):
    return (
        [f"| {head} |", "|" + " --- |" * (head.count("|") + 1)] + [f"| {' | '.join(cells)} |" for cells in lines] + [""]
    )


def _grouped(found, key):
    groups = OrderedDict()
    for case, row in found.items():
        groups.setdefault(key(case), []).append(row)
    return groups


def _right(pair):
    return pair[0] <= CLOSE_MEAN and pair[1] <= CLOSE_SD


def _chains(rows):
    """Sentences on the corrected draws behind the verdicts."""
    with_chains = [r for r in rows if "chains" in r]
    done = [r for r in with_chains if r["default"]["converged"]]
    stuck = [r for r in with_chains if not r["default"]["converged"]]
    lines = [
        f"Of the {len(with_chains)} fits with a density and a verdict by chains, the chains had converged by their own "
        f"account in {len(done)}; their draws were within 0.1 sd and 10 % of the reference in "
        f"{_share(sum(_right(r['chains']) for r in done), len(done))}. Median errors "
        f"{np.median([r['chains'][0] for r in done]):.3f} sd and {np.median([r['chains'][1] for r in done]):.3f} "
        f"(log sd), worst {max(r['chains'][0] for r in done):.3f} and {max(r['chains'][1] for r in done):.3f}.",
        "",
    ]
    if stuck:
        verdicts = {v: sum(r["default"]["verdict"] == v for r in stuck) for v in ("use", "correct", "reject")}
        bad = sum(state(r) == "wrong" for r in stuck)
        lines += [
            f"In the other {len(stuck)} they had not, or had ended as soon as they agreed with each other and showed q "
            f"to be wrong. Verdicts were 'use' {verdicts['use']} times, 'correct' {verdicts['correct']} and 'reject' "
            f"{verdicts['reject']}; {bad} of these fits were wrong.",
            "",
        ]
    return lines


def _exceptions(found):
    """Lines on every fit whose verdict is not what it should be."""
    lines = []
    for case, row in found.items():
        verdict, truth = row["default"]["verdict"], state(row)
        if (truth, verdict) in (("wrong", "use"), ("right", "reject")):
            lines.append([*map(str, case), words(row)])
    return lines


def _needless(rows):
    """Sentence on right fits that are to be corrected."""
    corrected = [r for r in rows if state(r) == "right" and r["default"]["verdict"] == "correct"]
    close = sum(_right(r["q"]) for r in corrected)
    beyond = len(corrected) - close
    return (
        f"Of the {len(corrected)} right fits for which corrected draws are advised, {beyond} are beyond "
        f"the narrower limits of 0.1 sd and 10 %, and {close} are within."
    )


def _seconds(rows):
    default, weights = ([r[w]["seconds"] for r in rows if "chains" in r] for w in ("default", "weights"))
    fits = [r["fit_seconds"] for r in rows if "chains" in r]
    return (
        f"CPU seconds, the compiling of log p and its gradient included: fits median {np.median(fits):.1f}, worst "
        f"{max(fits):.1f}; default verdicts median {np.median(default):.1f}, worst {max(default):.1f}; by weights "
        f"alone, once log p is compiled, {np.median(weights):.1f} and {max(weights):.1f}."
    )


def evidence_table(found):
    """Lines on log evidence: name -> rows of seed, error, stated standard error, reliable, seconds."""
    lines = []
    for name, rows in found.items():
        away, error = (np.array([row[k] for row in rows]) for k in (1, 2))
        inside = [int(np.sum(np.abs(away) <= f * error)) for f in (1.0, 1.96)]
        fine = np.array([row[3] for row in rows])
        cells = [name, f"{len(rows)}", f"{np.median(np.abs(away)):.4f}", f"{np.max(np.abs(away[fine])):.4f}"]
        cells += [f"{np.sum(~fine)}"]
        cells += [f"{np.median(error):.4f}", f"{inside[0]}", f"{inside[1]}", f"{np.median([r[4] for r in rows]):.1f}"]
        lines.append(cells)
    if not lines:
        return []
    head = "model | seeds | error, median | worst | flagged | stated error, median | within 1 | within 1.96 | seconds"
    return [
        "## Log evidence",
        "",
        "`diagnose(correct='hmc').log_evidence` against its exact value, in nats, for conjugate models in closed form "
        "and for mixtures whose constant is known or comes by quadrature (`benchmarks/known_evidence.py`). What is "
        "printed after +- is one standard error, so that an interval of 1.96 of it on both sides is to hold "
        "the truth in 95 of 100 seeds, and one of it in 68. Seconds are CPU of a diagnosis with log p compiled. "
        "*Flagged* are chains that did not converge, or another mode whose mass could not be measured, as the report "
        "says; they count among the seeds, but not for the worst error. Each "
        f"model is fitted {FITS} times by mean field, with default arguments, and seeds are dealt out to the fits.",
        "",
    ] + _table(head, lines)


def page(found, evidence):
    """The whole page."""
    failed = [case for case, row in found.items() if "failed" in row]
    found = OrderedDict((case, row) for case, row in found.items() if "failed" not in row)
    rows = list(found.values())
    lines = ["## All fits", "", f"{len(rows)} fits of {len({c[0] for c in found})} models.", ""]
    lines += _table(f"verdict | {COLUMNS}", [[t, *_counts(rows, w)] for t, w in TITLES])
    lines += [_needless(rows), "", "### By family and length", ""]
    by_kind = _grouped(found, lambda case: (case[1], LENGTH_NAMES[case[2]]))
    lines += _table(f"family | length | {COLUMNS}", [[*kind, *_counts(part)] for kind, part in by_kind.items()])
    lines += ["### By model", ""]
    by_model = _grouped(found, lambda case: case[0])
    lines += _table(f"model | {COLUMNS}", [[name, *_counts(part)] for name, part in by_model.items()])
    wrong = _exceptions(found)
    lines += ["### Verdicts that are wrong", ""]
    lines += _table("model | family | length | seed | what was found", wrong) if wrong else ["None.", ""]
    if failed:
        names = ", ".join(" ".join(map(str, case)) for case in failed)
        lines += [f"{len(failed)} fits ended in an error that says why, and were not judged: {names}.", ""]
    lines += ["## Corrected draws behind the verdicts", ""] + _chains(rows) + [_seconds(rows), ""]
    return INTRODUCTION + "\n".join(lines + evidence_table(evidence))


TITLES = (("default", "default"), ("by importance weights alone, `correct=None`", "weights"))
