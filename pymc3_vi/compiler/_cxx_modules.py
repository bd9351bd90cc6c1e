"""One g++ call for one source, and a cache of what it made.

A module is named after a hash of everything that it depends on: source, command line, compiler version, Python and
NumPy.
"""

import contextlib
import hashlib
import importlib.machinery
import importlib.util
import logging
import os
import platform
import subprocess
import sys
import tempfile
import threading

import numpy as np
from theano.configdefaults import config, gcc_version_str
from theano.link.c import cmodule

from ._flags import flags, process_value
from ._module_files import cache_dir, find_module, put_module, temporary_path

__all__ = [
    "CompileError",
    "active_cxx",
    "compile_count",
    "compile_module",
    "compiler_version",
]

logger = logging.getLogger("pymc3_vi")

#: stands in a source for the name of the module, which contains the hash of the source
MODULE_NAME = "@PV_MODULE@"

#: Level of optimization.  -O3 takes up to three times as long to compile and runs no faster on this kind of code.  Of
#: the rest, "expensive" optimizations contract products and sums to fused multiply-adds, at no cost.
OPTIMIZATION = ("-O1", "-fexpensive-optimizations")

_lock = threading.Lock()
_modules = {}
_versions = {config.cxx: gcc_version_str} if config.cxx else {}
_state = {"calls": 0}


class CompileError(Exception):
    """The compiler is missing or refused the source."""


def compile_count():
    """Number of times that this process has called the C++ compiler through the engine."""
    return _state["calls"]


def active_cxx():
    """Command of the C++ compiler, empty if there is none.

    Theano's flag `cxx` rules, except inside `fast_build`, which clears the flag only for PyMC3's test values.
    """
    return process_value("cxx") or ""


def compiler_version(cxx):
    """Version that the compiler `cxx` states; CompileError if it cannot be run."""
    if cxx not in _versions:
        try:
            _versions[cxx] = subprocess.run(
                [cxx, "-dumpversion"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            ).stdout.strip()
        except OSError as error:
            raise CompileError(f"The compiler {cxx!r} cannot be run: {error}") from error
    return _versions[cxx]


def _cpu_identity():
    """Text that differs between processors for which ``-march=native`` means different things."""
    try:
        with open("/proc/cpuinfo") as lines:
            return "".join(sorted({line for line in lines if line.startswith(("flags", "model name", "Features"))}))
    except OSError:
        return platform.processor() + platform.machine()


def _native_flags():
    if "-march=" in config.gcc__cxxflags or "-mcpu=" in config.gcc__cxxflags or sys.platform == "darwin":
        return []
    return ["-march=native"] if platform.machine().lower() in ("x86_64", "amd64", "i686", "aarch64") else []


def _command(cxx, arguments, include_dirs, lib_dirs, libs):
    """Compiler command without source and output."""
    with flags(cxx=cxx):
        general = cmodule.GCC_compiler.compile_args(march_flags=False)
    given = [flag for flag in arguments if not flag.startswith("-O")]
    options = [*OPTIMIZATION, "-g0", "-DNDEBUG", "-w", "-fno-math-errno", "-fvisibility=hidden"]
    options += [*_native_flags(), *(flag for flag in general if not flag.startswith("-O"))]
    options += [flag for flag in given if flag not in options]
    include_dirs = [d for d in [*include_dirs, *cmodule.std_include_dirs()] if d]
    lib_dirs = [d for d in [*lib_dirs, *cmodule.std_lib_dirs()] if d]
    return (
        [cxx, cmodule.get_gcc_shared_library_arg(), *options, *(f"-I{d}" for d in include_dirs)],
        [*(f"-L{d}" for d in lib_dirs), *(f"-l{name}" for name in [*libs, *cmodule.std_libs()])],
    )


def _run_compiler(command, source, target):
    _state["calls"] += 1
    try:
        done = subprocess.run(
            command, input=source.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=tempfile.gettempdir()
        )
    except OSError as error:
        raise CompileError(f"The compiler {command[0]!r} cannot be run: {error}") from error
    if done.returncode or not os.path.exists(target):
        message = done.stdout.decode(errors="replace")
        errors = [line for line in message.splitlines() if "error" in line] or message.splitlines()
        raise CompileError(f"{command[0]} failed: {errors[0] if errors else 'without a message'}")


def _load(name, path):
    loader = importlib.machinery.ExtensionFileLoader(name, path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


def compile_module(source, cxx, arguments=(), include_dirs=(), lib_dirs=(), libs=()):
    """Extension module made from C++ `source`, compiled at most once.

    Parameters
    ----------
    source : str
        Complete text, in which `MODULE_NAME` stands for the module's name.
    cxx : str
        The compiler.
    arguments, include_dirs, lib_dirs, libs : sequences of str
        What the Ops and types ask for.

    Raises
    ------
    CompileError
        When the compiler cannot be run, refuses the source, or makes something that cannot be loaded.
    """
    if not cxx:
        raise CompileError("There is no C++ compiler (Theano's flag cxx is empty).")
    head, tail = _command(cxx, arguments, include_dirs, lib_dirs, libs)
    parts = [source, *head, *tail, compiler_version(cxx), sys.version, np.__version__, _cpu_identity()]
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
    with _lock:
        if key in _modules:
            return _modules[key]
        name = f"pv_{key}"
        directory = cache_dir()
        for attempt in range(2):
            path = find_module(directory, name)
            if path is None:
                temporary = temporary_path(directory, name)
                try:
                    command = [*head, "-x", "c++", "-", "-x", "none", "-o", temporary, *tail]
                    _run_compiler(command, source.replace(MODULE_NAME, name), temporary)
                    path = put_module(temporary, directory, name)
                except OSError as error:
                    raise CompileError(f"Compiled code cannot be written to {directory}: {error}") from error
                finally:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(temporary)
            try:
                module = _modules[key] = _load(name, path)
                return module
            except ImportError as error:  # a whole file of another machine, in a copied directory
                logger.debug("%s cannot be loaded (%s); it is compiled anew.", path, error)
                if attempt:
                    raise CompileError(f"The compiled module cannot be loaded: {error}") from error
                with contextlib.suppress(FileNotFoundError):  # `clear_cache` in another process
                    os.unlink(path)
