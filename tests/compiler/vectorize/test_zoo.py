"""Batched graphs of whole models against a loop over their single graphs."""

import os

import pymc3_vi
from pymc3_vi.compiler import compile_function
from pymc3_vi.compiler.vectorize import record_fallbacks, vectorize_graph
from pymc3_vi.graph import substitute

import numpy as np
import pytest
import theano
import theano.tensor as tt
from theano.compile.mode import Mode
from theano.graph.basic import ancestors
from theano.scan.op import Scan

from tests.zoo import EVERY_KIND_OF_NODE, INNER_LOOPS, ZOO, dimension, split, start_vector

#: model -> types of the Ops that are left to a loop over the batch
FALLBACKS = {}


def _function(inputs, outputs, in_c):
    """Compiled without random updates, so that every call sees the same minibatch."""
    keywords = dict(on_unused_input="ignore", no_default_updates=True)
    if in_c:
        return compile_function(inputs, outputs, **keywords)
    with theano.config.change_flags(cxx=""):
        return theano.function(inputs, outputs, mode=Mode("py", "fast_compile"), **keywords)


@theano.config.change_flags(compute_test_value="off")
def _single(model):
    z = tt.vector("z", dtype="float64")
    terms = substitute([model.varlogpt, model.datalogpt], split(model, z))
    return _function([z], terms + [tt.grad(terms[0] + terms[1], z)], in_c=False)


@theano.config.change_flags(compute_test_value="off")
def _batched(model, in_c=False):
    z = tt.matrix("z", dtype="float64")
    with record_fallbacks() as fallbacks:
        terms = vectorize_graph([model.varlogpt, model.datalogpt], split(model, z))
        gradient = tt.grad(tt.sum(terms[0] + terms[1]), z)
    return _function([z], terms + [gradient], in_c), fallbacks, terms + [gradient], z


def _points(model, single, rng, n=3):
    """Rows around the test point at which the single graph is finite, and its values there.

    `Multinomial` compares a sum of probabilities with 1 exactly, which rounding decides.
    """
    rows, values = [], []
    for _ in range(60):
        z = start_vector(model) + 0.3 * rng.standard_normal(dimension(model))
        found = single(z)
        if all(np.all(np.isfinite(v)) for v in found):
            rows.append(z)
            values.append(found)
        if len(rows) == n:
            return np.array(rows), [np.array(v) for v in zip(*values)]
    raise AssertionError("the single graph is finite almost nowhere")


def _check(name, rng, in_c):
    model = ZOO[name]()
    single = _single(model)
    batched, fallbacks, _, _ = _batched(model, in_c)
    points, expected = _points(model, single, rng)
    # Theano's C code has digamma to nine digits, and takes logarithms of int8 in float32, as its rewrites do.
    rtol = 1e-7 if in_c else 1e-10
    for rows in (slice(0, 1), slice(None)):
        for label, got, wanted in zip(("varlogp", "datalogp", "gradient"), batched(points[rows]), expected):
            assert got.shape == wanted[rows].shape
            scale = np.max(np.abs(wanted)) if label == "gradient" else 0
            np.testing.assert_allclose(
                got, wanted[rows], rtol=rtol, atol=0.01 * rtol * scale, err_msg=f"{name}: {label}"
            )
    assert sorted({type(op).__name__ for op, _ in fallbacks}) == FALLBACKS.get(name, [])


@pytest.mark.parametrize("name", ZOO)
def test_values_and_gradients_are_those_of_a_loop(name, rng):
    _check(name, rng, in_c=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO if os.environ.get("AGAINST_STOCK") == "all" else EVERY_KIND_OF_NODE)
def test_values_and_gradients_in_c(name, rng, unoptimized):
    _check(name, rng, in_c=True)


def _step_graph(method, model):
    """Losses and updates of a step of `method` on several draws or particles."""
    with model, pymc3_vi.fast_build():
        inference = method()
        # Whether the start is finite is of no interest here, and takes an evaluation of the model.
        inference.objective._start_checked = True
        graph = inference.objective.build_step(obj_n_mc=3, score=inference.objective.op.returns_loss)
    return list(graph.updates.values()) + ([] if graph.loss is None else [graph.loss])


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize(
    "method", [pymc3_vi.ADVI, pytest.param(lambda: pymc3_vi.SVGD(n_particles=3), id="SVGD", marks=pytest.mark.slow)]
)
def test_steps_have_no_loop_beside_those_of_the_model(method, name):
    nodes = {v.owner for v in ancestors(_step_graph(method, ZOO[name]())) if v.owner is not None}
    loops = [node for node in nodes if isinstance(node.op, Scan)]
    if name in INNER_LOOPS:
        assert loops
    else:
        assert not loops
