"""Copies of this process that help with the rows of a call."""

import contextlib
import gc
import mmap
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time

import pymc3_vi
from pymc3_vi.compiler import set_thread_count, thread_count
from pymc3_vi.diagnostics import point_density
from pymc3_vi.workers import ForkedHelp, _forked

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt
from theano.compile.ops import as_op
from theano.graph.basic import Apply
from theano.graph.op import Op

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="copies are made on Linux alone")
Z = np.random.default_rng(1).normal(size=(101, 3))


class _Slow:
    """Rows' sums of squares and the process that found them, 2 ms a row; `wrong` is called from the second call on."""

    def __init__(self, wrong=None):
        self.wrong, self.calls = wrong, 0

    def __call__(self, z):
        self.calls += 1
        time.sleep(2e-3 * len(z))
        if self.wrong is not None and self.calls > 1:
            self.wrong(z)
        return np.full(len(z), float(os.getpid())), 2 * z


def _processes():
    with open(f"/proc/self/task/{threading.get_native_id()}/children") as found:
        return [int(pid) for pid in found.read().split()]


@pytest.fixture
def children():
    """Function that tells which processes have been made since; none is left at the end, and no file."""
    others, files = set(_processes()), len(os.listdir("/proc/self/fd"))
    yield lambda: [pid for pid in _processes() if pid not in others]
    assert set(_processes()) <= others and len(os.listdir("/proc/self/fd")) == files


def _dealt_out(help_):
    help_(Z)  # which tells how long a row takes
    return help_(Z)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_rows_are_those_of_one_process(count, children):
    with ForkedHelp(_Slow(), 3, count) as help_:
        pids, slopes = _dealt_out(help_)
        assert len(children()) == count - 1
        np.testing.assert_array_equal(slopes, 2 * Z)
        assert len(set(pids)) == count and os.getpid() in pids
        again, few = help_(Z), help_(Z[:2])
        np.testing.assert_array_equal(again[0], pids)
        np.testing.assert_array_equal(few[1], 2 * Z[:2])
        many = help_(np.tile(Z, (50, 1)))[1] if count == 7 else np.tile(2 * Z, (50, 1))
        np.testing.assert_array_equal(many, np.tile(2 * Z, (50, 1)))
    assert not children()
    np.testing.assert_array_equal(help_(Z)[1], 2 * Z)


@pytest.mark.parametrize("piece, used", [(32, 4), (60, 2), (100, 2)])
def test_pieces_are_not_divided(piece, used, children):
    """Rows that are evaluated together are the same as in one process."""

    def slopes(z):
        values, pids = _slow(z)[0], np.empty(len(z))
        for begin in range(0, len(z), piece):
            pids[begin : begin + piece] = len(z[begin : begin + piece])
        return values, np.tile(pids[:, None], (1, 3))

    _slow = _Slow()
    with ForkedHelp(slopes, 3, 5, piece=piece) as help_:
        alone = slopes(Z)[1]
        pids, together = _dealt_out(help_)
        np.testing.assert_array_equal(together, alone)
        assert len(set(pids)) == used
        assert len(set(help_(Z[:piece])[0])) == 1


def test_pieces_may_be_more_than_is_dealt_out_at_once(monkeypatch, children):
    monkeypatch.setattr(_forked, "MOST_ROWS", 10)
    with ForkedHelp(_Slow(), 3, 3, piece=40) as help_:
        np.testing.assert_array_equal(_dealt_out(help_)[1], 2 * Z)
        assert len(children()) == 2


def test_every_process_works_alone(children):
    """This one, too, as long as there are others."""
    inside = []

    @contextlib.contextmanager
    def alone():
        inside.append(os.getpid())
        yield
        inside.pop()

    slow = _Slow()

    def slopes(z):
        return np.full(len(z), float(len(inside))), slow(z)[1]

    with ForkedHelp(slopes, 3, 3, alone) as help_:
        assert not help_(Z)[0].any() and help_(Z)[0].all()
        assert help_(Z[:1])[0].all()
    assert not inside and not help_(Z)[0].any()


def test_what_is_quick_needs_no_help(children):
    with ForkedHelp(lambda z: (z.sum(1), z), 3, 2) as help_:
        for _ in range(50):
            help_(Z)
        assert not children()


