"""``fit(method='auto')``: a family by the size of the problem, a verdict, and draws as the verdict recommends."""

import time

from ..correct import HMC
from ..diagnostics import CLOSE_MEAN, CLOSE_SD, CORRECT, REJECT, USE, chains_take_seconds, diagnose
from ..errors import RejectedFitWarning, VariationalInferenceError
from ..model import data_size
from ..validation import warn_user

__all__ = ["choose_method", "judge"]

#: Values up to which a full covariance costs next to nothing, and beyond which it is not tried: its factor has 500,000
#: entries there, each with a gradient.
FEW, MANY = 100, 1000


def choose_method(view, local_rv):
    """Name of the method for a model, and why.

    Parameters
    ----------
    view : ModelView
    local_rv : dict or None
        Amortised variables.

    Returns
    -------
    method, reason : str
    """
    if local_rv:
        return "advi", "amortised variables"
    d, data = view.layout().size, data_size(view)
    entries = d * (d + 1) // 2
    if d <= FEW:
        return "fullrank_advi", f"{d:,} values, whose covariance costs little"
    if d <= MANY and entries <= data:
        return "fullrank_advi", f"{d:,} values, whose covariance costs no more than {data:,} values of data"
    return "advi", f"{d:,} values, whose covariance would have {entries:,} entries"


def _may_be_off(chains):
    """Whether q is farther from the chains than is close, or may well be: within one standard error.

    The verdict on q needs proof that it is off; draws of chains need none, and cost seconds.
    """
    shift, ratio = chains.mean_shift, chains.sd_ratio
    return shift.value + shift.error > CLOSE_MEAN or abs(ratio.value - 1) + ratio.error > CLOSE_SD


def judge(approx, method, reason, progressbar):
    """Diagnose a fit that has ended by itself, note the verdict, and have draws made as it recommends.

    Warns
    -----
    RejectedFitWarning
        When it is not to be used, and why.
    """
    report = approx.report
    report.noted(chosen=f"{method}: {reason}")
    if report.reason != "done":
        return
    begin = time.perf_counter()
    correct = HMC(progressbar=None if progressbar else False) if chains_take_seconds(approx) else "auto"
    try:
        diagnosis = diagnose(approx, correct=correct)
    except VariationalInferenceError as error:
        report.noted(verdict=f"none: {error}")
        warn_user(f"There is no verdict on this fit: {error}", RejectedFitWarning)
        return
    approx.keep_verdict(diagnosis)
    by_chains = diagnosis.chains is not None
    if by_chains and (diagnosis.verdict in (CORRECT, REJECT) or _may_be_off(diagnosis.chains)):
        approx.recommend("hmc")
    elif diagnosis.verdict == CORRECT:
        approx.recommend("psis")
    draws = {"hmc": "of chains", "psis": "weighted", None: "of q"}[approx.recommended]
    if approx.recommended and diagnosis.verdict == USE:
        draws += f" (q may be off by more than {CLOSE_MEAN:g} sd or {100 * CLOSE_SD:.0f} %)"
    report.noted(
        verdict=diagnosis.sentence, draws=f"{draws}, by default", judged_in=f"{time.perf_counter() - begin:.2f} s"
    )
    if diagnosis.verdict == REJECT:
        why = "; ".join(diagnosis.reasons + diagnosis.notes)
        warn_user(f"{diagnosis.sentence} Why: {why}. Try: {'; '.join(diagnosis.advice)}.", RejectedFitWarning)
