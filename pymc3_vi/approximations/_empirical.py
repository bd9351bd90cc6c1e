"""Empirical family: a set of particles."""

import numpy as np
import theano
import theano.tensor as tt

from ..core import Group, register_family
from ..errors import ExplicitInferenceError, ParametrizationError
from ..graph import ParamSpec, create_shared, floatx, node_property
from ..model import draws_from_trace
from ..validation import require_memory

__all__ = ["EmpiricalGroup"]

#: Particles that nobody has spread lie this close to the start point.
DEFAULT_JITTER = 1e-6
#: Copies of the particles that a fit holds: their gradients, the optimizer's state, temporaries.
COPIES = 5


@register_family
class EmpiricalGroup(Group):
    r"""Equally weighted particles :math:`q = \frac1n \sum_i \delta_{x_i}`; it has no log density.

    Other Parameters
    ----------------
    trace : MultiTrace, InferenceData or dict of arrays
        Particles to hold.
    size : int
        Number of particles to create around the start point.
    jitter : float
        Standard deviation of the created particles.
    start : dict or str
        Start point of the created particles.

    The parameter is ``histogram`` (n, d), one particle a row on the unconstrained scale.
    """

    param_specs = (ParamSpec("histogram", lambda d: (d,), constraint="one particle a row"),)
    short_name = "empirical"
    family_keywords = ("trace", "size", "jitter", "start")
    supports_batched = False
    has_logq = False
    is_histogram = True
    initial_dist_name = "uniform"

    def _create_params(self, rng, trace=None, size=None, jitter=DEFAULT_JITTER, start=None):
        if trace is not None:
            return {"histogram": create_shared("histogram", draws_from_trace(self.view, trace, self.ordering))}
        if size is None:
            raise ParametrizationError(
                "EmpiricalGroup: Need `trace` or `size` to create particles, for example size=100."
            )
        names = ", ".join(v.name for v in self.group)
        what = f"{size:,} particles of {names} have {self.ddim:,} values each"
        require_memory(COPIES * size * self.ddim, what, "Take fewer particles, or mean field (method='advi').")
        draws = rng.standard_normal((size, self.ddim))
        self._draws = draws if jitter == DEFAULT_JITTER else None
        particles = self._start_vector(start) + jitter * draws
        return {"histogram": create_shared("histogram", particles)}

    def _take_user_params(self, params):
        if set(params) != {"histogram"}:
            return super()._take_user_params(params)
        return {"histogram": tt.as_tensor_variable(params["histogram"]).reshape((-1, self.ddim), ndim=2)}

    #: Standard normal draws behind particles that nobody has spread.
    _draws = None

    def param_units(self, std):
        """Particles move in standard deviations."""
        return {self.shared_params["histogram"]: std}

    def place(self, mean, std):
        """Particles of these moments, unless a jitter was chosen."""
        if self._draws is not None:
            shared = self.shared_params["histogram"]
            shared.set_value(np.asarray(mean + std * self._draws, dtype=shared.dtype))

    @property
    def histogram(self):
        """Particles (n, d)."""
        return self.params_dict["histogram"]

    @property
    def creation_keywords(self):
        """The number of particles."""
        return {} if self.user_params is not None else {"size": len(self.histogram.get_value(borrow=True))}

    def randidx(self, size=None):
        """Symbolic random particle indices of shape `size` (default one)."""
        size = tt.as_tensor_variable(1 if size is None else size)
        shape = tt.stack([size]) if size.ndim == 0 else size
        return self._indices(self._rng.uniform(size=shape))

    def _indices(self, uniform):
        n = self.histogram.shape[0]
        # float32 uniforms times n may round up to n itself
        return tt.minimum(tt.cast(uniform * n, "int64"), n - 1)

    def _noise_or_center(self, shape, deterministic):
        center = tt.repeat(self.mean.dimshuffle("x", 0), shape[0], axis=0)
        symbolic = isinstance(deterministic, theano.graph.basic.Variable)
        if not symbolic and deterministic:
            return center
        draw = self.histogram[self.randidx(shape[0])]
        return tt.switch(deterministic, center, draw) if symbolic else draw

    def draw_noise(self, noise, n_mc=None, more_replacements=None):
        """Particles picked at random by block noise, (d,) or (n_mc, d)."""
        stream = self.seeds.generator("noise:" + self._stream)
        return self.histogram[self._indices(noise.add(() if n_mc is None else (n_mc,), stream, "uniform", n_mc or 1))]

    def noise_array(self, size, generator):
        """`size` particles picked at random, (size, d)."""
        particles = self.histogram.eval() if self.user_params is not None else self.histogram.get_value(borrow=True)
        return floatx(particles[generator.integers(0, len(particles), size)])

    def transform(self, eps):
        """The 'base noise' of this family already is a particle."""
        return tt.as_tensor_variable(eps)

    def log_density(self, eps):
        """Always an error: particles have no density."""
        raise ExplicitInferenceError(
            "EmpiricalGroup does not define log q: particles have no density. "
            "Use MeanField, FullRank or NormalizingFlow."
        )

    @node_property
    def mean(self):
        """Mean of the particles, (d,)."""
        return self.histogram.mean(0)

    @node_property
    def cov(self):
        """Covariance of the particles (divided by n), (d, d)."""
        centered = self.histogram - self.mean
        return tt.dot(centered.T, centered) / floatx(self.histogram.shape[0])

    @node_property
    def std(self):
        """Standard deviations of the particles, (d,)."""
        return self.histogram.std(0)

    def __str__(self):
        if self.group is None or not isinstance(self.histogram, theano.compile.SharedVariable):
            return super().__str__()
        shape = self.histogram.get_value(borrow=True).shape
        return f"{type(self).__name__}[{', '.join(map(str, shape))}]"