def test_threads_get_none():
    found = []

    def run():
        with ForkedHelp(_Slow(), 3, 2) as help_:
            found.append(_dealt_out(help_)[0])

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert set(found[0]) == {os.getpid()}
    with ForkedHelp(_Slow(), 3, 2) as help_:
        _dealt_out(help_)
        thread = threading.Thread(target=lambda: found.append(help_(Z)[0]))
        thread.start()
        thread.join()
        assert set(found[1]) == {os.getpid()} and len(set(help_(Z)[0])) == 2


def _pids(queue):
    with ForkedHelp(_Slow(), 3, 2) as help_:
        queue.put(len(set(_dealt_out(help_)[0])))


def test_processes_of_many_get_none():
    fork = multiprocessing.get_context("fork")
    queue = fork.Queue()
    process = fork.Process(target=_pids, args=(queue,))
    process.start()
    assert queue.get(timeout=60) == 1
    process.join()


def _kill(pid, sig):
    def act(z):
        if os.getpid() != pid:
            os.kill(os.getpid(), sig)
            time.sleep(5)

    return act


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM])
def test_the_rows_of_a_copy_that_is_lost_are_evaluated_here(sig, children):
    with ForkedHelp(_Slow(_kill(os.getpid(), sig)), 3, 3) as help_:
        for _ in range(3):
            pids, slopes = _dealt_out(help_)
            np.testing.assert_array_equal(slopes, 2 * Z)
        assert set(pids) == {os.getpid()} and not children()


def test_a_copy_that_was_killed_while_it_waited(children):
    with ForkedHelp(_Slow(), 3, 3) as help_:
        _dealt_out(help_)
        os.kill(children()[0], signal.SIGKILL)
        np.testing.assert_array_equal(help_(Z)[1], 2 * Z)
        np.testing.assert_array_equal(help_(Z)[1], 2 * Z)
        assert not children()


def _raise(kind, where):
    def act(z):
        if where(z):
            raise kind("of the function")

    return act


@pytest.mark.parametrize("kind, where", [
    (ValueError, lambda z: z[-1, 0] == Z[-1, 0]),  # the last share: a copy's
    (KeyboardInterrupt, lambda z: z[0, 0] == Z[0, 0]),  # the first: this process's
])  # fmt: skip
def test_what_is_raised_is_seen_and_no_copy_is_left(kind, where, children):
    with ForkedHelp(_Slow(_raise(kind, where)), 3, 3) as help_:
        with pytest.raises(kind, match="of the function"):
            _dealt_out(help_)
        assert not children()
        help_.function = _Slow()
        np.testing.assert_array_equal(help_(Z)[1], 2 * Z)


def test_a_ctrl_c_reaches_this_process_alone(children):
    """The terminal sends it to all of them."""

    def interrupt(z):
        if os.getpid() == here:
            for pid in [*children(), here]:
                os.kill(pid, signal.SIGINT)

    here, slow = os.getpid(), _Slow()
    with ForkedHelp(slow, 3, 3) as help_:
        _dealt_out(help_)
        slow.wrong = interrupt
        with pytest.raises(KeyboardInterrupt):
            help_(Z)
        assert not children()


