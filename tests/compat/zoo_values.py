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
    """Log p of a model and its gradient at its point, computed in one of these ways."""
    model = ZOO[name]()
    z = tt.dvector()
    with theano.config.change_flags(compute_test_value="off"):
        logp = theano.clone(model.logpt, replace=split(model, z))
        function = LINKERS[linker]([z], [logp, theano.grad(logp, z)])
    return function(_point(model))


def at_its_point(model, function):
    """Log p and its gradient where they are stored, by a function of a point that gives two terms and the gradient."""
    first, second, gradient = function(_point(model))
    return first + second, gradient


def _point(model):
    return start_vector(model) + 0.1 * np.cos(1.0 + np.arange(dimension(model)))


def summary(value, gradient):
    """Log p at a point beside the model's test point, norm of the gradient there, and elements of it."""
    every = -(-gradient.size // LONGEST)
    return {"logp": float(value), "norm": float(np.linalg.norm(gradient)), "gradient": gradient[::every].tolist()}


def check(name, value, gradient):
    """Compare with what is stored of the model."""
    stored, found = json.loads(FILE.read_text())[name], summary(value, gradient)
    np.testing.assert_allclose(found["logp"], stored["logp"], rtol=1e-12)
    np.testing.assert_allclose(found["norm"], stored["norm"], rtol=1e-11)
    np.testing.assert_allclose(found["gradient"], stored["gradient"], rtol=1e-9, atol=1e-11 * stored["norm"])


def main():
    if sys.version_info[:2] != (3, 10):
        sys.exit("The values are those of Python 3.10, before anything of Theano was changed.")
    lines = [f" {json.dumps(name)}: {json.dumps(summary(*evaluate(name, 'as built')))}" for name in sorted(ZOO)]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{len(lines)} models, {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
