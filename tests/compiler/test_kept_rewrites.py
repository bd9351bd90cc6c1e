"""Rewritten graphs that are found again, and those that must not be."""

import contextlib
import os
import subprocess
import sys

from pymc3_vi.compiler import _kept_rewrites, compile_count, compile_function
from pymc3_vi.compiler._flat_graph import Digests, NotPlain, flatten, packed, rebuild
from pymc3_vi.compiler._kept_rewrites import FEWEST_NODES, keep_rewrites

import numpy as np
import pytest
import theano
import theano.tensor as tt
from theano.compile.io import In
from theano.compile.mode import optdb
from theano.compile.ops import as_op
from theano.graph.basic import Apply
from theano.graph.op import Op
from theano.graph.opt import LocalOptGroup, PatternSub, local_optimizer

from tests.processes import forked

pytestmark = pytest.mark.skipif(not theano.config.cxx, reason="there is no C++ compiler")
DATA = np.random.RandomState(1).normal(size=(50, 3))


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """An empty folder in which rewritten graphs are kept; ``kept()`` gives their files, ``kept.rewritten`` counts."""
    monkeypatch.setattr(_kept_rewrites, "cache_dir", lambda: str(tmp_path))
    copy = _kept_rewrites._Graph.copy

    def counted(graph):
        files.rewritten += 1
        return copy(graph)

    def files():
        return sorted(tmp_path.iterdir())

    files.rewritten = 0
    monkeypatch.setattr(_kept_rewrites._Graph, "copy", counted)
    keep_rewrites(True)
    yield files
    keep_rewrites(False)


def regression(data=DATA, name="b"):
    """Loss of a regression and its gradient, built anew."""
    b = tt.dvector(name)
    loss = tt.sum(tt.log1p(tt.exp(tt.dot(data, b) - tt.sqr(b).sum()))) / (1 + tt.sum(abs(b)))
    return [b], [loss, tt.grad(loss, b)]


def with_operation(operation):
    inputs, outputs = regression()
    return inputs, [operation(output) for output in outputs]


def values(function, at=(0.3, -0.2, 0.5)):
    return [np.array(value) for value in function(np.array(at))]


def test_an_equal_graph_is_not_rewritten_again(kept):
    first = compile_function(*regression())
    assert kept.rewritten > 0 and len(kept()) == 1
    modules, kept.rewritten = compile_count(), 0
    second = compile_function(*regression())
    assert kept.rewritten == 0 and compile_count() == modules  # the same module, so nodes in the same order
    for one, other in zip(values(first), values(second)):
        np.testing.assert_array_equal(one, other)
    keep_rewrites(False)
    for one, other in zip(values(compile_function(*regression())), values(second)):
        np.testing.assert_allclose(one, other, rtol=1e-13)


@pytest.mark.parametrize("other", [
    lambda: regression(DATA + 1e-9),
    lambda: regression(DATA[:40]),
    lambda: regression(DATA.astype("float32")),
    lambda: regression(name="c"),
    lambda: with_operation(tt.exp),
], ids=["values", "size", "type", "name", "operation"])  # fmt: skip
def test_another_graph_is(kept, other):
    compile_function(*regression())
    kept.rewritten = 0
    compile_function(*other())
    assert kept.rewritten > 0


@pytest.mark.parametrize("flag, value", [("cast_policy", "numpy+floatX"), ("floatX", "float32")])
def test_flags_decide_too(kept, flag, value):
    compile_function(*regression())
    kept.rewritten = 0
    with theano.config.change_flags(**{flag: value}):
        compile_function(*regression())
    assert kept.rewritten > 0


def test_updates_overwrite_their_own_memory_alone(kept):
    """What is protected from being overwritten is so in the graph that is found."""

    def steps():
        state, fixed = theano.shared(np.arange(3.0)), theano.shared(np.ones(3))
        inputs, outputs = regression()
        loss, slope = theano.clone(outputs, {inputs[0]: state + fixed})
        function = compile_function([], [loss], updates=[(state, state - 0.1 * slope)])
        losses = [function()[0] for _ in range(3)]
        np.testing.assert_array_equal(fixed.get_value(), np.ones(3))
        return [*losses, *state.get_value()]

    np.testing.assert_array_equal(steps(), steps())
    assert len(kept()) == 1


