"""``inference.save(path)``, and what lets a fit go on from there step for step."""

import inspect
from collections import namedtuple

import numpy as np

from ..core import Operator
from ..errors import FileFormatError
from ..model import ModelView, is_streamed
from ..test_functions import KERNELS
from ..validation import warn_user
from ._approximation_state import checked_history, make_approximation, put_approximation_state
from ._continued_rows import put_rows
from ._options import describe, is_opaque, opaque_names, rebuild
from ._save import check_model, read_file, read_report, reading, write_file
from ._tree import pack, unpack

__all__ = ["ResumePoint", "save_inference", "load_parts", "restore_point", "resume_algorithm", "rebuilt_options"]

KIND = "inference"


class ResumePoint(namedtuple("ResumePoint", "path, i, planned, options, snapshot, tol, goal, history, report")):
    """Where a saved fit stood.

    Attributes
    ----------
    path : str
    i, planned : int
        Steps done, and steps that were to be done.
    options : dict
        Descriptions of the options of the step (see ``_options``), or None before the first fit.
    snapshot : dict or None
        State of the algorithm.
    tol : float, 'auto' or None
        Accuracy at which the fit was to end.
    goal : dict or None
        What watched for it, where the algorithm does not.
    history : ndarray
        Losses so far.
    report : FitReport or None
    """

    __slots__ = ()


# ---------------------------------------------------------------------------------------------------- saving
def save_inference(inference, path, i=None):
    """Write an inference with everything that its next steps depend on.

    Parameters
    ----------
    inference : Inference
    path : str or path
    i : int, optional
        Number of steps done, when asked from inside a run.
    """
    state, op = inference.state, inference.objective.op
    step = None if state is None else state.step
    described = {
        "class": type(inference).__name__,
        "operator": type(op).__name__,
        "operator_keywords": {name: describe(getattr(op, name)) for name in _keywords(type(op))},
        "kernel": _kernel_name(inference.objective),
        "i": (0 if state is None else state.i) if i is None else i,
        "planned": inference.planned,
        "options": {name: describe(value) for name, value in inference.options.items()},
    }
    arrays = {"inference/history": np.asarray(inference.history.array)}
    if i is not None and step is not None:
        inference.report.stepped(i - state.i, step.left_out.in_run)
    point, goal, tol = inference.resume_point, inference.goal, inference.tol
    goal = None if goal is None else goal.snapshot()
    snapshot = None if step is None else dict(step.snapshot(), left_out=step.left_out.snapshot())
    if step is None and point is not None:  # loaded and not run since
        described["options"], snapshot, goal, tol = point.options, point.snapshot, point.goal, point.tol
    described["tol"] = describe(tol)
    described["snapshot"], described["goal"] = pack(snapshot, arrays, "step"), pack(goal, arrays, "goal")
    write_file(path, KIND, inference.approx, {"inference": described}, arrays)


def _keywords(operator):
    names = list(inspect.signature(operator.__init__).parameters)
    return names[2:]  # without self and approx


def _kernel_name(objective):
    """Registered name of the test function; None without one, a description when it has no name."""
    if not objective.op.has_test_function:
        return None
    for name, kernel in KERNELS.items():
        if kernel is objective.tf:
            return name
    return describe(objective.tf)


# ---------------------------------------------------------------------------------------------------- loading
def load_parts(path, model, same_data=True):
    """What an inference is made of again.

    Returns
    -------
    approx : Approximation
    described : dict
        The file's description of the inference.
    operator : class
    keywords : dict
        Of the operator.
    kernel : str or None
    """
    header, arrays = read_file(path, (KIND,))
    with reading(path):
        view = ModelView(model)
        check_model(path, header, view, same_data)
        described = header["inference"]
        _reject_opaque(described)
        keywords = {name: rebuild(value) for name, value in described["operator_keywords"].items()}
        approx = make_approximation(header["approximation"], arrays, view.model)
        return approx, described, _operator_class(described["operator"]), keywords, described["kernel"]


def _reject_opaque(described):
    opaque = opaque_names(described["operator_keywords"]) + (["kernel"] if is_opaque(described["kernel"]) else [])
    if opaque:
        raise FileFormatError(
            f"the {', '.join(opaque)} of the saved {described['class']} cannot be stored in a file. Build the "
            "inference as before and call its restore(path).",
            "kind",
        )


