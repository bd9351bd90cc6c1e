"""Stored runs of NUTS, and a fit beside them: what every notebook of the gallery ends with."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

__all__ = ["REFERENCES", "load", "compare"]

REFERENCES = Path(__file__).resolve().parent / "references"
TESTS = Path(__file__).resolve().parents[2] / "tests" / "references"  # longer runs, by `make references`


def load(name):
    """Means and standard deviations of the run of NUTS of the notebook `name`: {variable: {"mean", "sd"}}."""
    found = [folder / f"{name}.json" for folder in (REFERENCES, TESTS) if (folder / f"{name}.json").exists()]
    stored = json.loads(found[0].read_text(encoding="utf-8"))
    return {v: {k: np.asarray(values) for k, values in row.items()} for v, row in stored["variables"].items()}


def compare(name, draws):
    """Draws of a fit beside the stored run of NUTS.

    Parameters
    ----------
    name : str
        Of the notebook.
    draws : pm.MultiTrace or dict
        ``approx.sample(4000)``, or arrays by variable, with draws along the first axis.

    Returns
    -------
    pandas.DataFrame
        A row for each value; of a variable of more than eight values one row, for the value that is furthest off.
        ``distance`` is that of the means, in standard deviations of NUTS; ``sd ratio`` the fit's sd over that of NUTS.
    """
    rows = []
    for variable, reference in load(name).items():
        values = np.asarray(draws[variable])
        mean, sd = values.mean(axis=0), values.std(axis=0)
        if mean.shape != reference["mean"].shape:
            raise ValueError(f"{variable} has shape {mean.shape}, and {reference['mean'].shape} in the run of NUTS.")
        found = pd.DataFrame(
            {
                "NUTS mean": reference["mean"].ravel(),
                "mean": mean.ravel(),
                "NUTS sd": reference["sd"].ravel(),
                "sd": sd.ravel(),
            },
            index=[variable + (str(list(i)).replace(" ", "") if i else "") for i in np.ndindex(mean.shape)],
        )
        found["distance"] = (found["mean"] - found["NUTS mean"]).abs() / found["NUTS sd"]
        found["sd ratio"] = found["sd"] / found["NUTS sd"]
        if len(found) > 8:
            worst = found["distance"].idxmax()
            found = found.loc[[worst]].rename(index={worst: f"{worst}, the furthest of {mean.size}"})
        rows.append(found)
    return pd.concat(rows).round(3)
