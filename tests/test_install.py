"""What install() changes, and that it changes nothing else."""

import pymc3_vi

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt
from theano.graph import op as theano_op
from theano.graph.basic import Apply
from theano.graph.op import COp
from theano.link.c.basic import CLinker


@pytest.fixture
def compiled(monkeypatch):
    """List of the nodes that Theano's own linker has compiled."""
    found, make = [], CLinker.cthunk_factory

    def noted(self, *args, **kwargs):
        found.append(self.fgraph)
        return make(self, *args, **kwargs)

    monkeypatch.setattr(CLinker, "cthunk_factory", noted)
    return found


def build():
    rng = np.random.RandomState(0)
    x, y = rng.normal(size=(50, 3)), rng.normal(size=50)
    with pm.Model() as model:
        weights = pm.Dirichlet("weights", a=np.array([2.0, 1.0, 3.0]))
        scale = pm.HalfCauchy("scale", 2.0)
        beta = pm.Normal("beta", 0.0, scale, shape=3)
        chol = pm.LKJCholeskyCov("chol", n=2, eta=2.0, sd_dist=pm.HalfNormal.dist(1.0), compute_corr=True)[0]
        pm.Deterministic("total", tt.nnet.sigmoid(tt.dot(x, beta)).sum() + chol.sum() + tt.exp(weights).prod())
        pm.StudentT("y", 4, tt.dot(x, beta), 1.0, observed=y)
    return model


def values_of(model):
    nodes = [*model.free_RVs, *model.deterministics, model.logpt]
    return [np.asarray(node.tag.test_value) for node in nodes]


def test_models_are_built_without_a_compiler_and_are_the_same(compiled):
    with pymc3_vi.install():
        model = build()
        assert compiled == []
        ours = values_of(model)
    assert theano_op.compute_test_value.__module__ == "theano.graph.op"
    with pm.Model():
        pm.Normal("x", 0.0, 1.0)
    assert compiled or not theano.config.cxx
    with theano.config.change_flags(cxx=""):  # a hundred modules otherwise
        theirs = values_of(build())
    for mine, their in zip(ours, theirs):
        assert mine.dtype == their.dtype
        np.testing.assert_allclose(mine, their, rtol=1e-13)


@pytest.mark.skipif(not theano.config.cxx, reason="needs a compiler")
def test_what_else_is_compiled_inside_is_left_alone(compiled):
    with pymc3_vi.install(), pm.Model():
        x = pm.Normal("x", 0.0, 1.0)
        pm.Normal("y", x, 1.0, observed=[1.0, 2.0])
        before = theano.config.cxx
        function = theano.function([x], tt.exp(x) + 1)
        assert before and compiled  # the function has C thunks
        assert function(0.0) == 2.0
        assert theano.config.compute_test_value == "raise"  # as PyMC3 wants it in a model


@pytest.mark.skipif(not theano.config.cxx, reason="needs a compiler")
def test_ops_without_python_code_have_test_values():
    class OnlyInC(COp):
        __props__ = ()

        def make_node(self, x):
            return Apply(self, [x], [x.type()])

        def perform(self, node, inputs, output_storage):
            raise NotImplementedError("no Python code")

        def c_code(self, node, name, inputs, outputs, sub):
            (x,), (z,) = inputs, outputs
            return f"""
                Py_XDECREF({z}); {z} = (PyArrayObject*)PyArray_NewCopy({x}, NPY_CORDER);
                if (!{z}) {{ {sub["fail"]} }}
                *(npy_float64*)PyArray_DATA({z}) += 1.0;
            """

        def c_code_cache_version(self):
            return (1,)

    with pymc3_vi.install(), theano.config.change_flags(compute_test_value="raise"):
        x = tt.dscalar()
        x.tag.test_value = np.array(2.0)
        assert OnlyInC()(x).tag.test_value == 3.0


def test_errors_in_test_values_stay_errors():
    with pymc3_vi.install(), pm.Model():
        x = pm.Normal("x", 0.0, 1.0, shape=3)
        with pytest.raises(ValueError):
            tt.dot(np.ones((2, 2)), x)


COUNTS = {
    "poisson": lambda rate: pm.Poisson("y", mu=rate, observed=[1, 2, 3]),
    "negative binomial": lambda rate: pm.NegativeBinomial("y", mu=rate, alpha=5.0, observed=[1, 2, 3]),
    "binomial": lambda rate: pm.Binomial("y", n=9, p=rate / (1 + rate), observed=[1, 2, 3]),
    "geometric": lambda rate: pm.Geometric("y", p=rate - rate, observed=[1, 2, 3]),
    "zero inflated": lambda rate: pm.ZeroInflatedPoisson("y", psi=0.5, theta=rate, observed=[1, 2, 3]),
    "cast": lambda rate: pm.Normal("y", tt.cast(rate, "int32"), 1.0, observed=[1.0, 2.0, 3.0]),
}


@pytest.mark.parametrize("context", [pymc3_vi.install, pymc3_vi.fast_build], ids=["install", "fast_build"])
@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_counts_that_overflow_at_the_test_point_are_built(counts, context):
    """As with a compiler: a rate of exp(1000) has no integer, and PyMC3 asks for one as the mode."""
    with context(), pm.Model() as model:
        level = pm.Normal("level", 1000.0, 1000.0)
        COUNTS[counts](tt.exp(level * np.array([1.0, 1.0, 1.0])))
    assert model["y"] in model.observed_RVs


def test_a_model_that_overflows_is_fitted_from_its_start():
    with pymc3_vi.fast_build(), pm.Model() as model:
        level = pm.Normal("level", 1000.0, 1000.0)
        pm.Poisson("y", mu=tt.exp(level), observed=[4, 5, 6, 5])
    approx = pymc3_vi.fit(2_000, model=model, random_seed=1, progressbar=False, start={"level": 1.0})
    assert abs(approx.mean.eval().item() - np.log(5.0)) < 0.1  # the prior is flat beside 20 counts
