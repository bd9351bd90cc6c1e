"""What is said of a model's graphs and families before the first step, and of a fit that has diverged."""

import warnings

import pymc3_vi
from pymc3_vi.diagnostics import _gradients
from pymc3_vi.diagnostics._gradients import check_gradients, warn_of_steps
from pymc3_vi.errors import (
    ConvergenceWarning,
    GradientError,
    MeanFieldWarning,
    ParametrizationError,
    ZeroGradientWarning,
)

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt
from theano.compile.ops import as_op
from theano.graph.basic import Apply
from theano.graph.op import Op

YEARS = np.arange(20.0)
COUNTS = np.r_[np.full(8, 3), np.full(12, 1)]
STEPS = {
    "ge": lambda s, a, b: tt.switch(s >= YEARS, a, b),
    "floor": lambda s, a, b: a + b * tt.floor(s) * np.ones(20),
    "Cast": lambda s, a, b: tt.stack([a, b])[tt.cast(s, "int64") % 2] * np.ones(20),
    "gt": lambda s, a, b: a + b * tt.gt(s, 5.0) * np.ones(20),
    "MaxAndArgmax": lambda s, a, b: a + b * tt.argmax(tt.stack([s, 3.0])) * np.ones(20),
    "sgn": lambda s, a, b: a + b * tt.sqr(tt.sgn(s)) * np.ones(20),
}


def _approx(rate):
    with pymc3_vi.fast_build(), pm.Model() as model:
        s, a, b = pm.Uniform("s", 0.0, 19.0), pm.Exponential("a", 1.0), pm.Exponential("b", 1.0)
        pm.Poisson("c", rate(s, a, b), observed=COUNTS)
    return pymc3_vi.MeanField(model=model, random_seed=1)


@pytest.mark.parametrize("op", STEPS)
def test_a_variable_that_gradients_do_not_see_is_named_with_the_op(op):
    approx = _approx(STEPS[op])
    with pytest.warns(ZeroGradientWarning) as caught:
        warn_of_steps(approx.view)
    (text,) = [str(c.message) for c in caught if c.category is ZeroGradientWarning]
    assert "'s_interval__'" in text or "'s'" in text
    assert op.lower() in text.lower()


@pytest.mark.parametrize(
    "rate",
    [
        lambda s, a, b: a + (b - a) * tt.nnet.sigmoid(s - YEARS),
        lambda s, a, b: tt.switch(s >= YEARS, a * s, b),
        lambda s, a, b: tt.clip(a + b * s, 0.0, 100.0) * np.ones(20),
    ],
)
def test_nothing_is_said_of_gradients_that_flow(rate):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ZeroGradientWarning)
        warn_of_steps(_approx(rate).view)


def _with_op(op):
    with pymc3_vi.fast_build(), pm.Model() as model:
        alpha = pm.Normal("alpha", 0.0, 5.0)
        pm.Normal("y", op(alpha), 1.0, observed=np.ones(3))
    return model


@as_op(itypes=[tt.dscalar], otypes=[tt.dscalar])
def custom(a):
    return a * 2


