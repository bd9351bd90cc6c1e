"""Everything that the coming steps of the default rule depend on, taken out of one step and put into another."""

import numpy as np

from ...approximations.gaussian import Chart, Curvature
from ._known import Known
from ._lbfgs import InverseHessian
from ._warm_start import Arrival

__all__ = ["step_snapshot", "restore_step"]

#: Plain attributes of a step that are its state.
_NUMBERS = (
    "seed",
    "steps_done",
    "budget",
    "reach",
    "batch",
    "batches_done",
    "warm_evaluations",
    "rows",
    "position",
    "taken",
    "first",
    "planned",
)


def step_snapshot(step):
    """State of a :class:`Newton` between two runs.

    Noise is not part of it: a seed and the number of draws taken give it again.
    """
    last = step.last_iterate
    state = {name: int(getattr(step, name)) for name in _NUMBERS}
    state.update(
        rule="newton",
        d=step.blocks.d,
        diagonal=step.blocks.is_diagonal,
        updated=bool(step.updated),
        x=step.x,
        average=step.average,
        written=None if step.written is None else list(step.written),
        last_iterate=[last[p] for p in step.params] if last else None,
        arrival=None if step.arrival is None else _arrival_state(step.arrival),
        known=step.known.snapshot(),
    )
    return state


def restore_step(step, state):
    """Make `step` go on where the one went that the state was taken of.

    Raises
    ------
    ValueError
        If the steps are not of the same kind and dimension, in words.
    """
    if state.get("rule") != "newton":
        raise ValueError("the saved step is not one of the default rule for Gaussian families")
    kind = (step.blocks.d, step.blocks.is_diagonal)
    if kind != (state["d"], state["diagonal"]):
        raise ValueError(
            f"the step has (dimension, diagonal scale) {kind}, the saved one {(state['d'], state['diagonal'])}"
        )
    for name in _NUMBERS:
        setattr(step, name, int(state.get(name, 0)))
    # What a run aims at is said anew when it begins; files of before know nothing of it.
    step.known = Known.restored(state["known"], step.known) if "known" in state else step.known.forgotten()
    step.draws.seed = step.seed + 1
    step.draws.go_to(step.taken)
    step.updated = state["updated"]
    step.x, step.average = state["x"], state["average"]
    step.written = state["written"]
    last = state["last_iterate"]
    step._last = {} if last is None else dict(zip(step.params, last))
    step.arrival = None if state["arrival"] is None else _arrival(step.blocks, state["arrival"])


def _arrival_state(arrival):
    chart = arrival.chart
    return {
        "mu": chart.mu,
        "scale": chart.scale,
        "root": chart.root,
        "curvature": chart.curvature.values,
        "x": arrival.x,
        "elbo": float(arrival.elbo),
        "decrement": float(arrival.decrement),
        "pairs": [[step, change, float(curvature)] for step, change, curvature in arrival.inverse.pairs],
    }


def _arrival(blocks, state):
    chart = Chart(blocks, state["mu"], state["scale"], Curvature(np.asarray(state["curvature"])), state["root"])
    inverse = InverseHessian()
    inverse.pairs = [tuple(pair) for pair in state["pairs"]]
    return Arrival(chart, state["x"], inverse, state["elbo"], state["decrement"])
