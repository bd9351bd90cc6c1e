"""One package on one model, in a process of its own; prints the times as lines of JSON.

``fit`` makes the package's own default fit and draws from it: one line.  ``step`` compiles a fit by Adam, then answers
every line of its input with a line: ``step`` times further steps, ``loss`` fits anew with a falling rate and tells the
loss in the end.  Every phase is a pair of wall seconds and processor seconds, those of compilers included.
"""

import argparse
import contextlib
import json
import logging
import resource
import sys
import time
from importlib import import_module

__all__ = ["PACKAGES"]

RATE = 1e-3

#: Rates of the fit for the loss, one after the other: the first travel, the last leaves little noise of its own.
FALLING = (0.1, 0.03, 0.01, 0.003, 0.001)

#: Steps that are slower than this many seconds are extrapolated from fewer than a whole fit takes.
SLOW = 2e-3


class Phases(dict):
    """Name of a phase -> [wall, processor] seconds."""

    @staticmethod
    def _now():
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.perf_counter(), time.process_time() + children.ru_utime + children.ru_stime

    @contextlib.contextmanager
    def __call__(self, name):
        before = self._now()
        yield
        self[name] = [after - start for after, start in zip(self._now(), before)]


class PyMC:
    """What PyMC3, PyMC 5 and this package have in common."""

    package, symbolic = "pymc3", "theano"

    def load(self):
        self.pm, self.tt = import_module(self.package), import_module(self.symbolic + ".tensor")
        self.vi = self.pm

    def build(self, name, data):
        from benchmarks.models_pymc import build  # here, because importing it is not what is timed

        self.full_rank = name.startswith("full-rank")
        with self.building():
            self.model = build(name, self.pm, self.tt, data)

    def building(self):
        return contextlib.nullcontext()

    def compile(self, **options):
        with self.model:
            self.inference = (self.vi.FullRankADVI if self.full_rank else self.vi.ADVI)(random_seed=1)
            if options:  # the loss of all data, as the other packages have it; not in the package's own fit
                self.inference.approx.scale_cost_to_minibatch = False
            self.inference.fit(1, progressbar=False, **options)

    def compile_adam(self):
        self.compile(obj_optimizer=self.vi.adam(learning_rate=RATE))

    def compile_fit(self, n):
        self.compile()

    def steps(self, n):
        self.inference.refine(n, progressbar=False)
        return n

    def fit(self, n, seconds):
        return extrapolated(self.steps, n, seconds)

    def sample(self, n):
        self.inference.approx.sample(n)

    def losses(self, n, scale):
        rate = import_module(self.symbolic).shared(scale * FALLING[0])
        self.compile(obj_optimizer=self.vi.adam(learning_rate=rate))
        for value in FALLING:
            rate.set_value(scale * value)
            self.steps(n)
        return self.inference.hist[-n:]


class PyMC5(PyMC):
    package, symbolic = "pymc", "pytensor"


class PyMC3VI(PyMC):
    def load(self):
        self.vi = import_module("pymc3_vi")
        self.pm, self.tt = import_module("pymc3"), import_module(self.symbolic + ".tensor")

    def building(self):
        return self.vi.fast_build()

    def compile_fit(self, n):
        with self.model:
            self.inference = (self.vi.FullRankADVI if self.full_rank else self.vi.ADVI)(random_seed=1)
            self.inference.fit(0, progressbar=False)

    def fit(self, n, seconds):
        phases = Phases()
        with phases("fit"):
            self.inference.fit(n, progressbar=False)
        return {**phases, "steps": n}


