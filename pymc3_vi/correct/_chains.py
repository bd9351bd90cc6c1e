"""Many Hamiltonian chains that move together, one batched call of log p a step."""

from types import MappingProxyType

import numpy as np

__all__ = ["LONGEST_STEP", "Chains", "Sweep"]

#: Standard deviation of the logarithm of a chain's step in a sweep: lengths of trajectories differ between chains, so
#: that no period of the target can hide.
STEP_SPREAD = 0.25
#: Share of the chains whose steps are this much shorter in a sweep: narrow places are entered and left.
SHORT_SHARE, SHORTER = 0.2, 0.2
#: Longest step, a quarter of the circles in which a standard normal moves: x becomes what the momentum was.
LONGEST_STEP = np.pi / 2
#: Loss of energy beyond which a trajectory is called divergent: a step was too long for the place, not just inexact.
DIVERGENT = 30.0


class Sweep:
    """What one sweep did.

    Attributes
    ----------
    accept : ndarray (c,)
        Acceptance probability of every chain.
    divergent : ndarray (c,) of bool
        Whose trajectory diverged.
    """

    def __init__(self, accept, divergent):
        self.accept, self.divergent = accept, divergent


class Chains:
    r"""State of c chains: positions, log densities and gradients.

    Steps are those of leapfrog, or circles (`on_circles`), where the coordinates are such that the target is nearly a
    standard normal.  Its trajectories are circles, which steps of any size follow exactly; what is left of the gradient
    turns the momentum before and after (Strang's splitting):

    .. math:: p \leftarrow p + \tfrac h2 (\nabla \log p(x) + x), \qquad
              (x, p) \leftarrow (x \cos h + p \sin h,\; p \cos h - x \sin h), \qquad
              p \leftarrow p + \tfrac h2 (\nabla \log p(x) + x).

    For a normal target one step of :data:`LONGEST_STEP` is a draw that does not depend on the last one; leapfrog steps,
    which go straight between two gradients, need three or more.  Where tails are flatter than a normal's,
    circles are refused there, and so seldom lead there; through a point that is far off they lead to the other side.

    Parameters
    ----------
    target : Target
    x : ndarray (c, d)
        Starts, where log p is finite.

    References
    ----------
    Shahbaba, Lan, Johnson, Neal: Split Hamiltonian Monte Carlo, Statistics and Computing 24, 2014, section 3.1.

    Attributes
    ----------
    x, grad : ndarray (c, d)
    logp : ndarray (c,)
    on_circles : bool
        Whether to move on circles.
    """

    def __init__(self, target, x):
        self.target = target
        self._state = (np.array(x),) + target(x)
        self.on_circles = False

    x = property(lambda self: self._state[0])
    logp = property(lambda self: self._state[1])
    grad = property(lambda self: self._state[2])

    def sweep(self, step, steps, generator, watch=MappingProxyType({})):
        """Move every chain by one trajectory of `steps` steps of about `step`.

        Parameters
        ----------
        step : float
        steps : int
        generator : numpy.random.Generator
        watch : dict, optional
            Step k -> function ``(x, accept)``, called after this step with the positions and the probability
            that a trajectory that ended there would be accepted.

        Returns
        -------
        Sweep
        """
        c, d = self.x.shape
        momentum = generator.standard_normal((c, d))
        h = step * np.exp(STEP_SPREAD * generator.standard_normal(c))
        h = np.minimum(np.where(generator.random(c) < SHORT_SHARE, SHORTER * h, h), LONGEST_STEP)[:, None]
        uniform = generator.random(c)
        energy = self.logp - 0.5 * np.einsum("cd,cd->c", momentum, momentum)
        x, logp, grad = self.x, self.logp, self.grad
        cos, sin = np.cos(h), np.sin(h)
        with np.errstate(all="ignore"):
            momentum = momentum + 0.5 * h * self._force(x, grad)
            for k in range(1, steps + 1):
                if self.on_circles:
                    x, momentum = cos * x + sin * momentum, cos * momentum - sin * x
                else:
                    x = x + h * momentum
                logp, grad = self.target(x)
                force = h * self._force(x, grad)
                if k == steps or k in watch:
                    ended = momentum + 0.5 * force
                    change = logp - 0.5 * np.einsum("cd,cd->c", ended, ended) - energy
                    accept = np.where(np.isfinite(change), np.exp(np.minimum(change, 0.0)), 0.0)
                    if k in watch:
                        watch[k](x, accept)
                momentum += force
        moved = uniform < accept
        # One assignment, so that Ctrl-C cannot part a point from its density.
        self._state = (
            np.where(moved[:, None], x, self.x),
            np.where(moved, logp, self.logp),
            np.where(moved[:, None], grad, self.grad),
        )
        return Sweep(accept, ~(change > -DIVERGENT))

    def _force(self, x, grad):
        """What turns the momentum: on circles, what is left of the gradient."""
        return grad + x if self.on_circles else grad

    def multiply(self, times):
        """Go on with `times` chains in place of each, which begin where it is."""
        self._state = tuple(np.repeat(part, times, axis=0) for part in self._state)

    def stretch(self, location, scale, others=()):
        """Go on in coordinates y with x = location + scale y, see :meth:`Target.stretched`.

        Parameters
        ----------
        others : list of (x, grad)
            Further points.

        Returns
        -------
        list of (y, grad)
            The further points in the new coordinates.
        """
        old = self.target
        new = old.stretched(location, scale)

        def moved(x, grad):
            return new.coordinates(old.points(x)), grad @ scale if scale.ndim == 2 else grad * scale

        x, grad = moved(self.x, self.grad)
        others = [moved(*pair) for pair in others]
        self.target, self._state = new, (x, self.logp, grad)
        return others
