"""Linear response: how the means of q answer to the posterior, which gives covariances that the family cannot hold."""

import numpy as np
import theano
import theano.tensor as tt

from ..approximations.gaussian import GaussianBlocks
from ..compiler import compile_function, with_small_algebra, without_test_values
from ..errors import ConvergenceWarning, ParametrizationError, VariationalInferenceError
from ..parameters import checked
from ..validation import warn_user
from ._data import check_data
from ._density import point_density
from ._fixed_draws import REPLICATES, FixedDrawELBO, FixedDraws
from ._moments import coordinate_labels

__all__ = ["lrvb_cov", "frequentist_se", "gaussian_blocks", "replicate_errors"]

#: Draws of a linear response when the fit has none of its own.
DEFAULT_DRAWS = 1024
#: Most parameters for which the Hessian is formed; with `LARGEST_FULL`, for the covariance of all means.
LARGEST_DENSE, LARGEST_FULL = 1000, 5000
#: Posterior standard deviations by which means may be away from the optimum without a warning.
DRIFT = 0.2


def gaussian_blocks(approx, caller):
    """:class:`GaussianBlocks` of an approximation that is made of plain Gaussian groups; else ParametrizationError."""
    for group in approx.groups:
        if not GaussianBlocks.fits(group):
            raise ParametrizationError(
                f"{caller} needs mean-field or full-rank groups with parameters of their own. Got {group} for the "
                f"variable {group.group[0].name!r}; use Group(..., vfam='mean_field') or vfam='full_rank'."
            )
    return GaussianBlocks(approx.groups)


