"""Steps of models that contain a recursion over time, and seconds of their first fit.

``python -m benchmarks.recursions [--stock] [MODEL ...]`` prints a table; with ``--stock`` PyMC3's ADVI as well, which
takes minutes to compile each.  A run is a process of its own with an empty cache of compiled code: three steps of
mean-field ADVI with Adam, compiling included, then the median time of a step in five runs.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time

import pymc3_vi

import numpy as np
import pymc3 as pm
import theano
import theano.tensor as tt

__all__ = ["MODELS", "main"]

LENGTH = 200


def _arma(rng):
    """ARMA(1, 1), its errors by a recursion."""
    y = 0.1 * np.cumsum(rng.standard_normal(LENGTH))
    sigma, mean = pm.HalfCauchy("sigma", 5.0), pm.Normal("mean", 0.0, 10.0)
    phi, theta = pm.Normal("phi", 0.0, 2.0), pm.Normal("theta", 0.0, 2.0)
    errors, _ = theano.scan(
        lambda before, now, error, mean, phi, theta: now - (mean + phi * before + theta * error),
        sequences=dict(input=tt.as_tensor_variable(y), taps=[-1, 0]),
        outputs_info=[y[0] - mean - phi * mean],
        non_sequences=[mean, phi, theta],
    )
    pm.Potential("likelihood", pm.Normal.dist(0.0, sigma=sigma).logp(errors).sum())


def _garch(rng):
    """PyMC3's GARCH(1, 1)."""
    omega, alpha = pm.HalfNormal("omega", 1.0), pm.Beta("alpha", 1.0, 1.0)
    beta = pm.Uniform("beta", 0.0, 1.0 - alpha)
    returns = rng.standard_normal(LENGTH)
    pm.GARCH11("returns", omega=omega, alpha_1=alpha, beta_1=beta, initial_vol=np.float64(1.0), observed=returns)


def _ode(rng):
    """Predators and prey: 50 steps of Runge and Kutta."""
    h, steps = 0.1, 50

    def slopes(x, y, a, b):
        return x * (a - b * y), y * (b * x - a)

    def step(x, y, a, b):
        k1 = slopes(x, y, a, b)
        k2 = slopes(x + h / 2 * k1[0], y + h / 2 * k1[1], a, b)
        k3 = slopes(x + h / 2 * k2[0], y + h / 2 * k2[1], a, b)
        k4 = slopes(x + h * k3[0], y + h * k3[1], a, b)
        return [v + h / 6 * (p + 2 * q + 2 * r + s) for v, p, q, r, s in zip((x, y), k1, k2, k3, k4)]

    path = [(1.0, 0.5)]
    for _ in range(steps):
        path.append(step(*path[-1], 1.0, 0.8))
    observed = np.log(path[1:]) + 0.1 * rng.standard_normal((steps, 2))
    a, b, sigma = pm.HalfNormal("a", 1.0), pm.HalfNormal("b", 1.0), pm.HalfNormal("sigma", 0.5)
    begin = [tt.constant(np.float64(v)) for v in path[0]]
    (x, y), _ = theano.scan(step, outputs_info=begin, non_sequences=[a, b], n_steps=steps)
    pm.Normal("y", tt.log(tt.stack([x, y], axis=1)), sigma, observed=observed)


def _hmm(rng):
    """Forward recursion of a hidden Markov model of two states, on vectors."""
    y = np.concatenate([rng.standard_normal(LENGTH // 2), 3 + rng.standard_normal(LENGTH // 2)])
    mean, stay = pm.Normal("mean", np.array([0.0, 3.0]), 1.0, shape=2), pm.Beta("stay", 5.0, 1.0, shape=2)
    moves = tt.log(tt.stack([tt.stack([stay[0], 1 - stay[0]]), tt.stack([1 - stay[1], stay[1]])]))
    terms = pm.Normal.dist(mean, 1.0).logp(tt.as_tensor_variable(y)[:, None])
    forward, _ = theano.scan(
        lambda term, last, moves: pm.math.logsumexp(last[:, None] + moves, axis=0).flatten() + term,
        sequences=[terms[1:]],
        outputs_info=[terms[0] + np.log(0.5)],
        non_sequences=[moves],
    )
    pm.Potential("likelihood", pm.math.logsumexp(forward[-1]))


MODELS = {"ARMA(1, 1)": _arma, "GARCH(1, 1)": _garch, "ODE": _ode, "HMM": _hmm}


def _one(package, name, steps):
    """In a process of its own."""
    rng = np.random.default_rng(1)
    with pymc3_vi.fast_build() if package is pymc3_vi else contextlib.nullcontext(), pm.Model() as model:
        MODELS[name](rng)
    adam = package.adam if package is pymc3_vi else package.updates.adam
    with model:
        begin = time.perf_counter()
        inference = package.ADVI(random_seed=1)
        inference.fit(3, obj_optimizer=adam(learning_rate=1e-3), progressbar=False)
        first, taken = time.perf_counter() - begin, []
        for _ in range(5):
            begin = time.perf_counter()
            inference.refine(steps, progressbar=False)
            taken.append(1e6 * (time.perf_counter() - begin) / steps)
    print(json.dumps({"first": first, "step": float(np.median(taken))}))


def main(arguments=None):
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--stock", action="store_true", help="PyMC3's ADVI as well")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        kind, name = options.one
        return _one(pymc3_vi, name, 10_000) if kind == "pymc3_vi" else _one(pm, name, 200)
    print("| model | package | first fit, s | step, µs |\n| --- | --- | ---: | ---: |")
    for name in options.models or MODELS:
        for kind in ["pymc3_vi"] + ["PyMC3"] * options.stock:
            with tempfile.TemporaryDirectory() as folder:
                environment = {**os.environ, "THEANO_FLAGS": f"base_compiledir={folder}"}
                command = [sys.executable, "-W", "ignore", "-m", "benchmarks.recursions", "--one", kind, name]
                run = subprocess.run(command, env=environment, check=True, capture_output=True)
            found = json.loads(run.stdout.splitlines()[-1])
            print(f"| {name} | {kind} | {found['first']:.1f} | {found['step']:.1f} |", flush=True)


if __name__ == "__main__":
    main()
