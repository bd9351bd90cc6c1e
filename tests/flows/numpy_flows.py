"""Every flow once more, from its paper's formulas, for one draw: ``twin(z, **params) -> (z', log|det J|)``.

Determinants are those of the d x d Jacobian written out, not of the shortcut that the flows use.
"""

import numpy as np


def softplus(x):
    return np.logaddexp(0.0, x)


def log_abs_det(matrix):
    return np.linalg.slogdet(matrix)[1]


def planar(z, u, w, b):
    """Rezende & Mohamed 2015, eq. 10-12 and appendix A.1."""
    wu = w @ u
    u_hat = u + (-1 + softplus(wu) - wu) * w / (w @ w)
    activation = np.tanh(w @ z + b)
    psi = (1 - activation**2) * w
    return z + u_hat * activation, np.log(np.abs(1 + u_hat @ psi))


def radial(z, a, b, z_ref):
    """Rezende & Mohamed 2015, eq. 14 and appendix A.2, with alpha = exp(a)."""
    d = len(z)
    alpha = np.exp(a)
    beta = -alpha + softplus(b)
    r = np.linalg.norm(z - z_ref)
    h, dh = 1 / (alpha + r), -1 / (alpha + r) ** 2
    log_det = (d - 1) * np.log(np.abs(1 + beta * h)) + np.log(np.abs(1 + beta * h + beta * dh * r))
    return z + beta * h * (z - z_ref), log_det


def hh(z, v):
    """Tomczak & Welling 2016, eq. 7-8."""
    matrix = np.eye(len(z)) - 2 * np.outer(v, v) / (v @ v)
    return matrix @ z, log_abs_det(matrix)


def scale(z, rho):
    matrix = np.diag(np.log1p(np.exp(rho)))
    return matrix @ z, log_abs_det(matrix)


def loc(z, loc):
    return z + loc, 0.0


TWINS = {"planar": planar, "radial": radial, "hh": hh, "scale": scale, "loc": loc}
