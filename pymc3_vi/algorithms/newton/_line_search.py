"""How far to go along a direction of Newton's method or L-BFGS."""

__all__ = ["backtrack"]

#: Factor by which a refused step shrinks, how often, and share of the promised gain that a step must bring.
SHRINK, TRIALS, SUFFICIENT = 0.3, 14, 1e-4


def backtrack(evaluate, value, promised, length=1.0, rounding=0.0):
    """The first of `length`, 0.3 `length`, 0.09 `length`, ... along a direction of ascent at which the rise is enough.

    Parameters
    ----------
    evaluate : callable
        From a length to the value there, -inf or NaN where there is none, and anything that goes with it.
    value, promised : float
        At length 0, and by how much it would rise along length 1 if it were linear.
    length : float
    rounding : float
        Relative accuracy of values.

    Returns
    -------
    tuple or None
        What `evaluate` gave; None where 14 lengths are too long.

    References
    ----------
    Armijo: Minimization of functions having Lipschitz continuous first partial derivatives, Pacific J. Math. 16, 1966.
    """
    for _ in range(TRIALS):
        found = evaluate(length)
        if found[0] < float("inf") and found[0] >= value + SUFFICIENT * length * promised - rounding * abs(value):
            return found
        length *= SHRINK
    return None
