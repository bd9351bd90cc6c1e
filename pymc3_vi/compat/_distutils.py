"""What Theano takes from distutils and numpy.distutils, which Python 3.12 and later do not have.

In Theano's modules this one stands for both packages, so that neither has to be made up for everybody else.
"""

import shutil
import sysconfig as _sysconfig
from types import SimpleNamespace

import numpy as np

__all__ = ["misc_util", "spawn", "sysconfig"]


def _python_include(plat_specific=False):
    return _sysconfig.get_path("platinclude" if plat_specific else "include")


def _python_lib(plat_specific=False, standard_lib=False):
    if standard_lib:
        return _sysconfig.get_path("platstdlib" if plat_specific else "stdlib")
    return _sysconfig.get_path("platlib" if plat_specific else "purelib")


sysconfig = SimpleNamespace(
    get_config_var=_sysconfig.get_config_var,
    get_config_h_filename=_sysconfig.get_config_h_filename,
    get_python_version=_sysconfig.get_python_version,
    get_python_inc=_python_include,
    get_python_lib=_python_lib,
)
spawn = SimpleNamespace(find_executable=shutil.which)
misc_util = SimpleNamespace(get_numpy_include_dirs=lambda: [np.get_include()])
# What NumPy was linked with: as on Python 3.11, nothing that Theano could link with.
__config__ = SimpleNamespace(blas_opt_info={})
