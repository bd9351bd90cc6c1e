"""Test problems: start values, the loss in Theano, its gradient in NumPy; and how the tests compile."""

import numpy as np
import theano
import theano.tensor as tt

# Python code only: no test here waits for a C compiler.
MODE = theano.Mode(linker="py", optimizer="fast_compile")

CURVATURE = np.array([1.0, 30.0, 1000.0])


class Quadratic:
    """Condition number 1000, in a vector and in a row matrix whose first axis is broadcastable."""

    start = [np.array([1.0, -2.0, 0.5]), np.array([[2.0, -1.0]])]
    broadcastable = [(False,), (True, False)]

    @staticmethod
    def loss(w, row):
        return 0.5 * tt.sum(CURVATURE.astype(w.dtype) * w**2) + tt.sum((row - 1) ** 2)

    @staticmethod
    def gradient(w, row):
        return [CURVATURE * w, 2 * (row - 1)]


class Rosenbrock:
    """The curved valley, in two 0-dimensional parameters."""

    start = [np.array(-1.2), np.array(1.0)]
    broadcastable = [(), ()]

    @staticmethod
    def loss(x, y):
        return (1 - x) ** 2 + 100 * (y - x**2) ** 2

    @staticmethod
    def gradient(x, y):
        return [-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)]


PROBLEMS = [Quadratic, Rosenbrock]


def shared_params(problem, dtype, broadcast=True):
    """Fresh shared variables at the problem's start, with its broadcast pattern or without any."""
    return [
        theano.shared(value.astype(dtype), f"p{k}", broadcastable=pattern if broadcast else None)
        for k, (value, pattern) in enumerate(zip(problem.start, problem.broadcastable))
    ]


def compile_step(updates):
    """Function without arguments that runs one step."""
    return theano.function([], [], updates=updates, mode=MODE)


def run_path(updates, params, n):
    """List of the parameter lists after steps 1 to n."""
    step = compile_step(updates)
    path = []
    for _ in range(n):
        step()
        path.append([p.get_value() for p in params])
    return path
