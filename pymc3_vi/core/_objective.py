"""Objective function: from an operator to the updates of one step."""

from collections import OrderedDict, namedtuple

import numpy as np
import theano
import theano.tensor as tt

from ..compiler import compile_function, with_linear_algebra_in_c, without_test_values
from ..errors import ParametrizationError
from ..graph import StepNoise, substitute
from ..parameters import checked
from ..steps import Step, StepGraph
from ..updates import adam, check_updates, get_or_compute_grads, total_norm_constraint
from ..validation import warn_user

__all__ = ["ObjectiveFunction", "ObjectiveUpdates"]

_OPTION_DEFAULTS = OrderedDict(
    obj_n_mc=1,
    tf_n_mc=None,
    obj_optimizer=adam,
    test_optimizer=adam,
    more_obj_params=None,
    more_tf_params=None,
    more_updates=None,
    more_replacements=None,
    total_grad_norm_constraint=None,
)


def _once(params):
    """Each parameter once: an encoder's output may itself be a shared variable that is also in ``more_obj_params``."""
    return list(dict.fromkeys(params))


class ObjectiveUpdates(OrderedDict):
    """Updates of one step; ``.loss`` is the scalar loss or None."""

    loss = None


class StepOptions(namedtuple("StepOptions", _OPTION_DEFAULTS)):  # type: ignore[misc]  # names, not a literal
    """Options of one step, complete and checked."""

    __slots__ = ()

    @classmethod
    def create(cls, **given):
        options = dict(_OPTION_DEFAULTS)
        options.update({k: v for k, v in given.items() if v is not None or options[k] is None})
        for name in ("more_obj_params", "more_tf_params"):
            options[name] = list(options[name] or [])
            for value in options[name]:
                if not isinstance(value, theano.compile.SharedVariable):
                    raise ParametrizationError(
                        f"The {name!r} parameter must be a list of shared variables. Got the item {value!r}."
                    )
        options["more_updates"] = OrderedDict(options["more_updates"] or {})
        options["more_replacements"] = OrderedDict(options["more_replacements"] or {})
        return cls(**options)


