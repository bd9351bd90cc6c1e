"""Gelman and Hill's radon measurements: homes within counties, with a county-level predictor."""

import csv
from collections import namedtuple
from pathlib import Path

import pymc3_vi  # noqa: F401  (before PyMC3, which on NumPy 1.23 cannot be imported first)

import numpy as np
import pymc3 as pm
import theano

__all__ = ["RadonData", "load_data", "build_model"]

DATA_FILE = Path(__file__).resolve().parent / "data" / "radon.csv"

RadonData = namedtuple("RadonData", "county floor log_radon log_uranium county_names")
RadonData.__doc__ = """The measurements as arrays.

`county` (county index from 0), `floor` (0 basement, 1 first floor) and `log_radon` have one entry a home;
`log_uranium` and `county_names` have one a county.
"""


def load_data(path=DATA_FILE):
    """Read the CSV file into a `RadonData` of 919 homes and 85 counties."""
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    county = np.array([int(row["county"]) - 1 for row in rows])
    _, first_home = np.unique(county, return_index=True)
    return RadonData(
        county=county,
        floor=np.array([float(row["floor"]) for row in rows]),
        log_radon=np.array([float(row["log_radon"]) for row in rows]),
        log_uranium=np.array([float(rows[home]["log_uranium"]) for home in first_home]),
        county_names=[rows[home]["county_name"] for home in first_home],
    )


def build_model(data):
    r"""Varying-intercept regression of log radon on the floor, with uranium as the counties' predictor.

    .. math::
        y_i \sim N(a_{county(i)} + b_{floor} \, floor_i,\ \sigma), \qquad
        a_j = b_0 + b_u u_j + \tau \, o_j, \qquad o_j \sim N(0, 1)

    The county effects :math:`a_j` are written through the offsets :math:`o_j` (non-centred).  Half of the counties
    have five homes or fewer and :math:`\tau` is a fifth of :math:`\sigma`, so the data say less about a county than
    its prior does: the offsets are then nearly independent of :math:`\tau` in the posterior, where the
    :math:`a_j` are not, which suits a mean-field approximation and NUTS alike.

    Parameters
    ----------
    data : RadonData

    Returns
    -------
    pm.Model
        Free variables `intercept`, `uranium`, `floor`, `county_sd`, `sigma` (scalars) and `county_offset` (85),
        and the deterministic `county` (85), the level of each county.
    """
    floatX = theano.config.floatX
    with pm.Model() as model:
        intercept = pm.Normal("intercept", mu=0, sigma=5)
        uranium = pm.Normal("uranium", mu=0, sigma=5)
        floor = pm.Normal("floor", mu=0, sigma=5)
        county_sd = pm.HalfNormal("county_sd", sigma=1)
        sigma = pm.HalfNormal("sigma", sigma=1)
        county_offset = pm.Normal("county_offset", mu=0, sigma=1, shape=len(data.log_uranium))
        county = pm.Deterministic(
            "county", intercept + uranium * data.log_uranium.astype(floatX) + county_sd * county_offset
        )
        level = county[data.county] + floor * data.floor.astype(floatX)
        pm.Normal("log_radon", mu=level, sigma=sigma, observed=data.log_radon)
    return model