def test_a_ctrl_c_amid_the_making_and_ending_of_copies_loses_none(monkeypatch, children):
    fork, wait = os.fork, os.waitpid

    def fork_and_interrupt():
        pid = fork()
        if pid:
            signal.raise_signal(signal.SIGINT)
        return pid

    def wait_and_interrupt(pid, options):
        if not options:
            signal.raise_signal(signal.SIGINT)
        return wait(pid, options)

    with ForkedHelp(_Slow(), 3, 3) as help_:
        monkeypatch.setattr(os, "fork", fork_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            _dealt_out(help_)
        assert not children()
    monkeypatch.setattr(os, "fork", fork)
    with pytest.raises(KeyboardInterrupt):
        with ForkedHelp(_Slow(), 3, 3) as help_:
            _dealt_out(help_)
            monkeypatch.setattr(os, "waitpid", wait_and_interrupt)


def test_a_copy_that_stands_still_is_given_up(monkeypatch, children):
    monkeypatch.setattr(_forked, "PATIENCE", 0.1)
    monkeypatch.setattr(_forked, "SLOWER", 0.0)
    with ForkedHelp(_Slow(), 3, 3) as help_:
        _dealt_out(help_)
        os.kill(children()[0], signal.SIGSTOP)
        np.testing.assert_array_equal(help_(Z)[1], 2 * Z)
        assert not children()


def test_a_program_that_dies_of_broken_pipes_does_not(children):
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        with ForkedHelp(_Slow(), 3, 3) as help_:
            _dealt_out(help_)
            for pid in children():
                os.kill(pid, signal.SIGKILL)
            np.testing.assert_array_equal(help_(Z)[1], 2 * Z)
    finally:
        signal.signal(signal.SIGPIPE, before)


def _throw(error):
    raise error


@pytest.mark.parametrize("module, name", [(os, "fork"), (socket, "socketpair"), (mmap, "mmap")])
@pytest.mark.parametrize(
    "error", [BlockingIOError("Resource temporarily unavailable"), MemoryError(), RuntimeError("no")]
)
def test_no_more_processes_or_memory_are_no_error(error, module, name, monkeypatch, children):
    monkeypatch.setattr(module, name, lambda *arguments: _throw(error))
    with ForkedHelp(_Slow(), 3, 3) as help_:
        np.testing.assert_array_equal(_dealt_out(help_)[1], 2 * Z)


@pytest.fixture
def process():
    """Mean field of a Gaussian process, whose points are evaluated one by one."""
    x = np.linspace(0, 1, 70)[:, None]
    with pymc3_vi.fast_build(), pm.Model() as model:
        length, noise = pm.Gamma("length", 2, 2), pm.HalfNormal("noise", 1.0)
        gp = pm.gp.Marginal(cov_func=pm.gp.cov.ExpQuad(1, length))
        y = np.sin(6 * x[:, 0]) + 0.1 * np.random.default_rng(1).normal(size=70)
        gp.marginal_likelihood("y", X=x, y=y, noise=noise)
    return pymc3_vi.fit(1000, model=model, random_seed=1, progressbar=False)


def test_chains_are_the_same_on_any_number_of_processes(process, monkeypatch, children):
    count, fork, found, forks = thread_count(), os.fork, [], []
    monkeypatch.setattr(os, "fork", lambda: forks.append(1) or fork())
    assert point_density(process).one_by_one
    try:
        for number in (1, 3):
            set_thread_count(number)
            chains = pymc3_vi.HMC(progressbar=False, modes=False)
            chains.most_steps = 200
            found.append(chains(process, 100, np.random.default_rng(1)))
    finally:
        set_thread_count(count)
    np.testing.assert_array_equal(found[0].z, found[1].z)
    assert found[0].run.evaluations == found[1].run.evaluations and len(forks) == 2 and not children()


@pytest.fixture
def line():
    """Mean field of a regression, whose points are evaluated together."""
    x = np.linspace(-1, 1, 3000)
    with pymc3_vi.fast_build(), pm.Model() as model:
        a, b = pm.Normal("a", 0, 1), pm.Normal("b", 0, 1)
        y = 1 + x + np.random.default_rng(1).standard_t(4, size=3000)
        pm.StudentT("y", nu=4, mu=a + b * x, sigma=pm.HalfNormal("s", 1), observed=y)
    return pymc3_vi.fit(1000, model=model, random_seed=1, progressbar=False)


def test_chains_of_points_that_are_evaluated_together_are_the_same_on_any_number(line, monkeypatch, children):
    monkeypatch.setattr(_forked, "BEFORE", 0.0)
    monkeypatch.setattr(_forked, "WORTH", 0.0)
    density, count, made, found = point_density(line), thread_count(), [], []
    copy = ForkedHelp._copy
    monkeypatch.setattr(ForkedHelp, "_copy", lambda self, number: made.append(number) or copy(self, number))
    assert not density.one_by_one and 1 < density.points_at_once < 256
    try:
        for number in (1, 2, 3):
            set_thread_count(number)
            found.append(pymc3_vi.HMC(progressbar=False)(line, 100, np.random.default_rng(1)).z)
            assert thread_count() == number
    finally:
        set_thread_count(count)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    assert made == [1, 1, 2] and not children()


def test_fits_are_the_same_on_any_number_of_processes_and_have_none_beside_callbacks(process, monkeypatch, children):
    """A callback may change the data, which copies would not know."""
    monkeypatch.setattr(_forked, "BEFORE", 0.0)
    count, fork, found, forks = thread_count(), os.fork, [], []
    monkeypatch.setattr(os, "fork", lambda: forks.append(1) or fork())
    model = process.model

    def fit(**options):
        approx = pymc3_vi.fit(500, model=model, random_seed=1, progressbar=False, **options)
        return approx.mean.eval(), approx.hist, len(forks)

    try:
        for number in (1, 2):
            set_thread_count(number)
            found.append(fit())
        alone, together, beside = *found, fit(callbacks=[lambda approx, losses, i: None])
    finally:
        set_thread_count(count)
    for other in (together, beside):
        np.testing.assert_array_equal(alone[0], other[0])
        np.testing.assert_array_equal(alone[1], other[1])
    assert [alone[2], together[2], beside[2]] == [0, 1, 1] and not children()


class _Asks(Op):
    """The square, of which it keeps a count outside, as an Op would that talks to another program."""

    __props__ = ()
    asked = []

    def make_node(self, x):
        return Apply(self, [tt.as_tensor_variable(x)], [tt.dscalar()])

    def perform(self, node, inputs, outputs):
        self.asked.append(os.getpid())
        outputs[0][0] = np.asarray(inputs[0] ** 2)

    def grad(self, inputs, grads):
        return [2 * grads[0] * inputs[0]]


@as_op(itypes=[tt.dscalar], otypes=[tt.dscalar])
def _asks(x):
    _Asks.asked.append(os.getpid())
    return np.asarray(x**2)


_asks.grad = lambda inputs, grads: [2 * grads[0] * inputs[0]]


def _in_a_loop(x):
    return theano.scan(lambda last: _asks(last), outputs_info=[x], n_steps=1)[0][-1]


@pytest.mark.parametrize("op", [_Asks(), _asks, _in_a_loop], ids=["class", "function", "in a loop"])
def test_ops_of_the_user_are_evaluated_in_this_process(op, monkeypatch, children):
    """Copies would share what such an Op talks to: a pipe, a file."""
    monkeypatch.setattr(_forked, "BEFORE", 0.0)
    monkeypatch.setattr(_forked, "WORTH", 0.0)
    with pymc3_vi.fast_build(), pm.Model() as model:
        a = pm.Normal("a", 0, 1)
        pm.Normal("y", op(a), 1.0, observed=np.ones(3000))
    density = point_density(pymc3_vi.MeanField(model=model))
    count, forks, fork = thread_count(), [], os.fork
    monkeypatch.setattr(os, "fork", lambda: forks.append(1) or fork())
    _Asks.asked.clear()
    set_thread_count(2)
    try:
        with density.many_calls():
            for _ in range(3):
                density.slopes(np.ones((500, 1)))
    finally:
        set_thread_count(count)
    assert not forks and set(_Asks.asked) == {os.getpid()}


def test_what_a_ctrl_c_leaves_ends_with_its_objects(line, monkeypatch, children):
    """It may come before Python reaches what ends a context."""
    monkeypatch.setattr(_forked, "BEFORE", 0.0)
    monkeypatch.setattr(_forked, "WORTH", 0.0)
    density, count = point_density(line), thread_count()
    function, z = density._function("slopes"), np.zeros((300, density.d))
    monkeypatch.setattr(ForkedHelp, "__exit__", lambda *args: None)
    threads = []
    set_thread_count(2)
    try:
        with density.many_calls():
            density.slopes(z), density.slopes(z)
            threads.append(thread_count())
            assert len(children()) == 1 and not function.fn.allow_gc
        gc.collect()
        assert threads == [1] and thread_count() == 2
        assert not children() and density._help() is None
        with density.many_calls():
            density.slopes(z), density.slopes(z)
            assert len(children()) == 1
    finally:
        set_thread_count(count)
