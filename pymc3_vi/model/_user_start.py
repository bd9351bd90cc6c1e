"""Start values of users: their shapes, and their way through the transforms."""

import numpy as np
import theano
from pymc3.util import get_untransformed_name, is_transformed_name

from ..compiler import building
from ..errors import StartError
from ..validation import shown

__all__ = ["filled_start"]


def filled_start(view, point, user):
    """`point` with the values of `user` put in, variable after variable in model order.

    A transform may need other variables (bounds that are random): these have their values in the point so far, so that
    the same start always gives the same point.  The user's arrays are not changed.

    Parameters
    ----------
    view : ModelView
    point : dict
        Name of free variable -> array on the unconstrained scale.
    user : dict
        Values by name of the free or of the untransformed variable.

    Returns
    -------
    dict

    Raises
    ------
    StartError
        For values of the wrong shape or kind, or outside of the support.
    """
    for var in view.free:
        given = _given_name(var, user)
        if given is None:
            continue
        if given == var.name:
            value = _array(user[given], given, point[var.name].shape)
        else:
            whole = view.model.named_vars[given]
            value = _transformed(view, whole, _array(user[given], given, tuple(map(int, whole.dshape))), point, user)
        value = np.asarray(value, dtype=var.dtype)
        if value.shape != point[var.name].shape or not np.all(np.isfinite(value)):
            raise StartError(
                f"The 'start' value of variable {given!r} must be finite on the unconstrained scale. "
                f"Got {user[given]!r} instead: choose a point inside the support."
            )
        point[var.name] = np.array(value)
    _check_double(view, point, user)
    return point


def _check_double(view, point, user):
    """Both names of a variable may be given, as in a point of a trace, where they say the same."""
    for var in view.free:
        other = get_untransformed_name(var.name) if is_transformed_name(var.name) else None
        if var.name not in user or other not in user:
            continue
        whole = view.model.named_vars[other]
        given = _array(user[other], other, tuple(map(int, whole.dshape)))
        if np.allclose(_constrained(view, point)[other], given, rtol=1e-3, atol=0.0):
            continue  # near a bound, where the way back is not exact, too
        value = _transformed(view, whole, given, point, user)
        if np.all(np.isfinite(value)) and not np.allclose(value, point[var.name], rtol=1e-3, atol=1e-3):
            raise StartError(
                f"The 'start' parameter gives {other!r} and {var.name!r}, which is the same variable, two values: "
                f"{shown(value)} and {shown(user[var.name])} on the unconstrained scale. Leave one out."
            )


def _given_name(var, user):
    if var.name in user:
        return var.name
    name = get_untransformed_name(var.name) if is_transformed_name(var.name) else None
    return name if name in user else None


def _array(value, name, shape):
    """A copy of the user's value in exactly that shape; single numbers are repeated."""
    if np.ma.is_masked(value):
        raise StartError(f"The 'start' value of variable {name!r} has masked entries, which are no numbers. Fill them.")
    try:
        array = np.array(value, dtype="float64")
    except (TypeError, ValueError):
        raise StartError(
            f"The 'start' value of variable {name!r} must be numbers of shape {shape}. Got {value!r} instead."
        ) from None
    if array.ndim and array.shape != shape:
        raise StartError(
            f"The 'start' value of variable {name!r} must have shape {shape}. Got shape {array.shape} instead."
        )
    return np.array(np.broadcast_to(array, shape))


def _transformed(view, whole, value, point, user):
    transform = whole.transformation
    others = {name for name in user if name not in point and name != whole.name}
    known = dict(_constrained(view, point), **{name: np.array(user[name]) for name in others})
    try:
        with building(cxx=""), np.errstate(all="ignore"):
            return transform.forward_val(value, point=known)
    except (ValueError, TypeError, IndexError, AttributeError, np.linalg.LinAlgError) as error:
        raise StartError(
            f"The 'start' value of variable {whole.name!r} cannot be transformed: {error} Got {value!r}: choose "
            "a point inside the support."
        ) from None


def _constrained(view, point):
    """Values of all free variables and of those that they stand for, at `point`."""
    named = view.model.named_vars
    names = [view.untransformed_name(v.name) for v in view.free]
    wanted = [named[name] for name in names if name not in point]
    values = dict(point)
    if wanted:
        with building(cxx=""):
            if "_start_function" not in view.__dict__:
                mode = theano.Mode("py", "fast_compile")
                view._start_function = theano.function(view.free, wanted, mode=mode, on_unused_input="ignore")
            found = view._start_function(*[np.asarray(point[v.name], dtype=v.dtype) for v in view.free])
        values.update((v.name, value) for v, value in zip(wanted, found))
    return values
