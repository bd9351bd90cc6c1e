"""Edits for NumPy 2, which changed what numbers of mixed precision give, and its C interface.

The first two patches keep results right: without them there is no error, only precision that is lost.  The rest would
be errors, when C code is compiled or a function is called.
"""

import numpy as np

from ._patch import SourceEdits

__all__ = ["EDITS"]

NUMPY_2 = np.lib.NumpyVersion(np.__version__) >= "2.0.0a0"

EDITS = [
    SourceEdits(
        "precision_of_constants",
        "A Python number compared with a NumPy one takes its precision: every float equals its float32, so that Theano "
        "stores np.pi as a float32, and ints out of range become uint64.",
        {
            "theano.scalar.basic": [(r"if np\.all\(x == x_\):", "if np.all(np.asarray(x) == x_):")],
            "theano.misc.safe_asarray": [
                (r"\nimport numpy as np\n", "\nimport numpy as np; from pymc3_vi.compat._numbers import as_array\n"),
                (r"np\.asarray\(a, dtype=dtype, order=order\)", "as_array(a, dtype=dtype, order=order)"),
            ],
        },
        NUMPY_2,
    ),
    SourceEdits(
        "precision_of_python_code",
        "The Python code of scalar Ops gets Python numbers, which take the precision of constants and casts they meet.",
        {
            "theano.scalar.basic": [
                (r"\nimport numpy as np\n", "\nimport numpy as np; from pymc3_vi.compat._numbers import typed\n"),
                (r"return np\.float32\(1\.0\) / x", "return np.float64(1.0) / x"),
                (
                    r"(def perform\(self, node, inputs, output_storage\):\n)"
                    r"(        for storage, impl in zip\(output_storage, self\._impls\):)",
                    r"\1        inputs = typed(inputs)\n\2",
                ),
            ],
            "theano.tensor.elemwise": [
                (r"\nimport numpy as np\n", "\nimport numpy as np; from pymc3_vi.compat._numbers import as_array\n"),
                (r"variable = np\.asarray\(variable, dtype=nout\.dtype\)", "variable = as_array(variable, nout.dtype)"),
            ],
        },
        NUMPY_2,
    ),
    SourceEdits(
        "random_streams",
        "The mask of the generator behind minibatches does not fit into the int32 that it meets.",
        {"theano.sandbox.rng_mrg": [(r"mask = 0xFFFFFFFF", "mask = np.int64(0xFFFFFFFF)")]},
        NUMPY_2,
    ),
    SourceEdits(
        "dtype_of_a_variable",
        "In theano.gradient a variable stands where a dtype belongs, which newer NumPy does not take.",
        {"theano.gradient": [(r"g_out\.zeros_like\(g_out\)", "g_out.zeros_like()")]},
        NUMPY_2,
    ),
    SourceEdits(
        "one_value",
        "An array of one value is not accepted for a number any more.",
        {
            "pymc3.backends.ndarray": [
                (
                    r"data\[key\]\[self\.draw_idx\] = val",
                    "data[key][self.draw_idx] = np.reshape(val, data[key].shape[1:]) if np.size(val) == 1 else val",
                )
            ]
        },
        NUMPY_2,
    ),
    SourceEdits(
        "c_interface",
        "C code of Theano names what NumPy 2 renamed or made private.",
        {
            "theano.link.c.cmodule": [
                (
                    r'(cxxflags\.append\("-DNPY_NO_DEPRECATED_API=NPY_1_7_API_VERSION"\))',
                    r'\1; cxxflags.append("-DNPY_TARGET_VERSION=NPY_2_0_API_VERSION")',
                )
            ],
            "theano.link.c.basic": [(r"np\.core\._multiarray_umath", "np._core._multiarray_umath")],
            "theano.link.c.lazylinker_c": [
                (
                    r"code = open\(cfile\)\.read\(\)",
                    "from pymc3_vi.compat._c_code import OLD_NAMES; code = OLD_NAMES + open(cfile).read()",
                )
            ],
            "theano.tensor.inc_code": [(r"(?s)\A.*\Z", "from pymc3_vi.compat._c_code import inc_code  # noqa\n")],
            "theano.tensor.basic": [(r"\bNPY_MAXDIMS\b", "NPY_RAVEL_AXIS")],
            "theano.tensor.extra_ops": [(r"\bNPY_MAXDIMS\b", "NPY_RAVEL_AXIS")],
            "theano.tensor.subtensor": [(r"\bNPY_MAXDIMS\b", "NPY_RAVEL_AXIS")],
            "theano.scalar.basic": [
                (
                    r"(struct theano_complex%\(nbits\)s) : public npy_complex%\(nbits\)s\s*\{",
                    r"\1\n            { npy_float%(half_nbits)s real, imag;",
                )
            ],
        },
        NUMPY_2,
    ),
]
