"""What the package runs on, and its cache of compiled code."""

import importlib.metadata
import os
import platform

from theano import config

from ..parameters import checked
from ._blas_threads import blas_threads
from ._cxx_modules import CompileError, active_cxx, compiler_version
from ._module_files import cache_dir, cached_files
from .ops._threads import thread_count

__all__ = ["clear_cache", "show_config", "version_of"]

_PACKAGES = ("pymc3_vi", "pymc3", "Theano-PyMC", "arviz", "numpy", "scipy")


def version_of(package):
    """Version of a distribution, as it was installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _compiler():
    cxx = active_cxx()
    if not cxx:
        return "none: functions run in Python, slowly; install g++ and start again"
    try:
        return f"{cxx} {compiler_version(cxx)}"
    except CompileError as error:
        return f"{cxx}, which does not work ({error}): functions run in Python, slowly"


def _sizes():
    sizes = []
    for path in cached_files(cache_dir()):
        try:
            sizes.append(os.path.getsize(path))
        except OSError:  # another process has just removed it
            pass
    return sizes


@checked
def show_config(print_it=True):
    """Show versions, the compiler, the BLAS in use and the cache of compiled code.

    Parameters
    ----------
    print_it : bool
        If False, nothing is printed.

    Returns
    -------
    dict
        Name of a setting -> text or number: what is printed.

    Examples
    --------
    >>> import pymc3_vi
    >>> settings = pymc3_vi.show_config(print_it=False)
    >>> sorted(settings)[:3]
    ['Theano-PyMC', 'arviz', 'blas']
    """
    libraries = [f"{path} ({count} threads outside of fits, 1 inside)" for path, count in blas_threads()]
    sizes = _sizes()
    settings = {"python": platform.python_version(), "platform": platform.platform()}
    settings.update((package, version_of(package)) for package in _PACKAGES)
    settings["compiler"] = _compiler()
    settings["blas"] = "through SciPy: " + (", ".join(libraries) or "a library whose threads are not known")
    settings["threads of long loops"] = thread_count()
    settings["theano blas flags"] = config.blas__ldflags or "none"
    settings["floatX"] = config.floatX
    settings["cache"] = cache_dir()
    settings["cache files"] = len(sizes)
    settings["cache MiB"] = round(sum(sizes) / 2**20, 1)
    if print_it:
        width = max(map(len, settings))
        print("\n".join(f"{name:{width}}  {value}" for name, value in settings.items()))
    return settings


def clear_cache():
    """Remove the compiled code and the rewritten graphs that the package keeps on disk.

    What this process has loaded goes on working; other processes and the next start compile anew.  Theano's own cache
    is left alone (``theano-cache purge`` removes it).

    Returns
    -------
    int
        Number of files removed.
    """
    removed = 0
    for path in cached_files(cache_dir()):
        try:
            os.unlink(path)
            removed += 1
        except OSError:  # another process was faster, or the directory cannot be written
            pass
    return removed
