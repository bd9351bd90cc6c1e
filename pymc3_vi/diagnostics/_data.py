"""Whether the model still has the data that an approximation was fitted to."""

from ..errors import OtherDataError

__all__ = ["changed_data", "check_data"]


def changed_data(approx):
    """Data that have changed since the fit, in words; empty when none have, or nothing was fitted."""
    return [] if approx.fitted_to is None else approx.fitted_to.changes()


def check_data(approx):
    """Raise OtherDataError if data have changed since the fit: log p would be that of another posterior."""
    changes = changed_data(approx)
    if changes:
        raise OtherDataError(
            f"The model's data are not those of the fit: {', '.join(changes)} changed since (pm.set_data, set_value). "
            "A fit can be judged and corrected only on its own data: put them back, or fit again. To predict by q: "
            "approx.to_inference_data(posterior_predictive=True, correct=False), approx.sample_node(expression) or "
            "pm.sample_posterior_predictive(approx.sample(correct=False), model=model). To predict by corrected draws, "
            "take these before the data change: trace = approx.sample(correct='hmc')."
        )
