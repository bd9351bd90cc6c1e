"""Elements of vectors in compiled functions: the numbers of Theano's own Ops, none of which is left."""

from pymc3_vi.compiler import compile_function
from pymc3_vi.compiler.ops import CumulativeSum, PutElements, TakeElements, UniformStreams

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt
from scipy.stats import chi2
from theano.graph.basic import ancestors
from theano.tensor.extra_ops import CumOp
from theano.tensor.subtensor import AdvancedIncSubtensor1, AdvancedSubtensor1, IncSubtensor

PYTHON = theano.Mode("py", "fast_compile")
GENERAL = (AdvancedSubtensor1, AdvancedIncSubtensor1, CumOp, IncSubtensor)
INDEX = np.array([2, 0, 2, 5, 1])


def ops_of(function):
    return [node.op for node in function.maker.fgraph.toposort()]


@pytest.mark.parametrize("engine", ["island", "exact"])
@pytest.mark.parametrize(
    "build",
    [
        lambda x, i: x[i],
        lambda x, i: x[tt.cast(i, "int32")],
        lambda x, i: tt.set_subtensor(x[i], tt.exp(x[:5])),
        lambda x, i: tt.inc_subtensor(x[i], 2.0),
        lambda x, i: tt.inc_subtensor(x[3], tt.sum(x)),
        lambda x, i: tt.set_subtensor(x[-1], 7.0),
        lambda x, i: tt.cumsum(x),
        lambda x, i: tt.grad(tt.sum(tt.sqr(tt.cumsum(x[i])) * x[2]), x),
    ],
)
def test_the_same_numbers_without_general_ops(build, engine, rng):
    x, i = tt.dvector(), tt.lvector()
    value = rng.standard_normal(6)
    function = compile_function([x, i], build(x, i), engine=engine, on_unused_input="ignore")
    expected = theano.function([x, i], build(x, i), mode="FAST_COMPILE", on_unused_input="ignore")(value, INDEX)
    np.testing.assert_allclose(function(value, INDEX), expected, rtol=1e-15)
    assert not any(isinstance(op, GENERAL) for op in ops_of(function))
    assert any(isinstance(op, (TakeElements, PutElements, CumulativeSum)) for op in ops_of(function))


def test_what_is_needed_elsewhere_is_not_overwritten(rng):
    x, i = tt.dvector(), tt.lvector()
    double = 2 * x
    function = compile_function([x, i], [tt.inc_subtensor(double[i], 1.0), double, tt.set_subtensor(x[i], 0.0), x])
    value = rng.standard_normal(6)
    before = value.copy()
    added, doubled, zeroed, same = function(value, INDEX)
    expected = 2 * before
    np.add.at(expected, INDEX, 1.0)
    np.testing.assert_array_equal(added, expected)
    np.testing.assert_array_equal(doubled, 2 * before)
    np.testing.assert_array_equal(zeroed, np.where(np.isin(np.arange(6), INDEX), 0, before))
    np.testing.assert_array_equal(value, before)
    np.testing.assert_array_equal(same, before)


def test_temporaries_are_changed_in_place():
    x, i = tt.dvector(), tt.lvector()
    function = compile_function([x, i], tt.inc_subtensor(tt.exp(x)[i], 1.0))
    assert [op.inplace for op in ops_of(function) if isinstance(op, PutElements)] == [True]


def test_rows_of_arrays_and_integers_are_taken_without_general_ops(rng):
    integers, matrix, i = tt.lvector(), tt.dmatrix(), tt.lvector()
    function = compile_function([integers, matrix, i], [integers[i], matrix[i], tt.cumsum(matrix, axis=1)])
    assert [type(op) for op in ops_of(function) if isinstance(op, GENERAL)] == [CumOp]
    m = rng.standard_normal((6, 2))
    found = function(np.arange(6), m, INDEX)
    for a, b in zip(found, [INDEX, m[INDEX], np.cumsum(m, axis=1)]):
        np.testing.assert_array_equal(a, b)


def test_complex_numbers_keep_theanos_op():
    x = tt.zvector()
    function = compile_function([x], x[tt.constant(INDEX)])
    np.testing.assert_array_equal(function(np.arange(6) * 1j), INDEX * 1j)


@pytest.mark.parametrize("engine", ["island", "exact"])
def test_minibatches_show_the_rows_that_theanos_linker_shows(engine, rng, model_fast):
    data, labels = rng.standard_normal((1000, 3)), np.arange(1000)
    with model_fast():
        batches = [pm.Minibatch(x, size) for x, size in [(data, 100), (labels, 100), (data, [70, 2])]]
    states = [(v, v.get_value()) for v in ancestors(batches) if hasattr(v, "default_update")]
    assert len(states) == 4
    functions = compile_function([], batches, engine=engine), theano.function([], batches, mode=PYTHON)
    found = []
    for function in functions:
        for shared, value in states:
            shared.set_value(value)
        found.append([function() for _ in range(5)] + [shared.get_value() for shared, _ in states])
    for ours, theirs in zip(*found):
        for a, b in zip(ours, theirs):
            np.testing.assert_array_equal(a, b)
    for rows, numbers, _ in found[0][:5]:  # two tensors of one seed are in step
        np.testing.assert_array_equal(rows, data[numbers])
    assert any(isinstance(op, UniformStreams) for op in ops_of(functions[0]))


def test_all_rows_of_a_minibatch_are_equally_frequent(model_fast):
    with model_fast():
        batch = pm.Minibatch(np.arange(100), 50)
    function = compile_function([], batch)
    counts = np.bincount(np.concatenate([function() for _ in range(1000)]), minlength=100)
    # One false alarm in a million seeds, and the seed is PyMC3's 42.
    assert ((counts - 500) ** 2 / 500).sum() < chi2.isf(1e-6, 99)


def test_nodes_without_inputs_are_no_failure(caplog):
    """Generators of data are such nodes; Theano logs a rewrite that fails, with a traceback, and goes on."""

    def batches():
        while True:
            yield np.arange(6.0)

    data, matrix = pm.generator(batches()), tt.dmatrix()
    with theano.config.change_flags(on_opt_error="raise"):
        function = compile_function([matrix], [data.sum(), matrix[[0, 1], [1, 0]], tt.inc_subtensor(data[2], 1.0)])
    total, picked, put = function(np.eye(2))
    assert total == 15.0 and picked.tolist() == [0.0, 0.0] and put[2] == 3.0
    assert not [record for record in caplog.records if record.name == "theano.graph.opt"]