def test_what_may_be_overwritten_decides_too(kept):
    """A function that was given its input for good, and one that was lent it."""
    for mutable in (True, False):
        (b,), (loss, slope) = regression()
        given = In(b, mutable=mutable)
        function, at = compile_function([given], [loss, slope, tt.exp(b) * 2]), np.array([0.3, -0.2, 0.5])
        found, expected = function(at), [0.3, -0.2, 0.5]
        np.testing.assert_allclose(found[2], 2 * np.exp(expected))
        assert (at.tolist() != expected) == mutable
    assert len(kept()) == 2


def test_data_are_not_copied(kept):
    """Nor what shows them otherwise, as the transpose in a gradient."""
    data = np.random.RandomState(2).normal(size=(5000, 3))
    first = compile_function(*regression(data))
    (path,) = kept()
    assert path.stat().st_size < 20_000 and data.tobytes()[:64] not in path.read_bytes()
    for one, other in zip(values(first), values(compile_function(*regression(data)))):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("damage", [
    lambda path: path.write_bytes(path.read_bytes()[:100]),
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"),
    lambda path: os.chmod(path, 0o666),
], ids=["half", "empty", "one byte", "may be written by others"])  # fmt: skip
def test_files_that_are_not_whole_or_not_ours_are_not_read(kept, damage):
    compile_function(*regression())
    (path,) = kept()
    content = path.read_bytes()
    damage(path)
    kept.rewritten = 0
    compile_function(*regression())
    assert kept.rewritten > 0 and kept() == [path]
    assert path.read_bytes() == content and path.stat().st_mode & 0o077 == 0


def test_a_file_under_another_name_is_not_read(kept):
    compile_function(*regression())
    (path,) = kept()
    compile_function(*with_operation(tt.exp))
    (other,) = set(kept()) - {path}
    other.write_bytes(path.read_bytes())
    for one, expected in zip(
        values(compile_function(*with_operation(tt.exp))), values(compile_function(*regression()))
    ):
        np.testing.assert_allclose(one, np.exp(expected))


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(kept, monkeypatch):
    monkeypatch.setattr(_kept_rewrites, "cache_dir", lambda: "/dev/null/nowhere")
    first = compile_function(*regression())
    keep_rewrites(False)
    for one, other in zip(values(first), values(compile_function(*regression()))):
        np.testing.assert_allclose(one, other, rtol=1e-13)


