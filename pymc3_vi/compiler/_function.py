"""The one way in which the package makes a Theano function."""

import sys

import theano
from theano.compile.mode import Mode, get_mode, predefined_optimizers
from theano.graph.optdb import Query
from theano.link.basic import PerformLinker
from theano.link.utils import raise_with_op
from theano.link.vm import VMLinker

from ..registry import Registry
from ._blas import capsule_flags
from ._building import building
from ._compiled_function import CompiledFunction
from ._cxx_modules import active_cxx
from ._fallbacks import fall_back
from ._flags import alone, flags
from ._island_linker import IslandLinker, IslandsUnavailable, IslandVM
from ._kept_rewrites import KeepingMode
from ._rewrites import EXACT_REWRITES, FAST_REWRITES, PYTHON_REWRITES

__all__ = [
    "ENGINES",
    "calls_done",
    "compile_function",
    "default_mode_query",
    "memory_kept",
    "release_memory",
    "run_steps",
]

ENGINES = Registry("engine")

#: Rewrites that are never left out, and optimizers of Theano that lack them.
_STABLE = ("canonicalize", "stabilize", "specialize")
_QUICK = ("fast_compile", "merge", "o2")


#: Products that are also taken without a factor would be taken twice; the factor costs nothing in a loop.
_WASTEFUL = {"local_dot22_to_dot22scalar"}


def default_mode_query(has_compiler=True):
    """Query of the graph rewrites that Theano's flags ask for.

    Theano decides at import whether rewrites that only pay with a compiler are left out; here `has_compiler` says so.
    """
    chosen = predefined_optimizers[theano.config.optimizer]
    if any(chosen is predefined_optimizers[name] for name in (None, *_QUICK)):
        chosen = predefined_optimizers["fast_run"]
    exclude = set(chosen.exclude) - {"cxx_only"}
    query = Query(
        include=list(chosen.include),
        require=list(chosen.require),
        exclude=list(exclude | _WASTEFUL | (set() if has_compiler else {"cxx_only", "fusion"})),
        position_cutoff=chosen.position_cutoff,
    )
    for flag, method in (("including", "including"), ("excluding", "excluding"), ("requiring", "requiring")):
        tags = [tag for tag in getattr(theano.config, f"optimizer_{flag}").split(":") if tag]
        if flag == "excluding":
            tags = [tag for tag in tags if tag not in _STABLE]
        if tags:
            query = getattr(query, method)(*tags)
    return query


def _stable_mode(mode=None):
    """A mode (None: that of Theano's flags) with all rewrites where it would leave out those for stability.

    Without them gradients of log densities are NaN in the tails.  Where no compiler is to be used, loops over elements
    stay those of NumPy: a fused one calls Python for every element.
    """
    by_flags = mode is None
    mode = get_mode(mode or theano.config.mode)
    is_quick = any(mode.provided_optimizer is predefined_optimizers[name] for name in _QUICK)
    if type(mode) is Mode and (is_quick or by_flags and not theano.config.cxx):
        return Mode(mode.provided_linker, default_mode_query(False))
    return mode


def _stock_function(inputs, outputs, mode=None, **kwargs):
    """`theano.function` but for the test values that an open model context demands, and for `_stable_mode`."""
    with alone(), flags(compute_test_value="off"):
        return theano.function(inputs, outputs, mode=_stable_mode() if mode is None else mode, **kwargs)


def _flags_want_stock():
    """Whether Theano's flags choose another mode, linker or a profile, which is then respected."""
    config = theano.config
    return (
        config.mode not in ("Mode", "FAST_RUN")
        or config.linker not in ("cvm", "vm")
        or config.profile
        or config.optimizer not in predefined_optimizers
    )


def _island_function(inputs, outputs, **kwargs):
    """Islands with fused loops."""
    return _with_islands(inputs, outputs, [FAST_REWRITES, EXACT_REWRITES], kwargs)


_MEND = " Install a C++ compiler that works, or name it in Theano's flag cxx; pymc3_vi.show_config() tells which it is."


def _with_islands(inputs, outputs, choices, kwargs):
    """Function of islands, with the first of `choices` of rewrites that compiles; otherwise a stock function."""
    if _flags_want_stock():
        return _stock_function(inputs, outputs, **kwargs)
    cxx = active_cxx()
    if not cxx:
        return _python_function(inputs, outputs, **kwargs)
    reasons = []
    for rewrites in choices:
        try:
            # Rewriting sees no compiler, so that folding constants compiles nothing; NumPy computes them.
            with building(cxx=""), capsule_flags():
                mode = KeepingMode(IslandLinker(cxx), default_mode_query()).register(*rewrites)
                function = theano.function(inputs, outputs, mode=mode, **kwargs)
        except IslandsUnavailable as error:
            reasons.append(str(error))
        else:
            if reasons:
                fall_back("Loops are not fused", reasons[0])
            return function
    try:
        with flags(cxx=cxx):
            function = _stock_function(inputs, outputs, **kwargs)
    except Exception as error:  # Theano has no exception of its own for a compiler that does not work
        reasons.append(f"Theano's stock linker failed: {error}")
        fall_back("Functions run in Python, slowly", "; ".join(dict.fromkeys(reasons)), _MEND)
        return _python_function(inputs, outputs, **kwargs)
    fall_back("Theano's stock linker is used", reasons[-1])
    return function


