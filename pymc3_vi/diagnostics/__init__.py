"""Verdicts on fitted approximations; importing this package gives ``Approximation`` the methods listed at its end."""

from ..core import Approximation
from ._against_chains import ChainCheck
from ._converged import Converged, IterateCheck, check_iterates
from ._convergence import LossTrend, batch_means_error, loss_trend
from ._cost import chains_take_seconds
from ._data import changed_data, check_data
from ._density import PointDensity, point_density
from ._diagnose import Diagnosis, diagnose
from ._draws import IN_PYTHON, DensityDraws, draws_in_memory, look_mode, noise_of
from ._expectation import Expectation, expectation
from ._fixed_draws import KINDS, REPLICATES, FixedDrawELBO, FixedDraws
from ._gradients import check_gradients, gradients_explained, warn_of_steps
from ._importance import ImportanceWeights, khat_threshold, nearly_equal
from ._linear_response import frequentist_se, gaussian_blocks, lrvb_cov, replicate_errors
from ._moments import CLOSE_MEAN, CLOSE_SD, coordinate_labels
from ._particles import ParticleCheck, check_particles, stein_discrepancy, variance_ratios
from ._resample import psis_resample, warn_if_unreliable
from ._row_density import PassSum, RowDensity
from ._row_likelihood import RowLikelihood
from ._row_values import RowValues, row_density
from ._spread_rows import SpreadRows
from ._verdict import CORRECT, REJECT, USE

__all__ = [
    "Converged",
    "IterateCheck",
    "check_iterates",
    "Diagnosis",
    "ChainCheck",
    "chains_take_seconds",
    "diagnose",
    "Expectation",
    "expectation",
    "DensityDraws",
    "IN_PYTHON",
    "PassSum",
    "changed_data",
    "check_data",
    "PointDensity",
    "RowDensity",
    "RowLikelihood",
    "RowValues",
    "SpreadRows",
    "row_density",
    "FixedDraws",
    "FixedDrawELBO",
    "REPLICATES",
    "KINDS",
    "lrvb_cov",
    "frequentist_se",
    "gaussian_blocks",
    "coordinate_labels",
    "check_gradients",
    "gradients_explained",
    "warn_of_steps",
    "point_density",
    "replicate_errors",
    "ImportanceWeights",
    "khat_threshold",
    "nearly_equal",
    "LossTrend",
    "loss_trend",
    "batch_means_error",
    "ParticleCheck",
    "check_particles",
    "stein_discrepancy",
    "variance_ratios",
    "psis_resample",
    "look_mode",
    "noise_of",
    "draws_in_memory",
    "warn_if_unreliable",
    "USE",
    "CLOSE_MEAN",
    "CLOSE_SD",
    "CORRECT",
    "REJECT",
]

# The methods belong to this layer, so the class below does not know of them.
Approximation.diagnose = diagnose
Approximation.expectation = expectation
Approximation.lrvb_cov = lrvb_cov
Approximation.frequentist_se = frequentist_se
#: :class:`DataRead` of the last fit.
Approximation.fitted_to = None
#: Recipe of the draws of a DADVI fit.
Approximation.fixed_draws = None
