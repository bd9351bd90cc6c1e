"""Log p of every model of the zoo and its gradient, as Python 3.10 and NumPy 1.22 compute them.

``python -m tests.compat.zoo_values`` writes the file, and refuses to on another Python.
"""

import json
import sys
from pathlib import Path

from pymc3_vi.compiler import compile_function

import numpy as np
import theano
import theano.tensor as tt
from theano.compile.mode import Mode

from tests.compiler import exact_engine  # noqa: F401  (registers it)
from tests.zoo import ZOO, dimension, split, start_vector

FILE = Path(__file__).resolve().parents[1] / "references" / "zoo_values.json"
#: No more elements of a gradient are stored; of longer ones every k-th.
LONGEST = 12


def _unoptimized(inputs, outputs):
    with theano.config.change_flags(cxx=""):
        return theano.function(inputs, outputs, mode=Mode("py", None))


def _python(inputs, outputs):
    with theano.config.change_flags(cxx=""):
        return theano.function(inputs, outputs, mode=Mode("py", "fast_run"))


def _compiled(inputs, outputs):
    return compile_function(inputs, outputs, engine="exact")


#: Ways of running a graph: Python code as built, Python code after Theano's rewriting, Theano's C code.
LINKERS = {"as built": _unoptimized, "python": _python, "c": _compiled}


def evaluate(name, linker):
    """Log p at a point beside the model's test point, norm of the gradient there, and elements of it."""
    model = ZOO[name]()
    z = tt.dvector()
    with theano.config.change_flags(compute_test_value="off"):
        logp = theano.clone(model.logpt, replace=split(model, z))
        function = LINKERS[linker]([z], [logp, theano.grad(logp, z)])
    point = start_vector(model) + 0.1 * np.cos(1.0 + np.arange(dimension(model)))
    value, gradient = function(point)
    every = -(-gradient.size // LONGEST)
    return {"logp": float(value), "norm": float(np.linalg.norm(gradient)), "gradient": gradient[::every].tolist()}


def main():
    if sys.version_info[:2] != (3, 10):
        sys.exit("The values are those of Python 3.10, before anything of Theano was changed.")
    lines = [f" {json.dumps(name)}: {json.dumps(evaluate(name, 'as built'))}" for name in sorted(ZOO)]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{len(lines)} models, {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
