"""Summaries of long NUTS runs, stored so that approximations can be compared with them at once."""

import json
from pathlib import Path

import numpy as np

__all__ = ["REFERENCES", "load_reference"]

REFERENCES = Path(__file__).resolve().parents[1] / "tests" / "references"


def load_reference(name):
    """Statistics of the run called `name`, made by ``scripts/make_references.py``.

    Parameters
    ----------
    name : str
        ``"radon"``, ``"hierarchical"`` or ``"beta_binomial"``.

    Returns
    -------
    dict
        Variable -> dict of arrays of the variable's shape: `mean`, `sd`, `q05`, `q50`, `q95`, the Monte Carlo errors
        `mcse_mean` and `mcse_sd`, `ess_bulk` and `rhat`.
    """
    stored = json.loads((REFERENCES / f"{name}.json").read_text())
    return {
        variable: {statistic: np.asarray(value) for statistic, value in statistics.items()}
        for variable, statistics in stored["variables"].items()
    }
