"""Where a fit begins: ``start='map'``, ``'laplace'`` or ``'prior'``, and the best of several starts."""

import hashlib
import threading
from collections import namedtuple

import numpy as np
import theano
import theano.tensor as tt

from ..algorithms.newton import minimise
from ..approximations.gaussian import Curvature, matched_pairs
from ..compiler import UNDEFINED, building, compile_function, without_test_values
from ..compiler.vectorize import vectorize_graph
from ..core import STARTS, Start
from ..errors import StartError
from ..graph import SeedStream, substitute
from ..model import ModelView, full_data, prior_points
from ..workers import Crew, Gone, portable, unpacked

__all__ = [
    "FlatDensity",
    "TriedStart",
    "find_map",
    "try_starts",
    "working_start",
]

#: Draws from the prior among which one with a finite log density is looked for.
PRIOR_DRAWS = 20
#: Up to this dimension the Hessian is a matrix.
LARGEST_HESSIAN = 200
ITERATIONS, TOLERANCE = 100, 1e-12
LENGTHS = 0.3 ** np.arange(16)
#: Mirrored pairs of draws for the ELBO of a start.
ELBO_PAIRS = 32


class FlatDensity:
    """Log density of a model at flat points, many in one vectorised call; the whole data stand in for minibatches.

    Parameters
    ----------
    view : ModelView
    mode : Mode, optional
        Of Theano; for a single look, Python thunks spare the compiler.
    """

    @without_test_values
    def __init__(self, view, mode=None):
        self.layout = view.layout()
        z = tt.matrix("z")
        values = {v: piece for v, piece in zip(view.free, self.layout.slices(z).values())}
        logp = vectorize_graph(substitute(tt.add(*view.logp()), full_data(view)), values)
        outputs = [logp, tt.grad(tt.sum(logp), z)]
        if mode is None:
            self._function = compile_function([z], outputs, name="log density")
        else:  # rewriting evaluates constants, each by a C++ module of its own where there is a compiler
            with building(cxx=""):
                self._function = theano.function([z], outputs, mode=mode)

    def __call__(self, z):
        """logp (s,) and its gradient (s, d) at `z` (s, d); where one of them raises or is not finite, logp is -inf."""
        z = np.atleast_2d(np.asarray(z, dtype=theano.config.floatX))
        try:
            logp, grad = self._function(z)
        except UNDEFINED:
            if len(z) > 1:
                parts = [self(row) for row in z]
                return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
            return np.full(1, -np.inf), np.zeros(z.shape)
        logp, grad = np.asarray(logp, dtype="float64"), np.asarray(grad, dtype="float64")
        fine = np.isfinite(logp) & np.isfinite(grad).all(axis=1)
        return np.where(fine, logp, -np.inf), np.where(fine[:, None], grad, 0.0)