def _python_function(inputs, outputs, **kwargs):
    """A function that needs no compiler."""
    with alone(), flags(compute_test_value="off", cxx=""):
        mode = Mode(VMLinker(use_cloop=False, c_thunks=False), default_mode_query(False)).register(*PYTHON_REWRITES)
        return theano.function(inputs, outputs, mode=mode, **kwargs)


ENGINES.register("island", _island_function, aliases=("default",))
ENGINES.register("theano", _stock_function, aliases=("stock",))


def compile_function(
    inputs,
    outputs=None,
    updates=None,
    givens=None,
    *,
    engine="island",
    mode=None,
    on_unused_input="ignore",
    name=None,
    stable=False,
    **fn_kwargs,
):
    """Compile a Theano function.

    Parameters
    ----------
    inputs, outputs, updates, givens, on_unused_input, name
        As for `theano.function`.
    engine : str
        Name in `ENGINES`.  ``"island"`` makes one C++ module of the whole graph, with elementwise expressions and sums
        over the same range fused into one loop, and falls back to Theano's stock linker where it cannot.  ``"theano"``
        is the stock linker; fused loops and the contraction of other products differ from it by rounding.
    mode : str or Mode, optional
        A Theano mode; if it or ``profile`` is given, `theano.function` is called as it is.
    stable : bool
        Whether a `mode` that leaves out rewrites for numerical stability, ``FAST_COMPILE`` say, gets them all the same.
        Flags of Theano that say so always do.
    **fn_kwargs
        Passed to `theano.function`.

    Returns
    -------
    CompiledFunction
        Threads that call it at the same time wait for each other.

    Raises
    ------
    UnknownNameError
        When there is no such engine.

    Notes
    -----
    Test values are switched off while the function is compiled, so that it can be called inside a model context.
    """
    compile_with = ENGINES.get(engine)
    if name is None:  # as Theano names it, which reads the source of the whole stack for that
        caller = sys._getframe(1)
        name = f"{caller.f_code.co_filename}:{caller.f_lineno}"
    arguments = dict(updates=updates, givens=givens, on_unused_input=on_unused_input, name=name, **fn_kwargs)
    if mode is not None or fn_kwargs.get("profile"):
        # `fast_build` hides the compiler from Theano; a function in Python folds its constants without compiling them.
        in_python = isinstance(get_mode(mode or theano.config.mode).linker, PerformLinker)
        with flags(cxx="" if in_python else active_cxx()):
            made = _stock_function(inputs, outputs, mode=_stable_mode(mode) if stable else mode, **arguments)
    else:
        made = compile_with(inputs, outputs, **arguments)
    return CompiledFunction.of(made)


def run_steps(function, k, keep_memory=False):
    """Call a function without arguments `k` times, with no Python in between where its linker can do so.

    Parameters
    ----------
    function : theano Function
        Takes no arguments; its updates are what makes the calls differ.
    k : int
    keep_memory : bool
        Keep the temporaries for the next call, until ``release_memory``, where the linker can do so.

    Notes
    -----
    An exception in a step surfaces as it would from ``function()``; the updates of the steps before it are kept.
    A signal handler that raises (Ctrl-C) stops between two steps.
    """
    if k <= 0:
        return
    virtual_machine = function.fn
    if not _runs_many(virtual_machine):
        for _ in range(k):
            function()
            virtual_machine.calls_done = calls_done(function, 0) + 1
        return
    try:
        if isinstance(virtual_machine, IslandVM):
            virtual_machine(n_calls=k, keep_memory=keep_memory)
        else:
            virtual_machine(n_calls=k)
    except Exception:
        position = virtual_machine.position_of_error
        raise_with_op(
            function.maker.fgraph,
            node=virtual_machine.nodes[position],
            thunk=virtual_machine.thunks[position],
            storage_map=virtual_machine.storage_map,
        )


def calls_done(function, unknown=None):
    """How many calls of `function` through :func:`run_steps` were completed; `unknown` where nothing counts them."""
    return getattr(function.fn, "calls_done", unknown)


def release_memory(function):
    """Free the temporaries that :func:`run_steps` kept."""
    if isinstance(function.fn, IslandVM):
        function.fn.release()


class memory_kept:
    """Context in which calls keep their temporaries for the next one, where the linker can do so.

    What a call gives lies in memory of the next one, too: copy it before, while the function is held.  A Ctrl-C may
    come before Python reaches what ends a context: this one ends when its object is gone at the latest.
    """

    def __init__(self, function):
        self._function, self._keeps = function, False

    def __enter__(self):
        virtual_machine = self._function.fn
        if isinstance(virtual_machine, IslandVM) and virtual_machine.allow_gc:
            self._keeps, virtual_machine.allow_gc = True, False
        return self

    def __exit__(self, *exc_info):
        if not self._keeps:
            return
        with self._function.held():
            self._function.fn.allow_gc = True
            self._function.fn.release()
        self._keeps = False

    def __del__(self):
        self.__exit__()


def _runs_many(virtual_machine):
    # CVM, Theano's own loop in C, is a type that exists only once it has been compiled.
    is_loop = isinstance(virtual_machine, IslandVM) or type(virtual_machine).__name__ in ("CVM", "CLazyLinker")
    return is_loop and not getattr(virtual_machine, "time_thunks", 0)
