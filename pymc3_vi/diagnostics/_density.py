"""log p at given points: values, gradients and Hessian products of many points in one compiled call."""

import contextlib
import math
import weakref

import numpy as np
import theano
import theano.tensor as tt

from ..compiler import (
    compile_function,
    memory_kept,
    one_thread,
    process_value,
    thread_count,
    users_ops,
    with_linear_algebra_in_c,
    without_test_values,
)
from ..compiler.vectorize import CACHE_BUDGET_BYTES, FEWEST_ROWS, bytes_per_row, has_shared_products
from ..errors import ParametrizationError
from ..graph import floatx, made_once, shared_inputs, substitute, value_property
from ..model import full_data, is_streamed
from ..workers import ForkedHelp
from ._gradients import gradients_explained
from ._point_loop import PointLoop
from ._undefined import where_defined

__all__ = ["PointDensity", "point_density"]

#: Bytes that the temporaries of one compiled call may take.
CALL_BUDGET = 128 * 1024 * 1024
#: The same of points that are evaluated one by one, and take no time to speak of together.
AHEAD_BYTES = 64 * 1024 * 1024


class PointDensity:
    r"""Evaluates :math:`\log p`, :math:`\nabla \log p` and :math:`\nabla^2 \log p \, v` at points z (s, d).

    Points are flat on the unconstrained scale, group after group, and the whole data stand in for minibatches.
    Points of a call are one batched graph, or go through a compiled loop where few fit into the processor's cache
    (:class:`PointLoop`); more points than fit into memory are evaluated in several calls.
    Hessian products are gradients of directional derivatives and are compiled when they are first asked for.

    Parameters
    ----------
    approx : Approximation
    mode : Mode, optional
        Of Theano; for a short look, Python thunks spare the compiler.
    fn_kwargs : dict, optional
        For the compiled functions, e.g. ``{"profile": True}``.
    data : dict, optional
        What stands in for minibatches; default is the whole data.
    beta : float
        Weight of the prior.
    replacements : dict, optional
        What else is replaced in the model's graphs.

    Attributes
    ----------
    evaluations, products : int
        Points evaluated and Hessian products made so far.

    Raises
    ------
    ParametrizationError
        For amortised or rowwise groups, and for data that come from a generator where `data` says nothing of them.
    """

    def __init__(self, approx, mode=None, fn_kwargs=None, data=None, beta=1.0, replacements=None):
        batched = [g for g in approx.groups if g.batched]
        if batched:
            raise ParametrizationError(
                f"Fixed draws need groups without a row axis. Got {batched[0]} for the variable "
                f"{batched[0].group[0].name!r}; use a plain mean-field or full-rank group, or ADVI."
            )
        if data is None and is_streamed(approx.view):
            raise ParametrizationError(
                "Fixed draws need all data at once, but the model reads some from a Python generator. "
                "Give the model the whole data (or a pm.Minibatch of them), or use ADVI."
            )
        self.approx, self.mode, self.fn_kwargs = approx, mode, dict(fn_kwargs or {})
        self._data = full_data(approx.view) if data is None else data
        self._beta, self._replacements = beta, replacements
        self.evaluations = self.products = 0
        ends = np.cumsum([g.ddim for g in approx.groups])
        self.slices = [slice(int(end) - g.ddim, int(end)) for g, end in zip(approx.groups, ends)]
        self.d = int(ends[-1])
        self._functions, self._help = {}, _no_help

    # ---------------------------------------------------------------- compiled parts
    @without_test_values
    def _placeholders(self, name):
        return [tt.matrix(f"{name}_{i}", dtype=theano.config.floatX) for i in range(len(self.slices))]

    def _values_and_slopes(self, points):
        (logp,) = with_linear_algebra_in_c([self._logp(points)])
        return logp, tt.grad(tt.sum(logp), points, disconnected_inputs="ignore")

    def _terms(self):
        prior, data = self.approx.view.logp()
        prior = prior if self._beta == 1 else floatx(self._beta) * prior
        return substitute(substitute([prior, data], self._data), self._replacements)

    def _logp(self, points):
        return tt.add(*self.approx.evaluate(self._terms(), points, batched=True))

    def _function(self, what):
        if what not in self._functions:
            with gradients_explained(self.approx.view, 2 if what == "products" else 1):
                self._functions[what] = self._compiled(what)
        return self._functions[what]

    @without_test_values
    def _compiled(self, what):
        if what == "slopes" and self.one_by_one:
            return PointLoop(self.approx, self._terms(), self.fn_kwargs, self.bytes_per_point)
        points = self._placeholders("z")
        logp, slopes = self._values_and_slopes(points)
        if what == "slopes":
            options = {"name": "log density", "mode": self.mode, "stable": True, **self.fn_kwargs}
            return compile_function(points, [logp] + slopes, **options)
        directions = self._placeholders("v")
        along = tt.add(*[tt.sum(g * v) for g, v in zip(slopes, directions)])
        products = tt.grad(along, points, consider_constant=directions, disconnected_inputs="ignore")
        return compile_function(points + directions, products, **{"name": "Hessian product", **self.fn_kwargs})

    @property
    def profile(self):
        """Theano's profile of values and gradients, when compiled with ``profile=True``."""
        return self._function("slopes").profile

    def compile_slopes(self):
        """Compile what :meth:`slopes` needs now."""
        self._function("slopes")

    def compile(self):
        """Compile both functions now instead of when they are first needed."""
        self._function("slopes")
        self._function("products")

    @value_property
    def one_by_one(self):
        """Whether values and gradients are those of single points, as is faster where few fit into the cache."""
        if not self._is_compiled or self.bytes_per_point * FEWEST_ROWS <= CACHE_BUDGET_BYTES:
            return False
        return not has_shared_products(self._terms(), self.approx.view.free)

    @value_property
    def _is_compiled(self):
        return self.mode is None and bool(process_value("cxx"))

    @value_property
    def _most_points(self):
        """Of one call: what fits into memory."""
        return int(np.clip(CALL_BUDGET // self.bytes_per_point, 1, 2**20))

    @value_property
    def points_at_once(self):
        """How many points take the time of a few, a power of two: those that fit into the cache, or a few milliseconds.

        Points that are evaluated together are those between two multiples of it.
        """
        if not self._is_compiled:
            return self._most_points
        if self.one_by_one:
            return int(np.clip(AHEAD_BYTES // self.bytes_per_point, 1, self._most_points))
        fit = max(CACHE_BUDGET_BYTES // self.bytes_per_point, FEWEST_ROWS)
        return min(2 ** math.ceil(math.log2(fit)), self._most_points)

    @value_property
    @without_test_values
    def bytes_per_point(self):
        """Of the temporaries of log p, known before anything is compiled; a point takes some 0.02 to 0.7 ns a byte."""
        view = self.approx.view
        start = view.start()
        return max(bytes_per_row(self._terms(), {v: start[v.name] for v in view.free}), 1)

    def split(self, array):
        """Rows (s, d) as a list of arrays, one per group."""
        return [np.ascontiguousarray(array[:, part], dtype=theano.config.floatX) for part in self.slices]

    @staticmethod
    def join(parts):
        """The opposite of :meth:`split`, float64."""
        return (
            np.array(parts[0], dtype="float64") if len(parts) == 1 else np.concatenate(parts, axis=1, dtype="float64")
        )

    # ---------------------------------------------------------------- what it gives
    def slopes(self, z):
        """log p (s,) and its gradients (s, d) at the points `z` (s, d), float64; NaN where an Op has no value."""
        self.evaluations += len(z)
        help_ = self._help()
        return self._slopes(z) if help_ is None else help_(z)

    def _slopes(self, z):
        function = self._function("slopes")
        logp, grad = np.empty(len(z)), np.empty((len(z), self.d))
        with np.errstate(all="ignore"):
            for rows in _slices(len(z), self._most_points if self.one_by_one else self.points_at_once):
                logp[rows], grad[rows] = self._at(function, z[rows])
        return logp, grad

    @contextlib.contextmanager
    def many_calls(self):
        """Context for many calls of :meth:`slopes`: memory is kept between them, and copies of this process help.

        They have the data of when they were made, so that these must not change meanwhile.  Where Ops of the user's
        take part, whose code may talk to what copies would share, there are none.
        """
        help_ = self._help()
        if not self._is_compiled or help_ is not None and help_.is_open:
            yield
            return
        count, piece = thread_count() if self._may_be_copied else 1, 1 if self.one_by_one else self.points_at_once
        with contextlib.ExitStack() as stack:
            if not self.one_by_one:
                stack.enter_context(memory_kept(self._function("slopes")))
            help_ = stack.enter_context(ForkedHelp(self._slopes, self.d, count, one_thread, piece))
            self._help = weakref.ref(help_)
            yield

    @value_property
    def _may_be_copied(self):
        """Whether copies of the process give what this one gives, and neither disturb it."""
        terms = self._terms()
        changing = [v for v in shared_inputs(terms) if getattr(v, "default_update", None) is not None]
        return not changing and not users_ops(terms)

    def _at(self, function, z):
        def evaluate(z):
            with function.held():  # what it gives lies in memory of the next call
                value, *parts = function(*self.split(z))
                return (value.copy() if np.ndim(value) else np.full(len(z), value)), self.join(parts)

        return where_defined(evaluate, z, self.d)

    def hessian_products(self, z, v):
        """Products (s, d) of the Hessian of log p at each point of `z` with the vector in the same row of `v`."""
        function = self._function("products")
        out = np.empty((len(z), self.d))
        with np.errstate(all="ignore"):
            for rows in _slices(len(z), self._most_points):
                out[rows] = self.join(function(*self.split(z[rows]), *self.split(v[rows])))
        self.products += len(z)
        return out


def _no_help():
    """A reference to help that is gone."""
    return None


def _slices(count, length):
    return [slice(begin, min(begin + length, count)) for begin in range(0, count, length)]


def point_density(approx):
    """The approximation's :class:`PointDensity`, with what it has compiled."""
    return made_once(approx, "point_density", lambda: PointDensity(approx))
