"""scipy's minimisers, one iteration at a time."""

import numpy as np
from scipy import optimize

__all__ = ["OPTIMIZERS", "minimiser"]

#: scipy's minimisers that can be chosen, with the options that each takes.
OPTIMIZERS = {
    "trust-ncg": ("gtol", "initial_trust_radius", "max_trust_radius", "eta"),
    "trust-krylov": ("gtol", "inexact", "initial_trust_radius", "max_trust_radius"),
    "l-bfgs-b": ("gtol", "maxcor", "maxls"),
}
#: Status with which scipy says that it has made the iterations that it may make.
_CUT = 1


def minimiser(name, options):
    """Minimiser called `name`, with options for scipy.

    Its ``iterate(function, x)`` makes the iteration after the one that led to `x` and returns the new place, whether
    there was an iteration to make, and whether it was the last; ``state`` is a number that, with `x`, gives all that
    the coming ones depend on.
    """
    return _LBFGS(options) if name == "l-bfgs-b" else _TrustRegion(name, options)


class _TrustRegion:
    """What it keeps from iteration to iteration is the radius, which scipy takes as an option.

    The new radius follows from the gain and the predicted gain of the step that scipy tried (Nocedal, Wright: Numerical
    Optimization, 2006, algorithm 4.1), which its last Hessian product tells.
    """

    def __init__(self, name, options):
        options = dict(options)
        self.name = name
        self.state = float(options.pop("initial_trust_radius", 1.0))
        self.largest = float(options.pop("max_trust_radius", 1000.0))
        self.options = options

    def iterate(self, function, x):
        tried = {}

        def value_and_slope(y):
            tried["value"], slope = function(y)
            return tried["value"], slope

        def product(y, p):
            tried["step"], tried["product"] = np.array(p), function.product(y, p)
            return tried["product"]

        value, slope = function(x)
        radius = self.state
        options = dict(self.options, initial_trust_radius=radius, max_trust_radius=4 * radius, maxiter=1)
        try:
            found = optimize.minimize(value_and_slope, x, jac=True, hessp=product, method=self.name, options=options)
        except ValueError as error:  # SciPy, of a curvature or slope that overflowed
            if "infs or NaNs" not in str(error):
                raise
            return x, False, True
        if not found.nit:
            return found.x, False, True
        step = tried["step"]
        predicted = value - (value + np.dot(slope, step) + 0.5 * np.dot(step, tried["product"]))
        ratio = (value - tried["value"]) / predicted
        if ratio < 0.25:
            self.state = 0.25 * radius
        elif ratio > 0.75 and np.linalg.norm(step) > (1 - 1e-6) * radius:
            self.state = min(2 * radius, self.largest)
        return found.x, True, found.status != _CUT


class _LBFGS:
    """It keeps many vectors: every iteration repeats those before from remembered values.

    One that goes on from a file begins with nothing remembered, and evaluates them again.
    """

    def __init__(self, options):
        self.options = dict({"maxcor": 30}, **options, ftol=0.0)
        self.state = 0
        self._seen = {}

    def iterate(self, function, x):
        def remembered(y):
            key = y.tobytes()
            if key not in self._seen:
                value, slope = function(y)  # line searches cannot do sums with infinity
                self._seen[key] = (value if np.isfinite(value) else 1e100), slope
            return self._seen[key]

        options = dict(self.options, maxiter=int(self.state) + 1)
        found = optimize.minimize(remembered, np.zeros_like(x), jac=True, method="L-BFGS-B", options=options)
        made = found.nit > self.state
        self.state += made
        return found.x, bool(made), found.status != _CUT