@checked
@with_small_algebra
def lrvb_cov(approx, of=None, n_draws=None, solver="auto", random_seed=None):
    r"""Linear-response covariance of a fitted Gaussian approximation.

    .. math:: \Sigma_{LR} = J \, H^{-1} J^\top

    with H the Hessian of the negative ELBO in all parameters of q, for fixed draws, and J the Jacobian of the
    expectations asked for.  It is the derivative of the fitted expectations when the log density is tilted by the
    quantities themselves, and the exact posterior covariance for a Gaussian posterior, mean field or not.

    Parameters
    ----------
    of : variable, expression or name, or list of them, optional
        Quantities whose covariance is wanted, e.g. ``[model["tau"], "mu"]``; flattened, side by side.
        Default: all free variables on the unconstrained scale, in the order of ``approx.mean``.
    n_draws : int, optional
        Number of draws.  Default: those of the DADVI fit, else 1,024.
    solver : {'auto', 'dense', 'cg'}
        Whether H is formed and factorized, or only multiplied with (conjugate gradients).
    random_seed : int, optional
        Seed of draws that are not those of the fit; default: the approximation's own stream.

    Returns
    -------
    ndarray (k, k)
        (d, d) by default.

    Raises
    ------
    HessianError
        If H is not positive definite: the parameters are no optimum.
    ParametrizationError
        For groups that are not plain Gaussians.

    Warns
    -----
    ConvergenceWarning
        If the optimum is more than 0.2 standard deviations away.

    References
    ----------
    Giordano, Broderick, Jordan: Covariances, robustness, and variational Bayes, JMLR 19(51), 2018, section 3.
    Giordano, Ingram, Broderick: Black box variational inference with a deterministic objective, JMLR 25(18), 2024,
    section 4.
    """
    blocks = gaussian_blocks(approx, "lrvb_cov")
    draws = approx.fixed_draws
    if n_draws is not None or draws is None:
        wanted = DEFAULT_DRAWS if n_draws is None else n_draws
        seed = int(approx.generator(random_seed).integers(2**31))
        draws = FixedDraws("sobol", 2 * REPLICATES * -(-wanted // (2 * REPLICATES)), seed)
    check_data(approx)
    elbo, x = _at_solution(approx, blocks, draws)
    jacobian = _identity_jacobian(elbo) if of is None else _jacobian(approx, elbo, x, of)
    dense = elbo.size <= (LARGEST_FULL if of is None else LARGEST_DENSE) if solver == "auto" else solver == "dense"
    slope = elbo(x)[1]
    solved = elbo.solve(x, np.concatenate([jacobian, -slope[None]]), dense)
    _warn_if_away(approx, elbo, solved[-1])
    cov = solved[:-1].dot(jacobian.T)
    return 0.5 * (cov + cov.T)


@checked
@with_small_algebra
def frequentist_se(approx):
    r"""Standard errors of the means of a DADVI fit that come from its finite number of draws.

    The draws are :math:`K = 8` independent replicates; with :math:`g_k` the gradient of the k-th at the optimum,

    .. math:: se^2 = \frac1{K (K - 1)} \sum_k (J H^{-1} g_k)^2

    Returns
    -------
    ndarray (d,)
        On the unconstrained scale, in the order of ``approx.mean``.  As estimates from 8 replicates they have a
        relative error of their own of about a quarter.

    Raises
    ------
    VariationalInferenceError
        If the approximation was not fitted by DADVI.
    HessianError
        If the parameters are no optimum.

    References
    ----------
    Giordano, Ingram, Broderick: Black box variational inference with a deterministic objective, JMLR 25(18), 2024,
    section 5.
    """
    blocks = gaussian_blocks(approx, "frequentist_se")
    if approx.fixed_draws is None:
        raise VariationalInferenceError(
            f"frequentist_se needs the fixed draws of a DADVI fit, which {approx.title} does not have. "
            "Fit with method='dadvi'."
        )
    elbo, x = _at_solution(approx, blocks, approx.fixed_draws)
    dense = elbo.size <= LARGEST_DENSE
    slope = elbo(x)[1]
    _warn_if_away(approx, elbo, elbo.solve(x, -slope[None], dense)[0])
    return replicate_errors(elbo, x, dense)


def replicate_errors(elbo, x, dense, tolerance=1e-3):
    """Standard errors (d,) of the means at the optimum `x` of a :class:`FixedDrawELBO`."""
    slopes = elbo.replicate_slopes(x)
    moves = elbo.means(elbo.solve(x, slopes - slopes.mean(axis=0), dense, tolerance))
    return np.sqrt(np.sum(moves**2, axis=0) / (REPLICATES * (REPLICATES - 1)))


def _at_solution(approx, blocks, draws):
    """:class:`FixedDrawELBO` around the approximation's parameters, and their coordinates."""
    mu, scale = blocks.read()
    elbo = FixedDrawELBO(point_density(approx), blocks, draws, mu, scale)
    return elbo, elbo.chart.origin()


def _warn_if_away(approx, elbo, step):
    away = np.abs(elbo.means(step[None])[0]) / elbo.widths
    worst = int(np.argmax(away))
    if away[worst] > DRIFT:
        warn_user(
            f"The fit has not converged: the mean of {coordinate_labels(approx)[worst]} is about {away[worst]:.2g} "
            "standard deviations away from its optimum, and the linear response is that of another place. Fit on, or "
            "use method='dadvi'.",
            ConvergenceWarning,
        )


# -------------------------------------------------------------------- Jacobians in the chart's coordinates
def _identity_jacobian(elbo):
    d, root = elbo.blocks.d, elbo.chart.root
    jacobian = np.zeros((d, elbo.size))
    jacobian[:, :d] = np.diag(root) if root.ndim == 1 else root
    return jacobian


def _jacobian(approx, elbo, x, of):
    """Derivatives (k, size) of the expectations of the quantities `of`."""
    parts = of if isinstance(of, (list, tuple)) else [of]
    gradients = _slope_function(approx, approx.view.nodes(parts, "of", "lrvb_cov", closed=True))
    mu, scale = elbo.chart.place(x)
    z = mu + elbo.blocks.stretch(elbo.eps, scale)
    empty = elbo.chart.slope(x, elbo.eps, np.zeros_like(z), control=False)
    rows = [empty - elbo.chart.slope(x, elbo.eps, grad, control=False) for grad in gradients(z)]
    return np.array(rows)


@without_test_values
def _slope_function(approx, nodes):
    """Generator function z -> gradients (s, d) of each element of `nodes` at the draws."""
    density = point_density(approx)
    points = [tt.matrix(dtype=theano.config.floatX) for _ in approx.groups]
    values = [
        tt.flatten(v, 2) if v.ndim > 1 else v.dimshuffle(0, "x")
        for v in approx.evaluate([tt.cast(n, theano.config.floatX) for n in nodes], points, batched=True)
    ]
    joined = values[0] if len(values) == 1 else tt.concatenate(values, axis=1)
    weights = tt.vector(dtype=theano.config.floatX)
    slopes = tt.grad(tt.sum(tt.dot(joined, weights)), points, disconnected_inputs="ignore")
    function = compile_function(points + [weights], slopes, name="slopes of expectations")
    count = compile_function(points, joined.shape[1], name="number of expectations")

    def gradients(z):
        inputs = density.split(z)
        for unit in np.eye(int(count(*[part[:1] for part in inputs])), dtype=theano.config.floatX):
            yield density.join(function(*inputs, unit))

    return gradients
