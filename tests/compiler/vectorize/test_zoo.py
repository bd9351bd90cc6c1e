"""Batched graphs of whole models against a loop over their single graphs, and these against stored values."""

import functools
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

from tests.compat import zoo_values
from tests.zoo import EVERY_KIND_OF_NODE, INNER_LOOPS, ZOO, dimension, split, start_vector

WHOLE_ZOO = os.environ.get("AGAINST_STOCK") == "all"

#: model -> types of the Ops that are left to a loop over the batch
FALLBACKS = {}


def _function(inputs, outputs, in_c):
    """Compiled without random updates, so that every call sees the same minibatch."""
    keywords = dict(on_unused_input="ignore", no_default_updates=True)
    if in_c:
        return compile_function(inputs, outputs, **keywords)
    with theano.config.change_flags(cxx=""):
        return theano.function(inputs, outputs, mode=Mode("py", None), **keywords)


@functools.lru_cache(None)
def _model(name):
    """Shared by the tests of one model, which leave it as it is."""
    return ZOO[name]()


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
    model = _model(name)
    single = _single(model)
    zoo_values.check(name, *zoo_values.at_its_point(model, single))
    batched, fallbacks, outputs, _ = _batched(model, in_c)
    assert _has_loops(outputs) == (name in INNER_LOOPS)
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
@pytest.mark.parametrize("name", ZOO if WHOLE_ZOO else EVERY_KIND_OF_NODE)
def test_values_and_gradients_in_c(name, rng, unoptimized):
    _check(name, rng, in_c=True)


def _has_loops(outputs):
    return any(v.owner is not None and isinstance(v.owner.op, Scan) for v in ancestors(outputs))


def _step_graph(method, model):
    """Losses and updates of a step of `method` on several draws or particles."""
    with model, pymc3_vi.fast_build():
        inference = method()
        # Whether the start is finite is of no interest here, and takes an evaluation of the model.
        inference.objective._start_checked = True
        graph = inference.objective.build_step(obj_n_mc=3, score=inference.objective.op.returns_loss)
    return list(graph.updates.values()) + ([] if graph.loss is None else [graph.loss])


@pytest.mark.parametrize("name", ZOO if WHOLE_ZOO else EVERY_KIND_OF_NODE)
@pytest.mark.parametrize(
    "method", [pymc3_vi.ADVI, pytest.param(lambda: pymc3_vi.SVGD(n_particles=3), id="SVGD", marks=pytest.mark.slow)]
)
def test_steps_have_no_loop_beside_those_of_the_model(method, name):
    assert _has_loops(_step_graph(method, _model(name))) == (name in INNER_LOOPS)
