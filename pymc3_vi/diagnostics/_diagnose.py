"""``approx.diagnose()``: what a fit is worth, measured and said in plain words."""

import copy
import html

import numpy as np

from ..approximations import MeanFieldGroup
from ..approximations.gaussian import GaussianBlocks
from ..compiler import with_small_algebra
from ..core import find_correction
from ..errors import ExplicitInferenceError, VariationalInferenceError
from ..html_tables import html_table
from ..model import Constrained
from ..parameters import checked
from ..validation import require
from ._against_chains import ChainCheck, Question, judge_by_chains, own_moments
from ._convergence import loss_trend
from ._cost import affordable_steps, chains_take_seconds
from ._judged_draws import first_draws, without_doubt
from ._moments import coordinate_labels
from ._particles import check_particles
from ._row_values import rows_on_workers
from ._verdict import CORRECT, REJECT, USE, judge_density, judge_particles

__all__ = ["Diagnosis", "diagnose"]

#: Draws of chains that judge, and chains that nobody asked for: a quarter of those that make draws decide as well and
#: take half the time, for tuning is most of it.
CHAIN_DRAWS, FEWER_CHAINS = 1000, 64
#: Draws that are worth asking for where the verdict is in doubt.
MANY_DRAWS = 100_000


class Diagnosis:
    """Report on a fit; ``print`` it, or show it in a notebook.

    Attributes
    ----------
    verdict : {'use', 'correct', 'reject'}
        Use the draws as they are, use corrected draws (of chains or weighted: the sentence says which), or do not use
        them.
    sentence : str
        The verdict in words.
    reasons, advice, notes : list of str
        The facts that led to it, what to try (most promising first), and what limits the judgement.
    usable : bool
        Whether the fit can be used, corrected or not.
    draws, d : int
        Draws looked at and dimensions.
    khat, khat_error, threshold : float
        Shape of the tail of the importance weights, its standard error, and the largest with which they can be relied
        on.
    ess : float
        Effective number of importance-weighted draws.
    largest_weight : float
        Largest normalised weight of a draw.
    harmless : bool
        Whether weighting is shown to change nothing: nearly equal weights, and no mean or sd moves noticeably.  What
        k-hat says then does not matter.
    reliable : bool
        Whether weighted averages can be relied on: k-hat is below its threshold, or the weights are harmless.
    elbo, elbo_error : float
        Evidence lower bound and its Monte Carlo error.
    log_z, log_z_error : float
        Importance estimate of the log evidence, and its error (too small when k-hat is large).
    mean_shift, sd_ratio : Extreme
        ``name, value, error`` of the coordinate whose mean or sd the correction changes most.
    chains : ChainCheck or None
        Comparison with corrected draws; None where ``diagnose`` went by weights alone.
    nested_rhat, log_evidence, log_evidence_error : float or None
        Of the corrected draws: the largest nested R-hat, and the log evidence by bridge sampling with its error.
    trend : LossTrend or None
        End of the loss history.
    ended : str or None
        Why the last fit ended, in words; None before the first.
    particles : ParticleCheck or None
        For approximations made of particles, which have none of the fields from `khat` to `sd_ratio` (None).
    log_weights : ndarray (draws,) or None
        Raw log importance weights, for plots.
    """

    khat = khat_error = threshold = ess = elbo = elbo_error = log_z = log_z_error = mean_shift = sd_ratio = None
    chains = particles = log_weights = largest_weight = harmless = reliable = None
    undefined = 0

    def __init__(self, approx, draws):
        self.approximation = approx.title
        self.draws = draws
        self.d = int(approx.ddim)
        self.labels = coordinate_labels(approx)
        self.family = type(approx.groups[0]).__name__ if len(approx.groups) == 1 else None
        #: Whether ``approx.lrvb_cov()`` mends the standard deviations that this family gets wrong.
        self.has_linear_response = all(_is_plain_mean_field(group) for group in approx.groups)
        self.trend = loss_trend(approx.hist)
        self.ended = None if approx.report is None else approx.report.message
        self.notes = []
        if approx.report is not None and approx.report.reason in ("interrupted", "failed"):
            self.notes.append(f"the last fit did not end by itself: {self.ended}")

    nested_rhat = property(lambda self: None if self.chains is None else self.chains.nested_rhat)
    log_evidence = property(lambda self: None if self.chains is None else self.chains.log_evidence)
    log_evidence_error = property(lambda self: None if self.chains is None else self.chains.log_evidence_error)

    @property
    def usable(self):
        """Whether the fit can be used, corrected or not."""
        return self.verdict != REJECT

    def _conclude(self, verdict):
        self.verdict, self.sentence = verdict.name, verdict.sentence
        self.reasons, self.advice = verdict.reasons, verdict.advice
        if self.trend is None:
            self.notes.append("the loss history is too short (or absent) to tell whether the fit has converged")
        elif self.trend.falling and self.verdict == USE:
            self.notes.append("the loss was still falling; more steps make the approximation better yet")

    # ------------------------------------------------------------------------------------------------ printing
    def rows(self):
        """Pairs of label and value, as they are printed."""
        if self.particles is not None:
            check = self.particles
            rows = [("particles", f"{check.n:,} in {check.d} dimensions")]
            rows.append(("Stein discrepancy", f"{check.ksd:.3g}, squared {check.ksd_ratio:.2f} x that of iid draws"))
            rows.append(("variance / posterior's", _range(check.variance_ratios)))
            rows.append(("mean offset", f"{check.offsets.max():.2f} posterior sd at most"))
        else:
            rows = [("draws", f"{self.draws:,} in {self.d} dimensions")]
            error = f" +- {self.khat_error:.2f}" if self.khat_error else ""
            rows.append(("k-hat", f"{self.khat:.2f}{error} (usable below {self.threshold:.2f})"))
            rows.append(("effective draws", f"{self.ess:,.0f} ({100 * self.ess / self.draws:.0f} %)"))
            rows.append(("ELBO", f"{self.elbo:.3f} +- {self.elbo_error:.3f}"))
            rows.append(("log evidence", f"{self.log_z:.3f} +- {self.log_z_error:.3f}"))
            shift, ratio = self.mean_shift, self.sd_ratio
            rows.append(("largest mean shift", f"{shift.value:.2f} +- {shift.error:.2f} sd ({shift.name})"))
            rows.append(("sd / corrected sd", f"{ratio.value:.2f} +- {ratio.error:.2f} ({ratio.name})"))
        if self.chains is not None:
            rows += self.chains.rows()
        if self.ended is not None:
            rows.append(("fit", self.ended))
        if self.trend is not None:
            t = self.trend
            state = "still falling" if t.falling else "rising" if t.rising else "steady"
            rows.append((f"loss, last {t.window:,} steps", f"{state} ({t.change:+.3f} +- {t.change_error:.3f})"))
        return rows

    def __str__(self):
        rows = self.rows()
        width = max(len(label) for label, _ in rows)
        lines = [f"{self.sentence}  [{self.approximation}]"]
        lines += [f"  {label:<{width}}  {value}" for label, value in rows]
        for title, items in (("Why", self.reasons), ("Try", self.advice), ("Note", self.notes)):
            lines += [f"{title}: {item}" if i == 0 else f"{' ' * len(title)}  {item}" for i, item in enumerate(items)]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self):
        def listed(title, items):
            return f"<p>{title}:</p><ul>{''.join(f'<li>{html.escape(i)}</li>' for i in items)}</ul>" if items else ""

        return (
            f"<div><strong>{html.escape(self.sentence)}</strong> <code>{html.escape(self.approximation)}</code>"
            f"{html_table(self.rows())}{listed('Why', self.reasons)}{listed('Try', self.advice)}"
            f"{listed('Note', self.notes)}</div>"
        )


