"""Theano's flags and modes that leave out rewrites for stability do not make gradients NaN."""

import pymc3_vi
from pymc3_vi.compiler import compile_function

import numpy as np
import pymc3 as pm
import pytest
import scipy.stats
import theano
import theano.tensor as tt
from pymc3.distributions.dist_math import normal_lcdf
from theano.compile.mode import Mode

QUICK = [dict(mode="FAST_COMPILE"), dict(optimizer="fast_compile"), dict(optimizer="None"), dict(optimizer="o2"),
         dict(linker="py", optimizer="fast_compile"), dict(linker="py", optimizer="merge")]  # fmt: skip
FAR = np.array([-60.0, -38.0, 2.0])
#: Slope of log Phi, phi / Phi.
SLOPE = np.exp(scipy.stats.norm.logpdf(FAR) - scipy.stats.norm.logcdf(FAR))


def slope(**options):
    x = tt.dvector("x")
    return compile_function([x], tt.grad(normal_lcdf(0.0, 1.0, x).sum(), x), **options)(FAR)


@pytest.mark.parametrize("flags", QUICK, ids=str)
def test_flags(flags):
    with theano.config.change_flags(cxx="", **flags):
        np.testing.assert_allclose(slope(), SLOPE, rtol=1e-6)
        x = tt.dvector("x")
        log1p = compile_function([x], tt.log(1 + tt.exp(x)))  # another of the kind
        np.testing.assert_allclose(log1p([800.0, -50.0]), [800.0, np.exp(-50.0)], rtol=1e-12)


@pytest.mark.parametrize("mode", ["FAST_COMPILE", Mode("py", "fast_compile")], ids=["name", "object"])
def test_modes_of_steps(mode):
    np.testing.assert_allclose(slope(mode=mode, stable=True), SLOPE, rtol=1e-6)
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        x = pm.Normal("x", -40.0, 1.0)
        pm.Potential("tail", normal_lcdf(0.0, 1.0, x))
    for options in (dict(obj_optimizer=pymc3_vi.adam()), dict()):
        approx = pymc3_vi.fit(3, model=model, random_seed=1, progressbar=False, fn_kwargs={"mode": mode}, **options)
        assert np.isfinite(approx.hist).all() and np.isfinite(approx.mean.eval()).all()


@pytest.mark.parametrize("linker", ["cvm", "py"])
def test_without_a_compiler_loops_over_elements_are_those_of_numpy(linker):
    # A fused loop would call Python for every element.
    x = tt.dvector("x")
    with theano.config.change_flags(cxx="", linker=linker):
        function = compile_function([x], tt.exp(-(x**2)) * tt.log1p(x**2) + 1.0)
    scalar_ops = [
        type(node.op.scalar_op) for node in function.maker.fgraph.apply_nodes if hasattr(node.op, "scalar_op")
    ]
    assert len(scalar_ops) >= 5 and theano.scalar.Composite not in scalar_ops
