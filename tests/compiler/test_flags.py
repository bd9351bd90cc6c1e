"""Flags of Theano that one thread changes are the others' as they were."""

import threading

import pymc3_vi
from pymc3_vi.compiler import _cxx_modules, compile_function, flags, process_value

import numpy as np
import pytest
import theano
import theano.tensor as tt


def in_another_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def test_a_flag_has_its_value_in_this_thread_alone():
    cxx = theano.config.cxx
    with flags(cxx="none", gcc__cxxflags="-O0"):
        assert theano.config.cxx == "none" and theano.config.gcc.cxxflags == "-O0"
        assert in_another_thread(lambda: theano.config.cxx) == process_value("cxx") == cxx
    assert theano.config.cxx == cxx and theano.config.gcc.cxxflags != "-O0"


def test_what_is_set_inside_ends_with_it():
    before = theano.config.compute_test_value
    with flags(compute_test_value="warn"):
        theano.config.compute_test_value = "raise"
        with theano.config.change_flags(compute_test_value="ignore"):
            assert theano.config.compute_test_value == "ignore"
        assert theano.config.compute_test_value == "raise"
        with flags(compute_test_value="off"):
            assert theano.config.compute_test_value == "off"
        assert theano.config.compute_test_value == "raise"
    assert theano.config.compute_test_value == before


def test_what_is_set_outside_is_set_for_all():
    before = theano.config.warn_float64
    with theano.config.change_flags(warn_float64="warn"):
        assert in_another_thread(lambda: theano.config.warn_float64) == "warn"
    assert theano.config.warn_float64 == before


def test_exceptions_and_wrong_values():
    before = theano.config.compute_test_value
    with pytest.raises(KeyError, match="inside"), flags(compute_test_value="raise", cxx=""):
        raise KeyError("inside")
    with pytest.raises(ValueError, match="no-such"), flags(compute_test_value="no-such"):
        pass
    assert theano.config.compute_test_value == before == process_value("compute_test_value")


def test_fast_build_hides_the_compiler_from_its_own_thread():
    with pymc3_vi.fast_build():
        assert theano.config.cxx == "" and in_another_thread(lambda: theano.config.cxx) == process_value("cxx")


def test_functions_are_compiled_in_many_threads():
    """Each thread sees test values and flags of its own; the functions are right."""
    results, errors, start = {}, [], threading.Barrier(6)

    def work(k):
        try:
            start.wait()
            with flags(compute_test_value="raise") if k % 2 else pymc3_vi.fast_build():
                x = tt.dvector()
                x.tag.test_value = np.ones(2)
                function = compile_function([x], tt.exp(x * (k + 1)).sum(), engine=["island", "exact"][k // 3])
            results[k] = float(function([1.0, 0.0]))
        except BaseException as error:
            errors.append(error)

    names = ("cxx", "compute_test_value", "blas__ldflags", "gcc__cxxflags", "traceback__limit")
    before, command = {name: process_value(name) for name in names}, _cxx_modules._command
    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    np.testing.assert_allclose([results[k] for k in range(6)], np.exp(np.arange(1.0, 7.0)) + 1, rtol=1e-14)
    assert before == {name: process_value(name) for name in before} and _cxx_modules._command is command
