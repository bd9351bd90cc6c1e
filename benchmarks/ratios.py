"""Times and ratios of times from the runs of a results file."""

from collections import defaultdict
from statistics import median

__all__ = ["CPU", "WALL", "label", "ratio", "times"]

#: Places in a phase.
WALL, CPU = 0, 1


def label(run):
    """Name of the model of a run, with its threads if there are more than one."""
    return run["model"] if run["threads"] == 1 else f"{run['model']}, {run['threads']} threads"


def times(runs, job, cache, phases, kind):
    """{(model, package): {turn: seconds}} of the phases together; `cache` is ``"cold"``, ``"warm"`` or None."""
    found = defaultdict(dict)
    for run in runs:
        if run["job"] == job and run.get("cache") == cache and all(phase in run for phase in phases):
            found[label(run), run["package"]][run["repeat"]] = sum(run[phase][kind] for phase in phases)
    return found


def ratio(theirs, ours):
    """Median over the common turns of the ratio within a turn, None if there are none."""
    common = [turn for turn in theirs or () if turn in (ours or ())]
    return median(theirs[turn] / ours[turn] for turn in common) if common else None