class Doubled(Op):
    """A user's Op."""

    __props__ = ()

    def make_node(self, x):
        return Apply(self, [tt.as_tensor_variable(x)], [tt.as_tensor_variable(x).type()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = 2 * inputs[0]


def test_graphs_with_a_users_op_are_rewritten_each_time(kept):
    """Its code may have changed, of which the graph tells nothing."""
    inputs, (loss, slope) = regression()
    function = compile_function(inputs, [loss, Doubled()(slope)])
    assert kept() == []
    np.testing.assert_allclose(values(function)[1], 2 * values(compile_function(*regression()))[1])
    assert len(kept()) == 1  # rewrites note the types of the Ops that they have met, which is no code of theirs


@as_op([tt.dvector], [tt.dvector])
def scaled(x):
    """A user's function, which may be another one next time."""
    return 3.0 * x


def test_nor_are_those_with_a_users_function(kept):
    """Theano's Op for such functions tells of them only their names."""
    inputs, (loss, slope) = regression()
    function = compile_function(inputs, [loss, scaled(slope)])
    assert kept() == []
    np.testing.assert_allclose(values(function)[1], 3 * values(compile_function(*regression()))[1])


class Unwilling(Doubled):
    """An Op whose state cannot be told."""

    def __getstate__(self):
        raise RuntimeError("no state")


def test_what_does_not_pickle_compiles_all_the_same(kept):
    inputs, (loss, slope) = regression()
    function = compile_function(inputs, [loss, Unwilling()(slope)])
    np.testing.assert_allclose(values(function)[1], 2 * values(compile_function(*regression()))[1])


@pytest.mark.parametrize("kind", ["pattern", "group"])
def test_theanos_classes_with_a_users_code_are_known(kept, kind):
    """A pattern tells what it is; a function in a group does not."""

    @local_optimizer(None)
    def nothing(fgraph, node):
        return None

    rewrites = {
        "pattern": [PatternSub((tt.sinh, "x"), (tt.tanh, "x")), PatternSub((tt.sinh, "x"), (tt.sin, "x"))],
        "group": [LocalOptGroup(nothing), LocalOptGroup(nothing)],
    }
    for rewrite in rewrites[kind]:
        kept.rewritten = 0
        with registered(rewrite):
            compile_function(*with_operation(tt.sinh))
        assert kept.rewritten > 0 or kept() == []


@contextlib.contextmanager
def registered(rewrite):
    database = optdb["canonicalize"]
    names = set(database._names)
    database.register("of_a_user", rewrite, "fast_run")
    try:
        yield
    finally:
        database._names = names
        for name, rewrites in list(database.__db__.items()):
            if rewrite in rewrites:
                rewrites.remove(rewrite)
            if not len(rewrites):
                del database.__db__[name]


def test_a_users_rewrite_is_heard(kept):
    """One that is registered under a name of its own, and then another under that name."""
    seen = []

    @local_optimizer(None)
    def listening(fgraph, node):
        seen.append(node)

    with registered(listening):
        for _ in range(2):
            seen.clear()
            compile_function(*regression())
            assert seen and kept() == []
    compile_function(*regression())
    assert len(kept()) == 1


def test_small_graphs_are_rewritten(kept):
    x = tt.dvector("x")
    compile_function([x], [x + 1])
    assert kept() == []


def lagged(*arrays):
    """Sum of squares about columns, which are laid out otherwise in the gradient."""
    b = tt.dvector("b")
    target, *columns = map(tt.as_tensor_variable, arrays)
    rest = target - sum(b[k] * column.dimshuffle("x", 0) for k, column in enumerate(columns))
    loss = tt.sum(tt.sqr(rest)) / (1 + tt.sum(tt.exp(b)))
    return [b], [loss, tt.grad(loss, b)]


LAGS = [slice(2, None), slice(1, -1), slice(0, -2)]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]])
def test_data_that_show_parts_of_one_array(kept, order):
    """Each is found by its own place: one that lies a row before another is not taken for a part of it."""
    y = np.random.RandomState(4).normal(size=402)
    parts = [y[LAGS[k]] for k in order]
    found = [values(compile_function(*lagged(*parts)), (0.3, 0.6)) for _ in range(2)]
    apart = values(compile_function(*lagged(*[part.copy() for part in parts])), (0.3, 0.6))
    keep_rewrites(False)
    fresh = values(compile_function(*lagged(*parts)), (0.3, 0.6))
    for result in (*found, apart):
        for one, other in zip(result, fresh):
            np.testing.assert_allclose(one, other, rtol=1e-12)


def test_much_data_are_not_read_for_it(kept, monkeypatch):
    monkeypatch.setattr(_kept_rewrites, "MOST_DATA", DATA.nbytes)
    compile_function(*regression(np.concatenate([DATA, DATA])))
    assert kept() == []


def test_graphs_with_random_numbers_are_kept(kept):
    """The type of their streams is equal to none but itself."""

    def noisy():
        inputs, outputs = regression()
        stream = theano.tensor.random.utils.RandomStream(seed=3)
        return inputs, [outputs[0] + tt.sum(stream.normal(size=(3,))), outputs[1]]

    def losses():
        inputs, outputs = noisy()
        function = compile_function(inputs, outputs)
        return [values(function)[0] for _ in range(3)]

    first, kept.rewritten = losses(), 0
    np.testing.assert_array_equal(losses(), first)
    assert kept.rewritten == 0 and len(kept()) == 1 and len(set(map(float, first))) == 3