def find_map(density, z):
    """Point of the largest log density on the unconstrained scale, and the curvature there.

    Newton's method with a Hessian from differences of gradients and directions of negative curvature turned round; in
    more than `LARGEST_HESSIAN` dimensions L-BFGS.  Every step is searched along 16 lengths in one call.

    Parameters
    ----------
    density : FlatDensity
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
            logp, grad = density(x)
            return -logp[0], -grad[0]

        return minimise(negative, z, TOLERANCE, 10 * ITERATIONS, longest=10.0)[0], None
    widths = None
    for _ in range(ITERATIONS):
        logp, grad = density(z)
        curvature, widths = _curvature(density, z, widths)
        if curvature is None:
            break
        direction = curvature.solve(grad[0])
        decrement = float(grad[0].dot(direction))
        if not TOLERANCE < decrement < np.inf:
            break
        tried = z + LENGTHS[:, None] * direction
        values = density(tried)[0]
        best = int(np.argmax(values))
        if not values[best] > logp[0]:
            break
        z = tried[best]
    return z, curvature


def _curvature(density, z, widths):
    """Negative Hessian at `z` by differences over a hundredth of `widths`, and the widths that it implies."""
    small = np.finfo(theano.config.floatX).eps ** (1 / 3) * np.maximum(1.0, np.abs(z))
    steps = small if widths is None else np.clip(0.01 * widths, 1e-12, 1.0)
    found = Curvature.of_differences(z, steps, lambda eps: density(z + steps * eps)[1])
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
    z, curvature = find_map(FlatDensity(view), view.layout().flatten(view.start()).astype("float64"))
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
    fine = np.flatnonzero(np.isfinite(FlatDensity(view)(points)[0]))
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
    density, layout = FlatDensity(view, theano.Mode("py", "fast_compile")), view.layout()
    random = SeedStream(random_seed).generator("working start")
    centre = layout.flatten(view.start())
    points = [centre + random.normal(0, spread, len(centre)) for spread in np.repeat([0.1, 1.0], PRIOR_DRAWS)]
    try:
        points += [layout.flatten(p) for p in prior_points(view, PRIOR_DRAWS, random.integers(2**31))]
    except StartError:  # a prior that cannot be drawn from
        pass
    points = [p for p in points if np.isfinite(p).all()]
    logp = density(points)[0] if points else np.full(1, -np.inf)
    best = int(np.argmax(logp))
    return layout.unflatten(points[best]) if np.isfinite(logp[best]) else None


class TriedStart(namedtuple("TriedStart", "origin, elbo, point")):
    """One of several starts.

    Attributes
    ----------
    origin : str
        'start', 'prior' or 'jitter'.
    elbo : float
        ELBO (nats) of the mean-field Laplace approximation that a climb from there led to.
    point : dict
        Where the climb ended, name -> array on the unconstrained scale.
    """

    __slots__ = ()


#: Of this process: FlatDensity by digest of its model and thread.
_densities = {}


def climb(key, model, z):
    """:func:`find_map` in a worker, which compiles when it sees a model for the first time."""
    own = key, threading.get_ident()
    if own not in _densities:
        _densities[own] = FlatDensity(ModelView(unpacked(model)))
    return find_map(_densities[own], z)


def _climbs(view, density, points, client):
    """:func:`find_map` from every point, by the workers of a client if there is one."""
    if client is None or len(points) == 1:
        return [find_map(density, z) for z in points]
    crew, model = Crew(client), portable(view.model, "The model")
    key = hashlib.sha256(model).hexdigest()
    found = [crew.outcome(future) for future in [crew.future(climb, key, model, z) for z in points]]
    return [find_map(density, z) if isinstance(f, Gone) else f for f, z in zip(found, points)]


def try_starts(view, count, random_seed, start=None, client=None):
    """Climb from several start points and compare the ELBOs there.

    The first one is the start as given, the others are drawn from the prior, or around the first where the prior
    cannot be drawn from.  The ELBOs of all come from one vectorised evaluation.  With a `client` its workers climb.

    Returns
    -------
    list of TriedStart
        Best first.
    """
    view.check_continuous()
    density, layout = FlatDensity(view), view.layout()
    random = SeedStream(random_seed).generator("starts")
    first = layout.flatten(view.start(start)).astype("float64")
    origins, points = ["start"], [first]
    try:
        drawn = [layout.flatten(p) for p in prior_points(view, count - 1, random.integers(2**31))]
        origins += ["prior"] * len(drawn)
    except StartError:
        drawn = [first + random.uniform(-1, 1, len(first)) for _ in range(count - 1)]
        origins += ["jitter"] * len(drawn)
    points = np.array(points + drawn, dtype="float64")
    fine = np.isfinite(density(points)[0])
    if not fine.any():
        view.check_start(start)  # names the term
    found = _climbs(view, density, points[fine], client)
    origins = [origin for origin, good in zip(origins, fine) if good]
    widths = np.array([_mean_field_widths(z, curvature) for z, curvature in found])
    half = matched_pairs(random.standard_normal((ELBO_PAIRS, len(first))))
    draws = np.array([z for z, _ in found])[:, None, :] + half * widths[:, None, :]  # (k, s, d)
    logp = density(draws.reshape(-1, len(first)))[0].reshape(len(found), -1)
    elbo = logp.mean(axis=1) + np.log(widths).sum(axis=1) + 0.5 * len(first) * np.log(2 * np.pi * np.e)
    tried = [TriedStart(o, float(e), layout.unflatten(z)) for o, e, (z, _) in zip(origins, elbo, found)]
    return sorted(tried, key=lambda t: -t.elbo)


def _mean_field_widths(z, curvature):
    if curvature is None:
        return np.full(len(z), 0.1)
    return 1 / np.sqrt(np.maximum(np.abs(curvature.diagonal), 1e-12))