class ObjectiveFunction:
    """Loss and updates of an operator with a test function.

    Parameters
    ----------
    op : Operator
    tf : TestFunction
    """

    @checked
    def __init__(self, op, tf):
        self.op = op
        self.tf = tf
        self._start_checked = False

    @property
    def approx(self):
        """The approximation that is fitted."""
        return self.op.approx

    @property
    def obj_params(self):
        """Trainable parameters of the approximation."""
        return self.approx.params

    @property
    def test_params(self):
        """Trainable parameters of the test function."""
        return self.tf.params

    # ---------------------------------------------------------------- the step that fits run
    def check_start(self):
        """See :meth:`Approximation.check_start`; looked at once."""
        if not self._start_checked:
            self.approx.check_start()
            self._start_checked = True

    @checked
    @without_test_values
    def build_step(self, score=True, **options):
        """Graph of one optimization step on block noise.

        Parameters
        ----------
        score : bool
            Whether the step computes its loss.
        **options
            As for :meth:`updates`.

        Returns
        -------
        StepGraph
        """
        options = StepOptions.create(**options)
        self.check_start()
        noise = StepNoise(balanced=getattr(options.obj_optimizer, "balanced_noise", False))
        schedules = []
        updates = OrderedDict()
        if self.test_params or options.more_tf_params:
            params = _once(self.test_params + options.more_tf_params)
            terms, gradient_terms = self.draw_terms(noise, options.tf_n_mc, schedules, options.more_replacements)
            _, grads = self.loss_and_gradients(terms, gradient_terms, params, options.more_replacements, sign=-1)
            updates.update(self._apply_optimizer("test_optimizer", grads, params, options, schedules))
        params = _once(self.obj_params + options.more_obj_params)
        terms, gradient_terms = self.draw_terms(noise, options.obj_n_mc, schedules, options.more_replacements)
        loss, grads = self.loss_and_gradients(terms, gradient_terms, params, options.more_replacements)
        updates.update(self._apply_optimizer("obj_optimizer", grads, params, options, schedules))
        trained = set(_once(self.test_params + options.more_tf_params + params))
        state = [v for v in updates if v not in trained]
        updates.update(options.more_updates)
        left_out = self._counted(terms, updates)
        if not (score and self.op.returns_loss):
            loss = None
        rows = noise.allocate()
        keys = list(updates)
        nodes = substitute([updates[k] for k in keys] + ([] if loss is None else [loss]), rows)
        updates = OrderedDict(zip(keys, nodes))
        loss = None if loss is None else nodes[-1]
        return StepGraph(loss, updates, params, noise, schedules, state, left_out)

    def _counted(self, terms, updates):
        """Shared counter of the draws that steps leave out by themselves, added to `updates`; None where none are."""
        count = self.draws_left_out(terms)
        if count is None:
            return None
        counter = theano.shared(np.int64(0), "left_out")
        updates[counter] = counter + tt.cast(count, "int64")
        return counter

    def draws_left_out(self, terms):
        """Number of draws that :meth:`loss_and_gradients` leaves out, as a graph; None where it leaves out none."""

    def draw_terms(self, noise, n_mc, schedules, more_replacements=None):
        """Terms for the loss and for its gradient at fresh draws; see :meth:`Approximation.draw_terms`."""
        return self.approx.draw_terms(noise, n_mc, schedules, more_replacements=more_replacements)

    def loss_and_gradients(self, terms, gradient_terms, params, more_replacements, sign=1):
        """Loss and its gradients with respect to `params`.

        Parameters
        ----------
        terms, gradient_terms : Terms
            For the value of the loss, and for its gradient (they differ when the score term is rescaled).
        sign : {1, -1}
            -1 maximises, as test functions do.
        """
        loss = self._loss(terms, more_replacements)
        target = loss if gradient_terms is terms else self._loss(gradient_terms, more_replacements)
        loss, target = with_linear_algebra_in_c([loss, target])
        return loss, tt.grad(sign * target if sign != 1 else target, params, disconnected_inputs="warn")

    def _loss(self, terms, more_replacements):
        op = self.op.with_terms(terms)
        return substitute(op.T(op.apply(self.tf)), more_replacements)

    @staticmethod
    def _apply_optimizer(name, grads, params, options, schedules):
        optimizer = getattr(options, name)
        if options.total_grad_norm_constraint is not None:
            grads = total_norm_constraint(grads, options.total_grad_norm_constraint)
        updates = check_updates(optimizer(grads, params), params, optimizer, name)
        schedules.extend(getattr(updates, "schedules", ()))
        return updates

    @checked
    def step_function(self, score=False, fn_kwargs=None, **options):
        """Compiled step: call it to run one step; it returns the loss when `score` is True.

        Raises
        ------
        NotImplementedError
            If a score is asked for and the operator has no loss.
        """
        if score and not self.op.returns_loss:
            raise NotImplementedError(f"{self.op} has no loss; use score=False.")
        return Step(self.build_step(score=score, **options), fn_kwargs=fn_kwargs)

    # ---------------------------------------------------------------- the symbolic interface
    @checked
    @without_test_values
    def updates(self, **options):
        """Updates of one step as a Theano graph with symbolic random noise, for use in functions of one's own.

        Parameters
        ----------
        obj_n_mc, tf_n_mc : int
            Number of Monte Carlo draws for the objective's and the test function's gradients.
        obj_optimizer, test_optimizer : callable
            ``(loss_or_grads, params) -> updates``.
        more_obj_params, more_tf_params : list of shared variables
            Further parameters to train.
        more_updates : dict
            Further updates.
        more_replacements : dict
            Replacements in the graph before gradients are taken.
        total_grad_norm_constraint : float
            Largest allowed norm of the whole gradient.

        Returns
        -------
        ObjectiveUpdates
        """
        options = StepOptions.create(**options)
        result = ObjectiveUpdates()
        if self.test_params:
            params = _once(self.test_params + options.more_tf_params)
            target = self(options.tf_n_mc, more_tf_params=options.more_tf_params, **self._replacements(options))
            grads = get_or_compute_grads(target, params)
            result.update(self._apply_optimizer("test_optimizer", grads, params, options, []))
        elif options.tf_n_mc is not None or options.more_tf_params:
            warn_user(f"'tf_n_mc' and 'more_tf_params' are ignored: {self.op} has no test function to train.")
        params = _once(self.obj_params + options.more_obj_params)
        target = self(options.obj_n_mc, more_obj_params=options.more_obj_params, **self._replacements(options))
        grads = get_or_compute_grads(target, params)
        result.update(self._apply_optimizer("obj_optimizer", grads, params, options, []))
        result.update(options.more_updates)
        if self.op.returns_loss:
            result.loss = target
        return result

    @staticmethod
    def _replacements(options):
        return {"more_replacements": options.more_replacements}

    @checked
    @without_test_values
    def score_function(self, sc_n_mc=None, more_replacements=None, fn_kwargs=None):
        """Compiled function without arguments that returns a fresh Monte Carlo estimate of the loss.

        Parameters
        ----------
        sc_n_mc : int, optional
            Number of draws, default 1.
        """
        if not self.op.returns_loss:
            raise NotImplementedError(f"{self.op} has no loss to score.")
        return compile_function([], self(sc_n_mc, more_replacements=more_replacements), **dict(fn_kwargs or {}))

    @without_test_values
    def __call__(self, nmc, **kwargs):
        """Loss for `nmc` draws as a graph with symbolic noise; negated for a test function's parameters."""
        node = self.op.T(self.op.apply(self.tf))
        node = self.approx.set_size_and_deterministic(node, nmc, 0, kwargs.get("more_replacements"))
        return -node if "more_tf_params" in kwargs else node