class Square(Op):
    """Squares its input, without a gradient."""

    __props__ = ()

    def make_node(self, x):
        return Apply(self, [tt.as_tensor_variable(x)], [tt.dscalar()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = np.asarray(inputs[0] ** 2)


class OnceOnly(Square):
    """With a gradient that has none."""

    def grad(self, inputs, grads):
        return [grads[0] * custom(inputs[0])]


@pytest.mark.parametrize("method", ["advi", "svgd", "nfvi", "dadvi"])
def test_an_op_without_a_gradient_is_named(method):
    with pytest.raises(GradientError, match=r"FromFunctionOp\{custom\} has no gradient.*depends on alpha through it"):
        pymc3_vi.fit(10, method, model=_with_op(custom), progressbar=False)


@pytest.mark.parametrize("family", ["advi", "fullrank_advi"])
def test_passes_name_an_op_without_a_gradient(family):
    """They make gradients while they run."""
    rows = np.random.default_rng(1).normal(size=1000)
    with pymc3_vi.fast_build(), pm.Model() as model:
        alpha = pm.Normal("alpha", 0.0, 5.0)
        pm.Normal("y", Square()(alpha), 1.0, observed=pm.Minibatch(rows, 50), total_size=1000)
    with pytest.raises(GradientError, match=r"Square.* has no gradient.*depends on alpha"):
        pymc3_vi.fit(10, family, model=model, algorithm="passes", progressbar=False)


@pytest.mark.parametrize(
    "what",
    [
        lambda q, model: q.sample(10, correct="hmc"),
        lambda q, model: q.sample(10, correct="psis"),
        lambda q, model: q.diagnose(),
        lambda q, model: q.lrvb_cov(),
        lambda q, model: pymc3_vi.fit(10, model=model, starts=2, progressbar=False),
        lambda q, model: pymc3_vi.fit(10, model=model, start="prior", progressbar=False),
    ],
    ids=["chains", "weights", "diagnosis", "linear response", "starts", "prior"],
)
def test_an_op_without_a_gradient_is_named_beside_fits(what):
    model = _with_op(Square())
    with pytest.raises(GradientError, match=r"Square.* has no gradient.*depends on alpha"):
        what(pymc3_vi.MeanField(model=model), model)


def test_dadvi_needs_a_second_derivative():
    model = _with_op(OnceOnly())
    check_gradients(pymc3_vi.MeanField(model=model).view)
    with pytest.raises(GradientError, match=r"custom.* has no second derivative, which DADVI and linear.*ADVI"):
        pymc3_vi.fit(10, "dadvi", model=model, progressbar=False)


@pytest.mark.parametrize("raised", [ValueError("mine"), NotImplementedError("mine")])
@pytest.mark.parametrize("looking", [None, TypeError("not this")])
def test_other_errors_of_preparing_stay_what_they_are(raised, looking, monkeypatch):
    if looking is not None:

        def fail(view, order):
            raise looking

        monkeypatch.setattr(_gradients, "check_gradients", fail)
    view = pymc3_vi.MeanField(model=_with_op(lambda a: a)).view
    with pytest.raises(type(raised), match="mine"), _gradients.gradients_explained(view, 1):
        raise raised


# ---------------------------------------------------------------- families
def test_mean_field_of_a_simplex_is_warned_of():
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Dirichlet("w", np.ones(3))
        pm.Dirichlet("pair", np.ones(2))
    with pytest.warns(MeanFieldWarning, match="3 parts of 'w'") as caught:
        pymc3_vi.fit(10, model=model, progressbar=False)
    assert not any("'pair'" in str(c.message) for c in caught)
    with warnings.catch_warnings():
        warnings.simplefilter("error", MeanFieldWarning)
        pymc3_vi.fit(10, "fullrank_advi", model=model, progressbar=False)


@pytest.mark.parametrize(
    "prior, fit, words",
    [
        (lambda: pm.Dirichlet("w", np.ones((2, 4)), shape=(2, 4)), "advi", "4 parts of 'w'"),
        (lambda: pm.Dirichlet("w", np.full(30, 5.0)), "dadvi", "30 parts of 'w'"),
        (lambda: pm.Dirichlet("w", np.ones(3)), "group", "3 parts of 'w'"),
    ],
    ids=["rows of a matrix", "fixed draws", "a group beside another"],
)
def test_simplexes_of_every_shape_and_way_of_fitting_are_warned_of(prior, fit, words):
    with pymc3_vi.fast_build(), pm.Model() as model:
        w = prior()
        pm.Normal("mu", 0.0, 1.0)
        if fit == "group":
            groups = [pymc3_vi.Group([w], vfam="mean_field"), pymc3_vi.Group(None, vfam="full_rank")]
            fit = pymc3_vi.KLqp(pymc3_vi.Approximation(groups))
    with pytest.warns(MeanFieldWarning, match=words):
        pymc3_vi.fit(3, fit, model=model, progressbar=False)


@pytest.mark.parametrize("method", ["fullrank_advi", "asvgd"])
@pytest.mark.filterwarnings("ignore:ASVGD is experimental")
def test_full_rank_of_too_many_values_is_refused_at_once(method):
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("z", 0.0, 1.0, shape=42000)
    with pytest.raises(ParametrizationError, match=r"z has 42,000 values.* 65\.7 GiB.*method='advi'"):
        pymc3_vi.fit(10, method, model=model, progressbar=False)


def test_other_families_that_do_not_fit_into_memory_are_refused_at_once():
    with pymc3_vi.fast_build(), pm.Model() as model:
        z = pm.Normal("z", 0.0, 1.0, shape=42000)
    with pytest.raises(ParametrizationError, match="1,000,000 particles with each other.* GiB.*n_particles"):
        pymc3_vi.SVGD(n_particles=10**6, model=model)
    with pytest.raises(ParametrizationError, match="10,000,000 particles of z have 42,000 values each.* GiB"):
        pymc3_vi.Group([z], vfam="empirical", size=10**7, model=model)
    for formula in ("hh*42000", "planar*600-radial*600", "loc*" + "9" * 12):
        with pytest.raises(ParametrizationError, match="at most 1,000 steps"):
            pymc3_vi.NFVI(formula, model=model)


def test_a_full_rank_group_beside_others_is_looked_at_too():
    with pymc3_vi.fast_build(), pm.Model() as model:
        z = pm.Normal("z", 0.0, 1.0, shape=42000)
        pm.Normal("x", 0.0, 1.0)
    with pytest.raises(ParametrizationError, match="Full rank of z"):
        pymc3_vi.Group([z], vfam="full_rank", model=model)


def _masked(values):
    return np.ma.masked_values(np.array(values), -999)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "make, text",
    [
        (
            lambda y: pm.Gamma("x", 3.0, 0.1, observed=y),
            r"'x_missing', the imputed .* of 'x', are bounded \(Gamma",
        ),
        (lambda y: pm.Beta("x", 2.0, 2.0, observed=y / 10), r"'x_missing'.* are bounded \(Beta"),
        (lambda y: pm.Poisson("x", 2.0, observed=y.astype(int)), r"'x_missing'.* are discrete \(Poisson.* masked"),
    ],
)
def test_imputed_values_that_q_cannot_hold_are_named(make, text):
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("free", 0.0, 1.0)
        make(_masked([1.0, 2.0, -999.0]))
    with pytest.raises(ParametrizationError, match=text):
        pymc3_vi.fit(10, model=model, progressbar=False)


# ---------------------------------------------------------------- divergence
@pytest.mark.parametrize("rate", [10.0, 15.0])
def test_a_fit_that_diverges_is_taken_back_to_its_best_state(rate):
    """Steps of ten sds and more."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("x", 0.0, 1.0, testval=0.1)
    inference = pymc3_vi.ADVI(model=model, random_seed=1)

    def sudden(loss_or_grads, params):
        return pymc3_vi.adam(loss_or_grads, params, learning_rate=switched)

    switched = theano.shared(1e-3)

    def faster(approx, losses, i):
        if i == 200:
            switched.set_value(rate)

    with pytest.warns(ConvergenceWarning, match="diverged: the median loss is .* learning rate"):
        inference.fit(1000, progressbar=False, obj_optimizer=sudden, callbacks=[faster])
    assert abs(inference.approx.mean.get_value()[0]) < 1.0


def test_a_fit_that_converges_from_anywhere_is_not_said_to_diverge():
    with pymc3_vi.fast_build(), pm.Model() as model:
        pm.Normal("x", 0.0, 1.0, testval=30.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        for rate in (1e-3, 0.1):
            pymc3_vi.fit(500, model=model, progressbar=False, obj_optimizer=pymc3_vi.adam(learning_rate=rate))
