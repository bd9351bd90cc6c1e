"""Edits for Python 3.12 and later, and for NumPy 1.24 and later, without which nothing can be imported."""

import sys

import numpy as np

from ._patch import SourceEdits

__all__ = ["EDITS"]

PYTHON_312 = sys.version_info >= (3, 12)
# Python 3.12 comes with NumPy 1.26, older ones with 1.23: the names in between need no edits of their own.
_EXCEPTIONS = "np.exceptions." if hasattr(np, "exceptions") else "np."

EDITS = [
    SourceEdits(
        "distutils",
        "distutils and numpy.distutils left Python and NumPy with Python 3.12.",
        {
            "theano.configdefaults": [
                (r"import distutils\.spawn\n", "from pymc3_vi.compat import _distutils as distutils\n")
            ],
            "theano.link.c.cmodule": [
                (r"\nimport distutils\.sysconfig\n", "\nfrom pymc3_vi.compat import _distutils as distutils\n"),
                (r"\nimport numpy\.distutils\n", "\nnumpy_distutils = distutils\n"),
                (r"\n    import numpy\.distutils  # noqa\n", "\n\n"),
                (r"import numpy\.distutils\.system_info  # noqa", "pass"),
                (r"hasattr\(numpy\.distutils,", "hasattr(numpy_distutils,"),
                (r"\bnumpy\.distutils\.", "numpy_distutils."),
            ],
            "theano.tensor.blas": [
                (r"\nimport numpy\.distutils\n", "\n\n"),
                (r"import numpy\.distutils\.__config__  # noqa", "pass"),
            ],
        },
        PYTHON_312,
    ),
    SourceEdits(
        "pkg_resources",
        "theano.gpuarray.linalg, imported with the first scan, takes one exception of setuptools, which may be absent.",
        {
            "theano.gpuarray.linalg": [
                (r"import pkg_resources\n", "from types import SimpleNamespace\n"),
                (r"pkg_resources\.DistributionNotFound", "ImportError"),
                (r"from numpy\.linalg\.linalg import", "from numpy.linalg import"),
            ]
        },
        PYTHON_312,
    ),
    SourceEdits(
        "numpy_names",
        "NumPy 1.20 to 1.26 took away np.complex, np.int, np.float, np.MachAr, and numpy.testing.Tester.",
        {
            "theano.scalar.basic": [
                (r"self\.ctor = getattr\(np, o_type\.dtype\)", "self.ctor = np.dtype(o_type.dtype).type"),
                (r"\bnp\.complex\b", "complex"),
                (r"np\.product\(", "np.prod("),
                (r"np\.cast\[x\.type\]\((\d)\)", r"np.asarray(\1, dtype=x.type.dtype)"),
            ],
            # `complex` is a function of Theano in that module
            "theano.tensor.basic": [
                (r"\bnp\.complex\b", "builtins.complex"),
                (r"\bnp\.AxisError\b", f"{_EXCEPTIONS}AxisError"),
            ],
            "theano.tensor.slinalg": [(r"\bnp\.ComplexWarning\b", f"{_EXCEPTIONS}ComplexWarning")],
            "theano.tensor.nnet.conv": [(r"\bnp\.ComplexWarning\b", f"{_EXCEPTIONS}ComplexWarning")],
            "theano.tensor.nnet.abstract_conv": [(r"\bnp\.ComplexWarning\b", f"{_EXCEPTIONS}ComplexWarning")],
            "theano.tensor.nnet.bn": [
                (r"np\.cast\[config\.floatX\]\(epsilon\)", "np.asarray(epsilon, dtype=config.floatX)")
            ],
            "theano.tensor.random.basic": [(r"otypes=\[np\.int\]", "otypes=[int]")],
            "theano.tensor.elemwise": [(r"np\.sctype2char\(out_dtype\)", "np.dtype(out_dtype).char")],
            "theano.tensor.blas": [(r"z\.itemset\((z \* a \+ b \* np\.dot\(x, y\))\)", r"z[...] = \1")],
            "theano.compile.debugmode": [(r"(storage_map\[r\]\[0\])\.itemset\((dr_vals\[r\]\[0\])\)", r"\1[...] = \2")],
            "theano.printing": [(r"\.tostring\(\)", ".tobytes()")],
            "pymc3.distributions.dist_math": [(r"np\.MachAr\(\)\.eps", "np.finfo(np.float64).eps")],
            "pymc3.step_methods.mlda": [(r"np\.float\(0\.0\)", "0.0")],
            "pymc3.tests": [
                (r"from numpy\.testing import Tester\n", "\n"),
                (r"test = Tester\(\)\.test", "test = None"),
            ],
        },
        PYTHON_312,
    ),
    SourceEdits(
        "flat_axis",
        "np.MAXDIMS is gone, which Theano gives for cumulative sums of whole arrays.",
        {
            "theano.tensor.extra_ops": [
                (r"np\.MAXDIMS", "np.iinfo(np.intc).min" if np.lib.NumpyVersion(np.__version__) >= "2.0.0a0" else "32")
            ]
        },
        PYTHON_312,
    ),
    SourceEdits(
        "worker_processes",
        "Processes that do not come from a fork import PyMC3 first, which needs this package before it.",
        {
            "pymc3.parallel_sampling": [
                (r"\bmp_ctx\.Process\(", "mp_ctx.Process("),
                (r"target=_run_process,", "target=__import__('pymc3_vi.compat._worker', fromlist=['run']).run,"),
            ]
        },
        PYTHON_312,
    ),
]
