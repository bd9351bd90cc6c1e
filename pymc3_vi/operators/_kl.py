"""Kullback-Leibler operator: the (tempered) evidence lower bound."""

from ..core import Operator
from ..graph import floatx
from ..parameters import checked

__all__ = ["KL"]


class KL(Operator):
    r"""Negative ELBO, with the KL part weighted by `beta`.

    .. math:: -\mathrm{ELBO}_\beta = -E_q[\log p(D \mid z)] + \beta\, E_q[\log q(z) - \log p(z)]

    Parameters
    ----------
    approx : Approximation
        Must define log q.
    beta : float
        Weight of KL(q || prior); 1 gives the ELBO.

    References
    ----------
    Jordan et al.: An Introduction to Variational Methods for Graphical Models, 1999; for beta, Higgins et al.:
    beta-VAE, ICLR 2017, eq. 4.
    """

    @checked
    def __init__(self, approx, beta=1.0):
        super().__init__(approx)
        self.beta = beta

    def apply(self, f):
        """Scalar negative ELBO."""
        prior_part = self.logq_norm - self.varlogp_norm
        if self.beta != 1.0:
            prior_part = floatx(self.beta) * prior_part
        return prior_part - self.datalogp_norm