def _is_plain_mean_field(group):
    return isinstance(group, MeanFieldGroup) and GaussianBlocks.fits(group)


def _range(values):
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{np.mean(values):.2f} on average, {np.min(values):.2f} to {np.max(values):.2f}"


@checked
@with_small_algebra
def diagnose(approx, draws=None, random_seed=None, correct="auto", client=None):
    r"""Measure how well the approximation represents the posterior, and say what to do with it.

    For approximations with a density, q is compared with chains that begin at it, where log p is cheap enough for these
    to take seconds.  Elsewhere draws from q are weighted by p / q, and the tail of the weights (k-hat) tells whether
    weighting can make up for what q misses.  Particles are judged by Stein's identity, which needs only gradients of
    log p.  Minibatches are replaced by the whole data.

    Parameters
    ----------
    draws : int, optional
        Number of draws from q, at least 100; without use for particles.  Default: 4,000, and 40,000 where the verdict
        is by weights and these leave it in doubt; fewer where the data are so many that they would take more than
        seconds.  A number given is exceeded only where k-hat is above its limit but seems harmless: 40,000 draws then
        make sure.
    random_seed : int, optional
    correct : {'auto', 'hmc', None} or correction
        With 'hmc' (or :class:`pymc3_vi.HMC`), chains that begin at q are the truth that q is compared with, and the log
        evidence comes from bridge sampling; where they have not converged, the verdict is that by the weights, and
        never better than 'correct'.  'auto', the default, does the same with 64 chains instead of 256 where it takes
        seconds (log p of some 10,000 rows, or a Gaussian process of 60), for at most 1,000 steps or until q is
        shown to be wrong, and judges by weights elsewhere, as None does everywhere.
    client : dask.distributed.Client or concurrent.futures.Executor, optional
        Whose workers read the rows of a ``DataLoader`` or ``pm.Minibatch``, as in ``fit(client=...)``.

    Returns
    -------
    Diagnosis

    Raises
    ------
    ExplicitInferenceError
        If only a part of the approximation is made of particles.
    OtherDataError
        If the model's data have changed since the fit (``pm.set_data``).
    ParametrizationError
        If there is a client, and the model's likelihood is no sum over many rows.

    Notes
    -----
    k-hat is compared with min(1 - 1 / log10(S), 0.7).  It knows no scale: with nearly equal weights it describes noise,
    and few draws from a good approximation often have a large one.  So a large k-hat does not count where at least 70 %
    of the draws are effective, none has more than ten times the mean weight, and every mean and standard deviation is
    shown to change by less than 0.1 posterior sd and 10 % under the weights.  k-hat judges the joint: in many
    dimensions it is pessimistic about single marginals (Dhaka et al. 2021), and the report says so.

    ``sample(correct='psis')`` and what else weights draws go by the last k-hat on the same parameters, and tables show
    the last verdict by chains.
    How often verdicts are right is in the documentation, page *Verdicts*.

    References
    ----------
    Yao, Vehtari, Simpson, Gelman: Yes, but Did It Work? Evaluating Variational Inference, ICML 2018, section 3.
    Vehtari et al.: Pareto Smoothed Importance Sampling, JMLR 25(72), 2024.  Dhaka et al.: Challenges and Opportunities
    in High-dimensional Variational Inference, NeurIPS 2021.  Ba et al.: Understanding the Variance Collapse of SVGD in
    High Dimensions, ICLR 2022.
    """
    report = Diagnosis(approx, draws)
    if approx.all_histograms:
        report.particles = check_particles(approx)
        report._conclude(judge_particles(report))
        return report
    if not approx.has_logq:
        raise ExplicitInferenceError(
            f"{report.approximation} mixes particles with densities, for which there is no diagnosis. "
            "Put all variables into one kind of group."
        )
    generator = approx.generator(random_seed)
    with rows_on_workers(approx, client):
        found = first_draws(approx, generator, draws)
    if correct:
        report.chains = _look_at_chains(approx, report, found.source, correct, random_seed)
    by_chains = report.chains is not None and report.chains.decides
    if not by_chains:
        with rows_on_workers(approx, client):
            found = without_doubt(found, generator, draws)
    # Where weights do not decide, more draws for a judgement on them wait until somebody uses them.
    reliable = found.reliable if by_chains and found.doubtful else found.judge().reliable
    source, weights = found.source, found.weights
    differences = source.logp - source.logq
    report.draws = found.draws
    report.khat, report.khat_error, report.threshold = weights.khat, weights.khat_error, weights.threshold
    report.ess, report.largest_weight = weights.ess, float(weights.weights.max())
    report.harmless, report.reliable = found.harmless, reliable
    report.elbo, report.elbo_error = float(differences.mean()), float(differences.std(ddof=1) / np.sqrt(found.draws))
    report.log_z, report.log_z_error = weights.log_z, weights.log_z_error
    report.mean_shift, report.sd_ratio = found.changes.mean_shift, found.changes.sd_ratio
    report.undefined = source.undefined
    report.log_weights = weights.raw
    if source.streamed:
        report.notes.append("data come from a generator: log p is that of the last batch, scaled, not of all data")
    verdict = judge_by_chains(report) if by_chains else judge_density(report)
    if report.chains is not None and not by_chains and verdict.name == USE:
        verdict = verdict._replace(
            name=CORRECT, sentence="Use it with care: what would prove it right did not converge."
        )
    if found.draws < MANY_DRAWS and found.doubtful and not by_chains:
        close = abs(report.khat - report.threshold) < 2 * report.khat_error
        trait = "is close to its limit for" if close else "is no sure guide with"
        report.notes.append(
            f"k-hat {trait} {found.draws:,} draws; approx.diagnose(draws={MANY_DRAWS:_}) tells more surely"
        )
    report._conclude(verdict)
    if report.chains is not None:
        approx.keep_verdict(report)
    return report


