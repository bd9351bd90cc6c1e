import theano.tensor as tt

from ..compiler import without_test_values
from ..errors import ParameterValueError
from ..graph import match_pattern
from ..parameters import checked
from ..validation import require
from ._hyperparameters import as_number

__all__ = ["norm_constraint", "total_norm_constraint"]


@checked
@without_test_values
def norm_constraint(tensor, max_norm, norm_axes=None, epsilon=1e-7):
    r"""Rescale the slices of a tensor whose norm is too large.

    With :math:`\|x\|` the Euclidean norm over `norm_axes`,

    .. math:: x \leftarrow x\, \frac{\min(\|x\|, c)}{\|x\| + \epsilon}

    Parameters
    ----------
    tensor : expression
        New value of a parameter, gradient, or other quantity.
    max_norm : float, shared scalar or symbolic scalar
        Largest norm :math:`c` allowed.
    norm_axes : int or sequence of int, optional
        Axes over which one norm is taken.  Default: axis 0 of a matrix (the weights that go into one unit of a
        dense layer), all axes but the first of a tensor with 3, 4 or 5 dimensions (one filter of a convolution).
    epsilon : float
        Keeps the division finite; it makes every norm smaller by the factor ``norm / (norm + epsilon)``.

    Returns
    -------
    expression
        Of the shape, dtype and broadcast pattern of `tensor`.

    Raises
    ------
    ValueError
        If `norm_axes` is needed but not given, or is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> norm_constraint(np.array([[3.0, 0.3], [4.0, 0.4]]), 1.0).eval().round(3)
    array([[0.6, 0.3],
           [0.8, 0.4]])
    """
    tensor = tt.as_tensor_variable(tensor)
    norm = tt.sqrt(tt.sum(tensor**2, axis=_norm_axes(tensor, norm_axes), keepdims=True))
    scaled = tensor * _shrinkage(norm, max_norm, epsilon)
    return match_pattern(scaled, tensor)


def _norm_axes(tensor, norm_axes):
    ndim = tensor.ndim
    if norm_axes is None:
        if ndim == 2:
            return (0,)
        if 3 <= ndim <= 5:
            return tuple(range(1, ndim))
        raise ParameterValueError(
            f"The 'norm_axes' parameter of norm_constraint must be given for a tensor of {ndim} dimensions; it has a "
            "default for 2 to 5 dimensions only. Give the axes over which one norm is taken, e.g. norm_axes=(0,)."
        )
    axes = (norm_axes,) if as_number(norm_axes) is not None else tuple(norm_axes)
    allowed = f"axes of a tensor of {ndim} dimensions, each once"
    known = all(axis in range(-ndim, ndim) for axis in axes)
    require(known, ValueError, "norm_axes", "norm_constraint", allowed, norm_axes)
    axes = tuple(int(axis) % ndim for axis in axes)
    require(axes and len(set(axes)) == len(axes), ValueError, "norm_axes", "norm_constraint", allowed, norm_axes)
    return axes


def _shrinkage(norm, max_norm, epsilon):
    """Factor of at most 1 that brings `norm` down to `max_norm`."""
    return tt.minimum(norm, max_norm) / (norm + epsilon)


@checked
@without_test_values
def total_norm_constraint(tensor_vars, max_norm, epsilon=1e-7, return_norm=False):
    r"""Rescale several tensors together if their common norm is too large.

    .. math::

        x_i \leftarrow x_i\, \frac{\min(\|x\|, c)}{\|x\| + \epsilon}, \qquad \|x\|^2 = \sum_i \|x_i\|^2

    Parameters
    ----------
    tensor_vars : list of expressions
        Usually all gradients of a step.
    max_norm : float, shared scalar or symbolic scalar
        Largest norm :math:`c` allowed.
    epsilon : float
        Keeps the division finite.
    return_norm : bool
        Whether to return the norm before rescaling too, to watch it.

    Returns
    -------
    list of expressions
        Each of the shape, dtype and broadcast pattern of its original.
    scalar expression
        The norm, if `return_norm`.

    References
    ----------
    Pascanu, Mikolov, Bengio (2013). On the difficulty of training recurrent neural networks. ICML. Algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> a, b = total_norm_constraint([np.array([3.0]), np.array([4.0])], 1.0)
    >>> a.eval().round(3), b.eval().round(3)
    (array([0.6]), array([0.8]))
    """
    caller = "total_norm_constraint"
    require(
        isinstance(tensor_vars, (list, tuple)) and len(tensor_vars) > 0,
        TypeError,
        "tensor_vars",
        caller,
        "a list of at least one expression",
        tensor_vars,
    )
    tensors = [tt.as_tensor_variable(tensor) for tensor in tensor_vars]
    norm = tt.sqrt(sum(tt.sum(tensor**2) for tensor in tensors))
    factor = _shrinkage(norm, max_norm, epsilon)
    scaled = [match_pattern(tensor * factor, tensor) for tensor in tensors]
    return (scaled, norm) if return_norm else scaled
