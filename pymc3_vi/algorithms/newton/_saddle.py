"""Starts that symmetric draws cannot leave: saddles, as a network with all weights at 0."""

import numpy as np

__all__ = ["STEP", "is_saddle"]

#: Products with the Hessian that are spent on its most negative direction.
PRODUCTS = 12
#: Curvature, where that of a single value is 1, below which a direction leads away.
NEGATIVE = -0.1
#: Differences of gradients are taken over this part of the widths.
STEP = 0.01


def is_saddle(slopes, widths, still, seed):
    r"""Whether the log density has a minimum along some direction of values whose gradient is exactly 0.

    With H the Hessian of the negative log density and D the widths, the smallest eigenvalue of :math:`D H D` among
    these values is looked for in a Krylov space; ordinary centres, as of a prior without data, have none below 0.

    Parameters
    ----------
    slopes : callable
        Gradients (m, d) of the log density at ``mu + STEP * widths * eps`` for `eps` (m, d).
    widths : ndarray (d,)
        Of single values: curvature to the power of -1/2.
    still : ndarray of bool (d,)
        Values without a gradient.
    seed : int
    """
    move = still * np.random.Generator(np.random.SFC64(seed)).standard_normal(len(still))
    basis, products = np.empty((0, len(still))), []
    for _ in range(min(PRODUCTS, int(still.sum()))):
        for _ in range(2):  # once more for what rounding leaves
            move = move - basis.T.dot(basis.dot(move))
        length = np.linalg.norm(move)
        if not length > 1e-8:
            break
        move = move / length
        there, back = slopes(np.stack([move, -move]))
        product = still * widths * (back - there) / (2 * STEP)
        if not np.isfinite(product).all():
            return False
        basis, products = np.vstack([basis, move]), [*products, product]
        move = product / max(np.linalg.norm(product), 1e-300)
    inner = basis.dot(np.transpose(products))
    return bool(np.linalg.eigvalsh(0.5 * (inner + inner.T))[0] < NEGATIVE)
