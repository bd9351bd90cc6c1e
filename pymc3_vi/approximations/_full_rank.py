"""Full-rank Gaussian family."""

import numpy as np
import theano.tensor as tt

from ..compiler.ops import TriangularSolve, batch_matmul, tril_matvec
from ..core import Group, register_family
from ..errors import ParametrizationError
from ..graph import ParamSpec, create_shared, node_property
from ..validation import require_memory
from ._gaussian import standard_normal_logp

__all__ = ["FullRankGroup"]

#: Most values; copies of the factor that a fit holds (packed, square, its gradient, the optimizer's state).
LARGEST, COPIES = 20_000, 5


@register_family
class FullRankGroup(Group):
    r"""Correlated Gaussian: :math:`z = \mu + L \epsilon` with a lower-triangular factor L.

    .. math:: \log q(z) = -\tfrac12 \sum_i \epsilon_i^2 - \sum_i \log |L_{ii}| - \tfrac d2 \log 2\pi

    log q is computed from the base noise; nothing is solved.  Keyword `start` gives the initial means (a
    partial dict, or the name of a start); L starts as the identity, with ``'laplace'`` as the factor of the inverse
    curvature.

    Parameters are ``mu`` (d,) and ``L_tril`` (d (d + 1) / 2,), the lower triangle of L row by row (the order of
    ``numpy.tril_indices``), with a leading row axis when batched.

    References
    ----------
    Kucukelbir et al.: Automatic Differentiation Variational Inference, JMLR 18(14), 2017, section 2.4.
    """

    param_specs = (
        ParamSpec("mu", lambda d: (d,)),
        ParamSpec("L_tril", lambda d: (d * (d + 1) // 2,), constraint="real, non-zero on the diagonal"),
    )
    short_name = "full_rank"
    alias_names = frozenset(["fr"])
    family_keywords = ("start",)
    takes_curvature = True

    def _create_params(self, rng, start=None):
        self._check_size()
        mu = self._start_vector(start)
        root = np.eye(self.ddim) if self.start_curvature is None else self.start_curvature.root()
        packed = root[self.tril_indices]
        packed = np.tile(packed, (self.bdim, 1)) if self.batched else packed
        return {"mu": create_shared("mu", mu), "L_tril": create_shared("L_tril", packed)}

    @property
    def param_rates(self):
        """L moves by :math:`d^{-1/2}` of a rate: the errors of d entries add up to that of a standard deviation."""
        return {} if self.user_params is not None else {self.shared_params["L_tril"]: self.ddim**-0.5}

    def _check_size(self):
        """Refuse a factor that does not fit into memory, before anything is allocated."""
        d, rows = self.ddim, self.bdim
        names = ", ".join(v.name for v in self.group)
        rowwise = f" for each of {rows:,} rows" if rows > 1 else ""
        what = f"Full rank of {names} has {d:,} values and so a factor of {d:,} x {d:,} numbers{rowwise}"
        advice = (
            "Use mean field (method='advi'), or a full-rank group for the variables whose correlations matter and "
            "Group(None, vfam='mean_field') for the rest."
        )
        require_memory(COPIES * d * d * rows, what, advice)
        if d > LARGEST:
            size = COPIES * 8 * d * d * rows / 2**30
            raise ParametrizationError(f"{what}, {size:,.1f} GiB in a fit. At most {LARGEST:,} are allowed. {advice}")

    def param_units(self, std):
        """Means, and the rows of L, move in standard deviations."""
        return {self.shared_params["mu"]: std, self.shared_params["L_tril"]: std[..., self.tril_indices[0]]}

    def place(self, mean, std):
        """These moments, without correlations."""
        rows, columns = self.tril_indices
        packed = (std[..., None] * np.eye(self.ddim))[..., rows, columns]
        for name, value in (("mu", mean), ("L_tril", packed)):
            shared = self.shared_params[name]
            shared.set_value(np.asarray(value, dtype=shared.dtype))

    @property
    def num_tril_entries(self):
        """Number of entries of the packed factor."""
        return self.ddim * (self.ddim + 1) // 2

    @property
    def tril_indices(self):
        """Row and column indices of the packed factor's entries."""
        return np.tril_indices(self.ddim)

    @property
    def _diagonal_positions(self):
        return np.cumsum(np.arange(1, self.ddim + 1)) - 1

    @property
    def mean(self):
        """Means, the parameter ``mu`` itself."""
        return self.params_dict["mu"]

    @node_property
    def L(self):
        """Factor as a matrix (d, d), or (b, d, d) when batched."""
        packed = self.params_dict["L_tril"]
        index = np.zeros((self.ddim, self.ddim), dtype=int)
        index[self.tril_indices] = np.arange(self.num_tril_entries)
        mask = np.tril(np.ones((self.ddim, self.ddim), dtype=packed.dtype))
        lead = [packed.shape[0]] if self.batched else []
        full = tt.reshape(packed[..., index.ravel()], lead + [self.ddim, self.ddim], ndim=len(lead) + 2)
        return full * mask

    @node_property
    def L_chol(self):
        """Lower Cholesky factor of `cov`: L with the signs of its columns chosen so that the diagonal is positive."""
        diagonal = self.params_dict["L_tril"][..., self._diagonal_positions]
        signs = tt.switch(tt.lt(diagonal, 0), -tt.ones_like(diagonal), tt.ones_like(diagonal))
        return self.L * (signs.dimshuffle(0, "x", 1) if self.batched else signs.dimshuffle("x", 0))

    @node_property
    def cov(self):
        """Covariance L L^T, (d, d) or (b, d, d)."""
        if self.batched:
            return batch_matmul(self.L, self.L.dimshuffle(0, 2, 1))
        return tt.dot(self.L, self.L.T)

    @node_property
    def std(self):
        """Standard deviations, the row norms of L."""
        return tt.sqrt(tt.sum(tt.sqr(self.L), axis=-1))

    def transform(self, eps):
        """Draws mu + L eps."""
        if not self.batched:
            return self.mean + tril_matvec(self.params_dict["L_tril"], eps)
        return self.mean + self._rows(self.L, eps)

    @staticmethod
    def _rows(matrices, eps):
        """(b, d, d) applied to (b, d) or (s, b, d)."""
        if eps.ndim == 2:
            return batch_matmul(matrices, eps.dimshuffle(0, 1, "x"))[:, :, 0]
        return batch_matmul(matrices, eps.dimshuffle(1, 2, 0)).dimshuffle(2, 0, 1)

    def log_density(self, eps):
        """log q at the draws made of `eps`."""
        log_diagonal = tt.log(tt.abs_(self.params_dict["L_tril"][..., self._diagonal_positions]))
        return standard_normal_logp(self, eps) - tt.sum(log_diagonal)

    def score(self, eps):
        """Gradient of log q: -L^{-T} eps."""
        if self.batched:
            solve = TriangularSolve(lower=True, transposed=True)
            if eps.ndim == 2:
                return -solve(self.L, eps.dimshuffle(0, 1, "x"))[:, :, 0]
            return -solve(self.L, eps.dimshuffle(1, 2, 0)).dimshuffle(2, 0, 1)
        right = eps if eps.ndim == 1 else eps.T
        solved = tt.slinalg.solve_upper_triangular(self.L.T, right)
        return -solved if eps.ndim == 1 else -solved.T
