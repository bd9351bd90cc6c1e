"""Mean-field Gaussian family."""

import numpy as np
import theano.tensor as tt

from ..core import Group, register_family
from ..graph import ParamSpec, create_shared, node_property
from ._gaussian import softplus_inverse, standard_normal_logp

__all__ = ["MeanFieldGroup"]


@register_family
class MeanFieldGroup(Group):
    r"""Independent Gaussians: :math:`z = \mu + \sigma \odot \epsilon`, :math:`\sigma = \log(1 + e^\rho)`.

    .. math:: \log q(z) = -\tfrac12 \sum_i \epsilon_i^2 - \sum_i \log \sigma_i - \tfrac d2 \log 2\pi

    Keyword `start` gives the initial means (a partial dict of values, or the name of a start); every standard deviation
    starts at :math:`\log 2` (:math:`\rho = 0`), with ``'laplace'`` at that of the Laplace approximation's family.

    Parameters are ``mu`` (d,) and ``rho`` (d,), with a leading row axis when batched.

    References
    ----------
    Kucukelbir, Tran, Ranganath, Gelman, Blei: Automatic Differentiation Variational Inference, JMLR 18(14), 2017,
    section 2.4.
    """

    param_specs = (
        ParamSpec("mu", lambda d: (d,)),
        ParamSpec("rho", lambda d: (d,), constraint="real; the standard deviation is softplus(rho)"),
    )
    short_name = "mean_field"
    alias_names = frozenset(["mf"])
    family_keywords = ("start",)
    takes_curvature = True

    def _create_params(self, rng, start=None):
        mu = self._start_vector(start)
        rho = np.zeros_like(mu)
        if self.start_curvature is not None:
            rho = softplus_inverse(1 / np.sqrt(np.abs(self.start_curvature.diagonal)))
        return {"mu": create_shared("mu", mu), "rho": create_shared("rho", rho)}

    @property
    def mean(self):
        """Means, the parameter ``mu`` itself."""
        return self.params_dict["mu"]

    @property
    def rho(self):
        """Unconstrained scales."""
        return self.params_dict["rho"]

    @node_property
    def std(self):
        """Standard deviations, softplus(rho)."""
        return tt.nnet.softplus(self.rho)

    @node_property
    def cov(self):
        """Diagonal covariance (d, d), or (b, d, d) when batched."""
        variance = tt.sqr(self.std)
        if not self.batched:
            return tt.diag(variance)
        return variance.dimshuffle(0, 1, "x") * tt.eye(self.ddim).dimshuffle("x", 0, 1)

    @property
    def log_params(self):
        """The unconstrained scales."""
        return [] if self.user_params is not None else [self.shared_params["rho"]]

    def param_units(self, std):
        """Means move in standard deviations."""
        return {self.shared_params["mu"]: std}

    def place(self, mean, std):
        """These moments."""
        for name, value in (("mu", mean), ("rho", softplus_inverse(std))):
            shared = self.shared_params[name]
            shared.set_value(np.asarray(value, dtype=shared.dtype))

    def transform(self, eps):
        """Draws mu + sigma * eps."""
        return self.mean + self.std * eps

    def log_density(self, eps):
        """log q at the draws made of `eps`."""
        return standard_normal_logp(self, eps) - self.core_sum(tt.log(self.std))

    def score(self, eps):
        """Gradient of log q: -eps / sigma."""
        return -eps / self.std