def _operator_class(name):
    stack = [Operator]
    while stack:
        cls = stack.pop()
        if cls.__name__ == name:
            return cls
        stack.extend(cls.__subclasses__())
    raise FileFormatError(f"the operator {name!r} is not known here. Import the module that defines it first.", "kind")


def _tolerance(described):
    """`tol` of the saved fit; files of before 0.2 have it with what watches for it, and other fits made all steps."""
    goal = described.get("goal") or {}
    return described.get("tol", goal.get("tol"))


def restore_point(inference, path, same_data=True, data=None):
    """Give `inference` the saved parameters; returns the :class:`ResumePoint` of the file."""
    header, arrays = read_file(path, (KIND,))
    with reading(path):
        check_model(path, header, inference.approx.view, same_data)
        described = header["inference"]
        if described["class"] != type(inference).__name__:
            raise FileFormatError(f"the file holds a {described['class']}, not a {type(inference).__name__}.", "kind")
        point = ResumePoint(
            path=str(path),
            i=int(described["i"]),
            planned=int(described["planned"]),
            options=dict(described["options"]),
            snapshot=_algorithm_state(unpack(described["snapshot"], arrays), described, arrays),
            tol=_tolerance(described),
            goal=unpack(described.get("goal"), arrays),
            history=checked_history(arrays["inference/history"]),
            report=read_report(header),
        )
        put_approximation_state(inference.approx, header["approximation"], arrays)
        put_rows(inference.approx, header, arrays, path, data, same_data, required=True)
    if is_streamed(inference.approx.view):
        warn_user(
            f"The data come from a Python generator, whose position {path} cannot hold: the fit goes on with other "
            "batches than it would have seen."
        )
    return point


def _algorithm_state(snapshot, described, arrays):
    """State of an algorithm; before 0.2 that of its schedule stood beside that of its step."""
    if snapshot is None or "rule" in snapshot:
        return snapshot
    return {"rule": "stochastic", "step": snapshot, "schedule": unpack(described.get("rule"), arrays)}


def rebuilt_options(point):
    """Options of the saved fit as ``fit`` takes them.

    Raises
    ------
    FileFormatError
        If some cannot be stored in a file: they must be passed to ``fit`` again.
    """
    missing = opaque_names(point.options)
    if missing:
        words = ", ".join(f"{name} ({point.options[name]['opaque']})" for name in missing)
        raise FileFormatError(
            f"{point.path} cannot hold these options of the saved fit: {words}. To go on, call "
            f"fit({point.planned - point.i}, {', '.join(f'{name}=...' for name in missing)}, resume=True) with the "
            "options of the saved fit.",
            "options",
        )
    with reading(point.path):
        options = {name: rebuild(value) for name, value in point.options.items()}
        return {"tol": point.tol, **options}


def resume_algorithm(point, algorithm, options, goal=None):
    """Make a freshly prepared `algorithm` go on where the saved one stood, if it has the same options.

    Parameters
    ----------
    point : ResumePoint
    algorithm : Algorithm
    options : dict
        Options with which `algorithm` was prepared.
    goal : Converged, optional
        What watches for ``tol``.

    Warns
    -----
    UserWarning
        If the options differ; the saved optimizer state is then not used.
    """
    if point.snapshot is None:
        return
    described = {name: describe(value) for name, value in options.items()}
    names = sorted(set(described) | set(point.options))
    changed = [name for name in names if _comparable(described.get(name)) != _comparable(point.options.get(name))]
    if changed:
        warn_user(
            f"The options {', '.join(changed)} differ from those of the fit saved in {point.path}: this fit starts "
            "from its parameters, but with a fresh optimizer state and fresh noise."
        )
        return
    try:
        algorithm.restore(point.snapshot)
        if "left_out" in point.snapshot:  # not before 0.2
            algorithm.left_out.restore(point.snapshot["left_out"])
        if goal is not None and point.goal is not None:
            goal.restore(point.goal, algorithm)
    except (ValueError, TypeError, KeyError) as error:
        raise FileFormatError(
            f"{point.path} does not fit this step: {error}. Use the options of the saved fit, and the same version of "
            "the package.",
            "options",
        ) from None


def _comparable(description):
    """Opaque options are taken for equal; whether the state fits is checked anyway."""
    return "opaque" if is_opaque(description) else description
