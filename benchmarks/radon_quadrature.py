"""Exact moments of the radon model of the development set, stored in place of a run of NUTS.

Given both standard deviations everything else is Gaussian, so a grid over their logarithms is all that it takes.  (NUTS
with the metric of a fit missed the neck at small `county_sd`: its mean was 0.1 standard deviations off.)

Usage: ``python -m benchmarks.radon_quadrature``
"""

import numpy as np
from scipy import linalg

from benchmarks.development_nuts import rounded, update_reference
from examples import radon

#: Grid over the logarithms of `county_sd` and `sigma`, and prior sd of the coefficients.
LOG_COUNTY_SD, LOG_SIGMA = np.linspace(-10.0, 0.5, 421), np.linspace(-0.42, -0.13, 30)
WIDE = 5.0
COEFFICIENTS = ("intercept", "uranium", "floor")


def moments():
    """Name of a variable -> mean and sd, as the model has them."""
    data = radon.load_data()
    n, counties = len(data.county), len(data.log_uranium)
    member = np.eye(counties)[data.county]
    x = np.column_stack([np.ones(n), data.log_uranium[data.county], data.floor, member])
    xx, xy, yy = x.T @ x, x.T @ data.log_radon, data.log_radon @ data.log_radon
    prior = np.concatenate([np.full(3, WIDE**-2), np.ones(counties)])
    logp, means, squares, points = [], [], [], []
    for log_s in LOG_COUNTY_SD:
        unit = np.concatenate([np.ones(3), np.full(counties, np.exp(log_s))])
        for log_sigma in LOG_SIGMA:
            precision = np.exp(-2 * log_sigma)
            root = linalg.cho_factor(precision * unit[:, None] * xx * unit + np.diag(prior), lower=True)
            mean = linalg.cho_solve(root, precision * unit * xy)
            half_normal = -0.5 * (np.exp(2 * log_s) + np.exp(2 * log_sigma)) + log_s + log_sigma
            fit = 0.5 * precision * (unit * xy) @ mean - 0.5 * precision * yy - n * log_sigma
            logp.append(fit - np.sum(np.log(np.diag(root[0]))) + half_normal)
            means.append(mean)
            squares.append(mean**2 + np.diag(linalg.cho_solve(root, np.eye(len(unit)))))
            points.append((log_s, log_sigma))
    weights = np.exp(np.array(logp) - np.max(logp))
    weights /= weights.sum()
    mean, square = weights @ np.array(means), weights @ np.array(squares)
    sd = np.sqrt(square - mean**2)
    found = {name: (mean[k], sd[k]) for k, name in enumerate(COEFFICIENTS)}
    found["county_offset"] = mean[3:], sd[3:]
    for k, name in enumerate(("county_sd", "sigma")):
        for suffix, values in (("_log__", np.array(points)[:, k]), ("", np.exp(np.array(points)[:, k]))):
            centre = weights @ values
            found[name + suffix] = centre, np.sqrt(weights @ (values - centre) ** 2)
    return found


def main():
    exact = {
        name: {"mean": rounded(mean), "sd": rounded(sd), "mcse_mean": 0.0, "mcse_sd": 0.0}
        for name, (mean, sd) in moments().items()
    }
    update_reference("radon", "nuts", dict(exact, _run={"sampler": "quadrature"}))


if __name__ == "__main__":
    main()