def _bounded(approx, own):
    """Corrected draws by chains that end after some seconds, after the same steps on every machine.

    And sooner where they show that the moments `own` of q are not theirs.
    """
    correction = copy.copy(find_correction("hmc", "diagnose"))
    correction.chains, correction.most_steps = FEWER_CHAINS, affordable_steps(approx)
    correction.question = Question(own)
    return correction


def _look_at_chains(approx, report, source, correct, random_seed):
    """:class:`ChainCheck` of the draws against chains; None where there are none, with a note on why."""
    unasked = correct == "auto"
    if unasked and not chains_take_seconds(approx):
        report.notes.append(
            "correcting the draws would take long, so the verdict is by importance weights; correct='hmc' does it"
        )
        return None
    z = np.concatenate([np.asarray(part, dtype="float64") for _, part in source.chunks()])
    own = own_moments(approx, z)
    try:
        return _check(approx, report, z, own, _bounded(approx, own) if unasked else correct, random_seed)
    except VariationalInferenceError as error:
        if not unasked:
            raise
        report.notes.append(f"the verdict is by importance weights, for there are no corrected draws: {error}")
        return None


def _check(approx, report, z, own, correct, random_seed):
    """:class:`ChainCheck` of the draws `z` (s, d) and the moments `own` of q, by chains that `correct` makes."""
    generator = approx.generator(random_seed)
    points = find_correction(correct, "diagnose")(approx, CHAIN_DRAWS, generator)
    require(hasattr(points, "run"), ValueError, "correct", "diagnose", "None, 'auto', 'hmc' or an HMC", correct)
    evidence, constrained = points.evidence(approx, generator), Constrained(approx.model, approx.ordering)
    check = ChainCheck(points, z, own, evidence, constrained)
    report.notes += points.words()
    if not check.decides:
        report.notes += [f"the chains have not converged: {complaint}" for complaint in check.complaints]
    return check
