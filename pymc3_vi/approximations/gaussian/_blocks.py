"""Parameters of Gaussian groups as one mean vector and one scale."""

import numpy as np

from .. import FullRankGroup, MeanFieldGroup
from .._gaussian import softplus_inverse
from ._curvature import LARGEST_DENSE_DIMENSION, LARGEST_FULL_DIMENSION

__all__ = ["GaussianBlocks"]

#: Values of variables that may be global to the others, and numbers of their curvature with all values.
MOST_FEW, FEW_NUMBERS = 64, 2**22


class GaussianBlocks:
    r"""Joins mean-field and full-rank groups into :math:`q = N(\mu, S S^\top)` over all latent values.

    The scale S is a vector of standard deviations when all groups are mean field, otherwise a lower triangular
    matrix with a diagonal or a full block per group.

    Parameters
    ----------
    groups : list of Group
        See :meth:`fits`.
    independent : bool
        Take all groups for mean field: full-rank ones then have no correlations.

    Attributes
    ----------
    d : int
    is_diagonal : bool
    is_small : bool
        Whether matrices of curvature between all values are worth their cost.
    widest : int
        Dimension of the largest full-rank group.
    rows, columns : int arrays
        Free entries of a triangular scale.
    """

    def __init__(self, groups, independent=False):
        self.groups = groups
        ends = np.cumsum([g.ddim for g in groups])
        self.slices = [slice(int(end) - g.ddim, int(end)) for g, end in zip(groups, ends)]
        self.d = int(ends[-1])
        self.widest = max([0] + [g.ddim for g in groups if isinstance(g, FullRankGroup)])
        self.is_diagonal = independent or all(isinstance(g, MeanFieldGroup) for g in groups)
        self.is_small = self.d <= (LARGEST_DENSE_DIMENSION if self.is_diagonal else LARGEST_FULL_DIMENSION)
        block = np.concatenate(
            [
                np.full(g.ddim, i) if isinstance(g, FullRankGroup) else -1 - np.arange(s.start, s.stop)
                for i, (g, s) in enumerate(zip(groups, self.slices))
            ]
        )
        self.block = block
        if not self.is_diagonal:
            rows, columns = np.tril_indices(self.d)
            free = block[rows] == block[columns]
            self.rows, self.columns = rows[free], columns[free]

    @staticmethod
    def fits(group):
        """Whether a group is a plain Gaussian with parameters of its own."""
        return type(group) in (MeanFieldGroup, FullRankGroup) and not group.batched and group.user_params is None

    def same_block(self):
        """(d, d) mask of pairs that may be correlated under q."""
        return self.block[:, None] == self.block[None, :]

    def read(self):
        """(mu, scale) that the groups' shared variables hold."""
        mu, scale = np.empty(self.d), np.zeros(self.d if self.is_diagonal else (self.d, self.d))
        for group, part in zip(self.groups, self.slices):
            params = {k: v.get_value(borrow=True).astype("float64") for k, v in group.shared_params.items()}
            mu[part] = params["mu"]
            if "rho" in params:
                sigma = np.logaddexp(0, params["rho"])
                if self.is_diagonal:
                    scale[part] = sigma
                else:
                    scale[part, part] = np.diag(sigma)
                continue
            block = np.zeros((group.ddim, group.ddim))
            block[group.tril_indices] = params["L_tril"]
            if self.is_diagonal:
                scale[part] = np.sqrt(np.sum(block**2, axis=1))
            else:
                # The signs of columns say nothing about q.
                scale[part, part] = block * np.where(np.diag(block) < 0, -1.0, 1.0)
        return mu, scale

    def leaves_out_correlations(self):
        """Whether full-rank groups that are taken for mean field have correlations now."""
        if not self.is_diagonal:
            return False
        correlated = [g for g in self.groups if isinstance(g, FullRankGroup)]
        return any(np.count_nonzero(g.shared_params["L_tril"].get_value(borrow=True)) > g.ddim for g in correlated)

    def write(self, mu, scale):
        """Set the groups' shared variables."""
        for group, part in zip(self.groups, self.slices):
            values = {"mu": mu[part]}
            if isinstance(group, FullRankGroup):
                block = np.diag(scale[part]) if self.is_diagonal else scale[part, part]
                values["L_tril"] = block[group.tril_indices]
            else:
                values["rho"] = softplus_inverse(scale[part] if self.is_diagonal else np.diag(scale[part, part]))
            for name, value in values.items():
                shared = group.shared_params[name]
                shared.set_value(value.astype(shared.dtype))

    @property
    def few(self):
        """Places of the values of small variables, the smallest first, where curvature is not dense among all values.

        Many values of a hierarchical model, the effects of groups, know of each other through such.
        """
        if self.is_small or not self.is_diagonal:
            return np.empty(0, dtype="int64")
        sizes = [int(np.prod(v.dshape)) for group in self.groups for v in group.group]
        ends, found = np.cumsum(sizes), []
        for number in np.argsort(sizes, kind="stable"):
            if len(found) + sizes[number] > min(MOST_FEW, FEW_NUMBERS // self.d, self.d // 4):
                break
            found.extend(range(ends[number] - sizes[number], ends[number]))
        return np.sort(np.array(found, dtype="int64"))

    # ---------------------------------------------------------------- arithmetic of scales
    @staticmethod
    def diagonal(scale):
        """Diagonal of a scale, as a vector."""
        return scale if scale.ndim == 1 else np.diag(scale)

    def log_det(self, scale):
        """log |det S|."""
        return float(np.sum(np.log(self.diagonal(scale))))

    @staticmethod
    def stretch(eps, scale):
        """S eps for every row of `eps`."""
        return eps * scale if scale.ndim == 1 else eps.dot(scale.T)

    @staticmethod
    def pull_back(grad, scale):
        """S^T g for every row of `grad`."""
        return grad * scale if scale.ndim == 1 else grad.dot(scale)

    def spread(self, scale):
        """A scale from a vector of standard deviations or another scale."""
        return np.array(scale) if self.is_diagonal or np.ndim(scale) == 2 else np.diag(scale)

    @staticmethod
    def std(scale):
        """Standard deviations (d,)."""
        return scale if scale.ndim == 1 else np.sqrt(np.sum(scale**2, axis=1))
