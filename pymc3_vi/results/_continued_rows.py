"""Refinements in files: the prior that the rows before left, and which rows came after it."""

from ..errors import FileFormatError
from ..model import ContinuedView, GaussianPrior, matched_rows
from ._tree import pack, unpack

__all__ = ["packed_rows", "put_rows"]


def packed_rows(approx, arrays):
    """JSON-able state of a refined approximation; None for others."""
    state = approx.view.state() if approx.view.replaced else approx.left_rows
    return None if state is None else pack(state, arrays, "rows")


def put_rows(approx, header, arrays, path, data, same_data, required=False):
    """Let an approximation that was made from a file have the rows of its refinement.

    Parameters
    ----------
    approx : Approximation
    header, arrays : dict
        Of the file.
    path : str
    data : what ``refine`` takes, or None
        The new rows.
    same_data : bool
        Whether they must be those of the file.
    required : bool
        Whether there must be new rows, if the file is of some.

    Returns
    -------
    list of str
        What is not here, in words.
    """
    state = unpack(header.get("rows"), arrays)
    if approx.view.replaced:
        approx.look_at(approx.view.own)
    approx.left_rows = None
    if state is None:
        if data is not None:
            raise FileFormatError(f"{path} is of no refinement with new rows. Leave out 'data'.", "model")
        return []
    if data is None:
        words = f"the {state['rows']:,} rows of refinement {len(state['before'])}"
        if required:
            raise FileFormatError(
                f"{path} is of a fit that goes on with new rows, and {words} are not in it. Pass them: "
                "load(path, model, data=...); or read q alone: pymc3_vi.load(path, model).",
                "model",
            )
        approx.left_rows = state
        return [f"{words}, which load(path, model, data=...) takes,"]
    prior = GaussianPrior(state["names"], state["mean"], state["factor"], state["few"])
    view = ContinuedView(approx.view, prior, matched_rows(approx.view, data, 0), state["before"])
    now = view.state()
    if same_data and (now["rows"], now["digests"]) != (state["rows"], list(state["digests"])):
        raise FileFormatError(
            f"{path} is of a refinement with {state['rows']:,} other rows than the {now['rows']:,} in 'data'. Pass "
            "same_data=False if they were changed on purpose.",
            "model",
        )
    approx.look_at(view)
    return []
