"""Theano graphs to running functions: rewriting, C++ modules and their cache, many points in one graph."""

from ._blas_threads import small_algebra, with_small_algebra
from ._building import building, without_test_values
from ._config import clear_cache, show_config
from ._cxx_modules import compile_count
from ._flags import THREAD_FLAGS, flags, process_value
from ._function import ENGINES, calls_done, compile_function, memory_kept, release_memory, run_steps
from ._linear_algebra import with_linear_algebra_in_c
from ._pattern import with_pattern
from ._test_values import compute_test_value, fast_build
from ._undefined import UNDEFINED, as_undefined
from ._users_ops import users_ops
from .ops._threads import one_thread, set_thread_count, thread_count

__all__ = [
    "ENGINES",
    "THREAD_FLAGS",
    "UNDEFINED",
    "as_undefined",
    "building",
    "calls_done",
    "clear_cache",
    "compile_count",
    "compile_function",
    "compute_test_value",
    "fast_build",
    "flags",
    "process_value",
    "memory_kept",
    "release_memory",
    "run_steps",
    "one_thread",
    "set_thread_count",
    "show_config",
    "small_algebra",
    "thread_count",
    "users_ops",
    "with_linear_algebra_in_c",
    "with_pattern",
    "with_small_algebra",
    "without_test_values",
]