def test_recursions_are_kept(kept):
    """Their steps are graphs within the graph."""

    def filtered():
        x = tt.dvector("x")
        last, _ = theano.scan(lambda y, s: tt.tanh(s + y) * 0.5, sequences=[x], outputs_info=[tt.zeros(())])
        loss = tt.sum(tt.sqr(last)) + tt.sum(tt.exp(x))
        return [x], [loss, tt.grad(loss, x)]

    first = compile_function(*filtered())
    second, kept.rewritten = filtered(), 0
    second = compile_function(*second)
    assert kept.rewritten == 0
    for one, other in zip(values(first), values(second)):
        np.testing.assert_array_equal(one, other)


LINE = """
import pymc3_vi, numpy as np, theano, theano.tensor as tt
from pymc3_vi.compiler import compile_function
from theano.tensor.opt import Assert
for _ in range(2):
    data, b = theano.shared(np.ones((50, 3))), tt.dvector("b")
    product = Assert("too large")(tt.dot(data, b), tt.all(b < 1))  # the line
    loss = tt.sum(tt.exp(product)) + tt.sum(tt.cumsum(tt.sort(product))) + tt.sum(tt.tanh(b) * tt.sqr(b) / 3)
    try:
        compile_function([b], [loss, tt.grad(loss, b)])(np.ones(3))
    except AssertionError as error:
        print("# the line" in str(error))
"""


def test_errors_tell_where_the_model_has_the_expression(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(LINE)
    assert forked(f"exec(compile(open({str(script)!r}).read(), {str(script)!r}, 'exec'))").stdout == "True\nTrue\n"


def test_digests_are_those_of_the_content():
    inputs, outputs = regression()
    ops = [op for op, *_ in flatten(inputs, outputs)[0].nodes]
    again = [op for op, *_ in flatten(*regression())[0].nodes]
    assert [Digests()(op) for op in ops] == [Digests()(op) for op in again]
    with pytest.raises(NotPlain, match="test_kept_rewrites"):
        packed(Doubled())
    with pytest.raises(NotPlain, match="value of this process"):
        packed([theano.shared(1.0)])
    with pytest.raises(NotPlain, match="no input"):
        flatten([], outputs)


def test_a_graph_is_rebuilt():
    inputs, outputs = regression()
    flat, variables = flatten(inputs, outputs)
    again, of_them = rebuild(flat, inputs)
    assert [v.type for v in variables] == [v.type for v in of_them]
    assert theano.graph.toolbox.is_same_graph(again[0], outputs[0])
    assert len(flat.nodes) >= FEWEST_NODES


SCRIPT = """
import pymc3_vi, numpy as np, pymc3 as pm
from pymc3_vi.compiler._kept_rewrites import _Graph
count, copy = [0], _Graph.copy
def counted(graph):
    count[0] += 1
    return copy(graph)
_Graph.copy = counted
with pymc3_vi.fast_build(), pm.Model() as model:
    mu, sd = pm.Normal("mu", 0, 2), pm.HalfNormal("sd", 1)
    pm.Normal("y", mu, sd, observed=np.arange(9.0))
    approx = pymc3_vi.fit(random_seed=1, progressbar=False)
    files = pymc3_vi.show_config(print_it=False)["cache files"]
    print(count[0], [p.get_value().tolist() for p in approx.params], files)
"""


@pytest.mark.slow
def test_other_processes_find_them(tmp_path):
    """Whatever the order of sets in them is; the second process compiles nothing either."""
    told = []
    for seed in "12":
        flags = f"base_compiledir={tmp_path}"
        environment = dict(os.environ, PYTHONHASHSEED=seed, THEANO_FLAGS=flags)
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", SCRIPT], capture_output=True, text=True, check=True, env=environment
        )
        told.append(done.stdout.split(maxsplit=1))
    (first, result), (second, again) = told
    assert int(first) > 0 and int(second) == 0 and again == result