class NumPyro:
    """A scan over steps in one compiled function, which is the fastest way there; double precision as the others."""

    chunk = 100

    def load(self):
        self.numpyro, self.jax = import_module("numpyro"), import_module("jax")
        import_module("numpyro.infer.autoguide")
        self.numpyro.enable_x64()

    def build(self, name, data):
        from benchmarks.models_numpyro import build

        self.full_rank = name.startswith("full-rank")
        self.model = build(name, data)

    def compile(self, rate):
        infer, guides = self.numpyro.infer, self.numpyro.infer.autoguide
        guide = guides.AutoMultivariateNormal if self.full_rank else guides.AutoNormal
        # The prior's middle, as in PyMC, and not anywhere: a mixture has several optima.
        self.guide = guide(self.model, init_loc_fn=infer.init_to_median)
        self.svi = infer.SVI(self.model, self.guide, self.numpyro.optim.Adam(rate), infer.Trace_ELBO())
        self.state = self.svi.init(self.jax.random.PRNGKey(1))
        body = lambda state, _: self.svi.update(state)  # noqa: E731
        self.run = self.jax.jit(lambda state: self.jax.lax.scan(body, state, None, length=self.chunk))
        self.run = self.run.lower(self.state).compile()

    def compile_adam(self):
        self.compile(RATE)

    def compile_fit(self, n):
        self.compile(RATE)

    def steps(self, n):
        chunks = max(1, n // self.chunk)
        self.hist = []
        for _ in range(chunks):
            self.state, losses = self.run(self.state)
            self.hist.append(losses)
        losses.block_until_ready()
        return self.chunk * chunks

    def fit(self, n, seconds):
        return extrapolated(self.steps, n, seconds)

    def sample(self, n):
        params = self.svi.get_params(self.state)
        draws = self.guide.sample_posterior(self.jax.random.PRNGKey(2), params, sample_shape=(n,))
        self.jax.block_until_ready(draws)

    def losses(self, n, scale):
        jnp = self.jax.numpy
        rates = scale * jnp.array(FALLING)
        self.compile(lambda i: rates[jnp.minimum(i // n, len(FALLING) - 1)])
        self.steps(n * len(FALLING))
        return jnp.concatenate(self.hist)[-n:]


PACKAGES = {"pymc3_vi": PyMC3VI, "pymc3": PyMC, "pymc5": PyMC5, "numpyro": NumPyro}


def extrapolated(steps, n, seconds):
    """Phase ``fit`` of `n` steps and the ``steps`` that were timed, fewer where they are slow and take `seconds`."""
    phases = Phases()
    with phases("first"):
        first = steps(min(n, 200))
    rest = n - first
    if rest <= 0:
        return {"fit": phases["first"], "steps": first}
    each = phases["first"][1] / first
    wanted = rest if each <= SLOW else min(rest, max(first, int(seconds / each)))
    with phases("more"):
        more = steps(wanted)
    fit = [begin + rest / more * later for begin, later in zip(phases["first"], phases["more"])]
    return {"fit": fit, "steps": first + more}


def _time_steps(package, seconds):
    """[wall, processor] seconds of one step, over about `seconds`."""
    trial = Phases()
    with trial("first"):
        done = package.steps(100)
    n = int(min(max(seconds * done / max(trial["first"][1], 1e-9), 20), 50000))
    with trial("steps"):
        n = package.steps(n)
    return [t / n for t in trial["steps"]]


def _one_pass(data):
    """Wall and processor seconds of reading the data once: the least that a step can take."""
    trials = []
    for _ in range(20):
        phases = Phases()
        with phases("pass"):
            for array in data.values():
                array.sum()
        trials.append(phases["pass"])
    return sorted(trials)[len(trials) // 2]


def _loss(package, n, scale):
    """Mean of the last `n` losses and its standard error, from the means of 20 batches."""
    import numpy as np

    losses = np.asarray(package.losses(n, scale), dtype="float64")
    means = [batch.mean() for batch in np.array_split(losses, 20)]
    return [float(np.mean(means)), float(np.std(means, ddof=1) / np.sqrt(len(means)))]


def _print(answer):
    print(json.dumps(answer), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.worker")
    parser.add_argument("package", choices=list(PACKAGES))
    parser.add_argument("model")
    parser.add_argument("job", choices=["step", "fit"])
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--fit-steps", type=int, default=20000)
    parser.add_argument("--fit-seconds", type=float, default=10.0)
    parser.add_argument("--loss-steps", type=int, default=3000)
    parser.add_argument("--loss-scale", type=float, default=1.0)
    parser.add_argument("--draws", type=int, default=1000)
    options = parser.parse_args()

    package, phases = PACKAGES[options.package](), Phases()
    with phases("import"):
        package.load()
    from benchmarks.data import data_of  # after the package, whose import NumPy's would be part of

    logging.disable(logging.WARNING)  # PyMC reports the loss of every fit
    data = data_of(options.model)
    with phases("build"):
        package.build(options.model, data)
    if options.job == "fit":
        with phases("compile"):
            package.compile_fit(options.fit_steps)
        phases.update(package.fit(options.fit_steps, options.fit_seconds))
        if options.draws:
            with phases("sample"):
                package.sample(options.draws)
        _print(phases)
        return
    with phases("compile"):
        package.compile_adam()
    phases["pass"] = _one_pass(data)
    package.steps(100)
    _print(phases)
    for line in sys.stdin:
        if line.strip() == "step":
            _print({"step": _time_steps(package, options.seconds)})
        else:
            _print({"loss": _loss(package, options.loss_steps, options.loss_scale)})


if __name__ == "__main__":
    main()
