"""Rubin's eight schools: effects of coaching on test scores, with their standard errors."""

import csv
from collections import namedtuple
from pathlib import Path

import pymc3_vi  # noqa: F401  (before PyMC3, which on NumPy 1.23 cannot be imported first)

import numpy as np
import pymc3 as pm

__all__ = ["SchoolData", "load_data", "build_model"]

DATA_FILE = Path(__file__).resolve().parent / "data" / "eight_schools.csv"

SchoolData = namedtuple("SchoolData", "names effect error")
SchoolData.__doc__ = "Names (8), estimated effects (8) and their standard errors (8)."


def load_data(path=DATA_FILE):
    """Read the CSV file into a `SchoolData`."""
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return SchoolData(
        [row["school"] for row in rows],
        np.array([float(row["effect"]) for row in rows]),
        np.array([float(row["standard_error"]) for row in rows]),
    )


def build_model(data=None, centred=False):
    r"""Hierarchical model of the schools' true effects.

    .. math:: y_j \sim N(\theta_j, s_j), \qquad \theta_j = \mu + \tau \eta_j, \qquad \eta_j \sim N(0, 1), \qquad
              \mu \sim N(0, 5), \qquad \tau \sim \mathrm{HalfCauchy}(5)

    Parameters
    ----------
    data : SchoolData, optional
    centred : bool
        Whether :math:`\theta_j \sim N(\mu, \tau)` are the free variables, instead of :math:`\eta_j`.

    Returns
    -------
    pm.Model
    """
    data = load_data() if data is None else data
    with pm.Model(coords={"school": data.names}) as model:
        mu = pm.Normal("mu", mu=0, sigma=5)
        tau = pm.HalfCauchy("tau", beta=5)
        if centred:
            theta = pm.Normal("theta", mu=mu, sigma=tau, dims="school")
        else:
            eta = pm.Normal("eta", mu=0, sigma=1, dims="school")
            theta = pm.Deterministic("theta", mu + tau * eta, dims="school")
        pm.Normal("y", mu=theta, sigma=data.error, observed=data.effect, dims="school")
    return model
