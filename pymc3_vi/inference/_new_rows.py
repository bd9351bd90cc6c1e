"""A fit goes on with new rows: what it knows from those before is their prior."""

import time

from ..algorithms import Passes, gaussian_before
from ..diagnostics import changed_data
from ..errors import ParametrizationError, VariationalInferenceError
from ..model import ContinuedView, matched_rows

__all__ = ["refine_with_rows"]

#: Options of a fit, as ``fit`` would have them.
_OPTIONS = dict(
    more_obj_params=None,
    more_replacements=None,
    more_tf_params=None,
    more_updates=None,
    obj_n_mc=1,
    obj_optimizer=None,
    test_optimizer=None,
    tf_n_mc=None,
    total_grad_norm_constraint=None,
    score=True,
    fn_kwargs=None,
    average=None,
    algorithm="passes",
)
#: What a refinement that fails puts back.
_PLACE = ("objective", "state", "planned", "goal", "algorithm", "reason", "_key", "resume_point")


def refine_with_rows(inference, n, data, progressbar=True):
    """Fit an inference that has been fitted to new rows; see ``Approximation.refine``."""
    approx = inference.approx
    approx.view.check_unchanged()
    if approx.view.replaced and approx.report is not None and approx.report.reason in ("interrupted", "saved"):
        raise VariationalInferenceError(
            "The refinement before was interrupted, so that q is on its way between its rows and those before them. "
            "Let it end, by approx.refine() or inference.resume(), and give the next rows after it."
        )
    place = {name: getattr(inference, name) for name in _PLACE}
    view, values, history = approx.view, [p.get_value() for p in approx.params], inference.history.array
    fitted_to, left_rows = approx.fitted_to, approx.left_rows
    with inference.report.recording(n):
        try:
            begin = time.perf_counter()
            approx.look_at(_continued(approx, data))
            approx.left_rows = None
            _prepare(inference)
            inference.report.compiled(begin)
            inference._run(n, [] if place["state"] is None else place["state"].callbacks, True, progressbar)
        except Exception:
            approx.look_at(view)
            for param, value in zip(approx.params, values):
                param.set_value(value)
            vars(inference).update(place)
            inference.history.replace(history)
            approx.hist, approx.fitted_to, approx.left_rows = history, fitted_to, left_rows
            raise


def _prepare(inference):
    op = inference.objective.op
    inference.objective = type(op)(inference.approx, beta=op.beta)(None)
    options, passes = dict(_OPTIONS), Passes()
    named = [options.pop(name) for name in ("algorithm", "score", "fn_kwargs", "average")]
    task = inference._task(options, *named[1:])
    obstacle = passes.obstacle(task)
    if obstacle is not None:
        raise ParametrizationError(
            f"refine(data=...) is made in passes over the new rows, and cannot be made of this model: {obstacle}."
        )
    inference._look_at_model()
    passes.prepare(task)
    passes.aim_at(None)
    inference.algorithm, inference.reason, inference._key = passes, "new rows were given", dict(_OPTIONS)
    inference.goal = inference.resume_point = None


def _continued(approx, data):
    """View of the model with q as the prior of new rows."""
    own = approx.view.own
    seed = int(approx.groups[0].seeds.generator("new rows").integers(2**31))
    rows = matched_rows(own, data, seed)
    prior = gaussian_before(approx, has_rows=approx.left_rows is None and not changed_data(approx))
    return ContinuedView(own, prior, rows, _rows_before(approx, rows))


def _rows_before(approx, rows):
    if approx.view.replaced:
        return [*approx.view.before, len(approx.view.loader)]
    if approx.left_rows is not None:
        return [*approx.left_rows["before"], approx.left_rows["rows"]]
    return [ContinuedView.rows_of(next(iter(rows)))]
