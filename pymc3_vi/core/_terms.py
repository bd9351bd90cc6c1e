"""The quantities that operators combine, evaluated at one draw or at a batch of draws."""

import theano.tensor as tt

__all__ = ["Terms"]


class Terms:
    """log p and log q at draws z from an approximation.

    Parameters
    ----------
    z : list of Variable
        One per group: (d,) or (s, d), with a row axis before d when batched.
    varlogp, datalogp : Variable
        Prior and data terms of the model's log density: scalars for a single draw, else (s,).
    logq : Variable or None
        log q(z), same shape; None when the approximation does not define it.
    normalizing_constant : Variable
        What losses are divided by when ``scale_cost_to_minibatch`` is on, else 1.
    batched : bool
        Whether there is a leading sample axis.
    """

    def __init__(self, z, varlogp, datalogp, logq, normalizing_constant, batched):
        self.z = z
        self.sized_varlogp = varlogp
        self.sized_datalogp = datalogp
        self.sized_logq = logq
        self.normalizing_constant = normalizing_constant
        self.batched = batched

    def _mean(self, node):
        return tt.mean(node, axis=0) if self.batched else node

    @property
    def varlogp(self):
        """E_q of the prior terms."""
        return self._mean(self.sized_varlogp)

    @property
    def datalogp(self):
        """E_q of the data terms."""
        return self._mean(self.sized_datalogp)

    @property
    def logp(self):
        """E_q log p."""
        return self.varlogp + self.datalogp

    @property
    def logq(self):
        """E_q log q."""
        return self._mean(self.sized_logq)

    def with_logq(self, logq):
        """The same terms with another log q (used by gradient estimators)."""
        return Terms(self.z, self.sized_varlogp, self.sized_datalogp, logq, self.normalizing_constant, self.batched)
