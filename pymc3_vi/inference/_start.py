"""Where a fit begins: ``start='map'``, ``'laplace'`` or ``'prior'``."""

import numpy as np
import theano

from ..algorithms.newton import minimise
from ..approximations import MeanField
from ..approximations.gaussian import Curvature
from ..core import STARTS, Start
from ..diagnostics import PointDensity, look_mode
from ..errors import StartError
from ..graph import SeedStream
from ..model import full_data, is_streamed, next_items, prior_points

__all__ = ["density_of", "find_map", "working_start"]

#: Draws from the prior among which one with a finite log density is looked for.
PRIOR_DRAWS = 20
#: Up to this dimension the Hessian is a matrix.
LARGEST_HESSIAN = 200
ITERATIONS, TOLERANCE = 100, 1e-12
LENGTHS = 0.3 ** np.arange(16)


def density_of(view, mode=None):
    """:class:`PointDensity` of a model's flat points, with the whole data or, of generators, what they give next."""
    data = {**full_data(view), **(next_items(view) if is_streamed(view) else {})}
    return PointDensity(MeanField(model=view.model, random_seed=0), mode, data=data)


def _at(density, z):
    """logp (s,) and its gradient (s, d) at `z` (s, d) or (d,); -inf and zeros where one of them is not finite."""
    logp, grad = density.slopes(np.atleast_2d(z))
    fine = np.isfinite(logp) & np.isfinite(grad).all(axis=1)
    return np.where(fine, logp, -np.inf), np.where(fine[:, None], grad, 0.0)


def find_map(density, z):
    """Point of the largest log density on the unconstrained scale, and the curvature there.

    Newton's method with a Hessian from differences of gradients and directions of negative curvature turned round; in
    more than `LARGEST_HESSIAN` dimensions L-BFGS.  Every step is searched along 16 lengths in one call.

    Parameters
    ----------
    density : PointDensity
    z : ndarray (d,)
        Where the log density is finite.

    Returns
    -------
    z : ndarray (d,)
    curvature : Curvature or None
        The negative Hessian; None where it was not computed.
    """
    if len(z) > LARGEST_HESSIAN:

        def negative(x):
            logp, grad = _at(density, x)
            return -logp[0], -grad[0]

        return minimise(negative, z, TOLERANCE, 10 * ITERATIONS, longest=10.0)[0], None
    widths = None
    for _ in range(ITERATIONS):
        logp, grad = _at(density, z)
        curvature, widths = _curvature(density, z, widths)
        if curvature is None:
            break
        direction = curvature.solve(grad[0])
        decrement = float(grad[0].dot(direction))
        if not TOLERANCE < decrement < np.inf:
            break
        tried = z + LENGTHS[:, None] * direction
        values = _at(density, tried)[0]
        best = int(np.argmax(values))
        if not values[best] > logp[0]:
            break
        z = tried[best]
    return z, curvature


def _curvature(density, z, widths):
    """Negative Hessian at `z` by differences over a hundredth of `widths`, and the widths that it implies."""
    small = np.finfo(theano.config.floatX).eps ** (1 / 3) * np.maximum(1.0, np.abs(z))
    steps = small if widths is None else np.clip(0.01 * widths, 1e-12, 1.0)
    found = Curvature.of_differences(z, steps, lambda eps: _at(density, z + steps * eps)[1])
    if not found.finite:
        return None, widths
    return found, 1 / np.sqrt(np.maximum(np.abs(found.diagonal), 1e-12))


def _named(name):
    def register(function):
        STARTS.register(name, function)
        return function

    return register


def _map_and_curvature(view):
    view.check_continuous()
    view.check_start()
    z, curvature = find_map(density_of(view), view.layout().flatten(view.start()).astype("float64"))
    return view.layout().unflatten(z), curvature


@_named("map")
def _start_at_map(view, seeds):
    """The largest log density on the unconstrained scale."""
    return Start(_map_and_curvature(view)[0], None)


@_named("laplace")
def _start_with_laplace(view, seeds):
    """The same, with the curvature there for q's scale."""
    point, curvature = _map_and_curvature(view)
    if curvature is None:
        raise StartError(
            f"start='laplace' needs at most {LARGEST_HESSIAN} dimensions. Got {view.layout().size}. "
            "Pass start='map' instead."
        )
    return Start(point, curvature)


@_named("prior")
def _start_in_prior(view, seeds):
    """The first of some draws from the prior that has a finite log density."""
    view.check_continuous()
    points = prior_points(view, PRIOR_DRAWS, seeds.generator("start").integers(2**31))
    points = [view.layout().flatten(p) for p in points]
    fine = np.flatnonzero(np.isfinite(_at(density_of(view), points)[0]))
    if not len(fine):
        raise StartError(
            f"None of {PRIOR_DRAWS} draws from the prior has a finite log density. Pass start={{'name': value}}."
        )
    return Start(view.layout().unflatten(points[fine[0]]), None)


def working_start(view, random_seed):
    """Of draws from the prior and points around the model's own start, the one of largest log density.

    Returns
    -------
    dict or None
        None when none of them has a finite log density.
    """
    layout = view.layout()
    random = SeedStream(random_seed).generator("working start")
    centre = layout.flatten(view.start())
    points = [centre + random.normal(0, spread, len(centre)) for spread in np.repeat([0.1, 1.0], PRIOR_DRAWS)]
    try:
        points += [layout.flatten(p) for p in prior_points(view, PRIOR_DRAWS, random.integers(2**31))]
    except StartError:  # a prior that cannot be drawn from
        pass
    points = [p for p in points if np.isfinite(p).all()]
    logp = _at(density_of(view, look_mode(view, len(points))), points)[0] if points else np.full(1, -np.inf)
    best = int(np.argmax(logp))
    return layout.unflatten(points[best]) if np.isfinite(logp[best]) else None
