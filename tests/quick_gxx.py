"""How tests call g++: with headers parsed once, and once for all workers; the fast tier without optimization.

The slow tier runs the code that users get.  Without optimization results differ by rounding, and no test of the fast
tier may depend on which products are contracted to fused multiply-adds.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from pymc3_vi.compiler import _cxx_modules
from pymc3_vi.compiler._flags import flags

import theano
from theano.compile.mode import Mode
from theano.graph.basic import Variable
from theano.link.c import cmodule
from theano.link.vm import VMLinker

LEVEL = "-O0"

_LINKER = ["-fuse-ld=gold"] if shutil.which("ld.gold") else []  # a quarter of the time
_OPTIMIZATION, _FLAGS = _cxx_modules.OPTIMIZATION, theano.config.gcc__cxxflags
_ENGINES_HEADERS = (
    "math.h cmath string.h signal.h pthread.h unistd.h Python.h theano_mod_helper.h numpy/arrayobject.h "
    "numpy/arrayscalars.h numpy/npy_math.h vector algorithm"
)
_THEANOS_HEADERS = (
    "Python.h iostream theano_mod_helper.h math.h numpy/arrayobject.h numpy/arrayscalars.h vector algorithm"
)


def optimize(wanted):
    """Let the engine and Theano compile as users do, or not (Theano's own flags come last of all, and rule)."""
    _cxx_modules.OPTIMIZATION = _OPTIMIZATION if wanted else (LEVEL,)
    theano.config.gcc__cxxflags = _FLAGS if wanted else f"{_FLAGS} {LEVEL}"


def python_eval(eval_variable):
    """`Variable.eval` with a function in Python: for one call g++ takes longer than it saves."""
    mode = Mode(VMLinker(use_cloop=False, c_thunks=False), "fast_run").excluding("fusion")

    def evaluate(self, inputs_to_values=None):
        inputs = tuple(sorted(inputs_to_values or {}, key=id))
        functions = self.__dict__.setdefault("_fn_cache", {})
        if inputs not in functions and theano.config.gcc__cxxflags != _FLAGS:
            with flags(cxx=""):
                functions[inputs] = theano.function(inputs, self, mode=mode)
        return eval_variable(self, inputs_to_values)

    return evaluate


def _key(*parts):
    """Name for what this compiler makes of `parts`."""
    return hashlib.sha256("\0".join([theano.configdefaults.gcc_version_str, *parts]).encode()).hexdigest()[:32]


def _parsed(base, options, headers):
    """Header file for ``-include`` that g++ has parsed for these options (or just a file of includes if it cannot)."""
    options = [option for option in options if not option.startswith(("-I", "-L", "-W"))]
    options += [f"-I{folder}" for folder in cmodule.std_include_dirs()]
    header = base / "headers" / _key(headers, *options) / "all.h"
    if not header.exists():
        header.parent.mkdir(parents=True, exist_ok=True)
        own = header.with_name(f"{os.getpid()}.h")
        own.write_text("".join(f"#include <{name}>\n" for name in headers.split()))
        made = subprocess.run([*options, "-x", "c++-header", str(own), "-o", f"{own}.gch"], capture_output=True)
        if made.returncode == 0:
            os.replace(f"{own}.gch", f"{header}.gch")
        os.replace(own, header)
    return header


def engines_compiler(base, run_compiler):
    """`run_compiler` of the engine that reads the common headers as g++ has parsed them."""

    def run(command, source, target):
        options = command[: command.index("-x")] if "-x" in command else []
        if command[0] != theano.config.cxx or not options:
            return run_compiler(command, source, target)
        header = _parsed(base, options, _ENGINES_HEADERS)
        return run_compiler([*options, *_LINKER, "-include", str(header), *command[len(options) :]], source, target)

    return run


def theanos_compiler(base, run_command):
    """`output_subprocess_Popen` of Theano's linker, which compiles each source once for all processes.

    Theano names a module after its content, but looks for it in the cache of one process.
    """

    def run(command, **kwargs):
        if command[:2] != [theano.config.cxx, cmodule.get_gcc_shared_library_arg()]:
            return run_command(command, **kwargs)
        end = command.index("-o")
        target, source = command[end + 1 : end + 3]
        options = [option for option in command[:end] if option != "-g"]
        text = Path(source).read_text()
        kept = base / "theano" / f"{_key(*options, *command[end + 3 :], os.path.basename(target), text)}.so"
        if kept.exists():
            shutil.copy(kept, target)
            return b"", b"", 0
        header = _parsed(base, options, _THEANOS_HEADERS)
        result = run_command([*options, *_LINKER, "-include", str(header), *command[end:]], **kwargs)
        if result[2] == 0:
            kept.parent.mkdir(exist_ok=True)
            own = kept.with_name(f"{os.getpid()}.so")
            shutil.copy(target, own)
            os.replace(own, kept)
        return result

    return run


def install(base):
    """Act on this process, with what is shared under `base`."""
    _cxx_modules._run_compiler = engines_compiler(base, _cxx_modules._run_compiler)
    cmodule.output_subprocess_Popen = theanos_compiler(base, cmodule.output_subprocess_Popen)
    Variable.eval = python_eval(Variable.eval)
