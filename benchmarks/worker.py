"""One run of one package on one model, in a process of its own; prints the times as one line of JSON.

``step`` compiles a fit by ADVI with Adam and times further steps; ``fit`` makes the package's own default fit and
draws from it.  Every phase is a pair of wall seconds and processor seconds, those of compilers included.
"""
import argparse
import contextlib
import json
import logging
import resource
import time
from importlib import import_module

__all__ = ["PACKAGES"]

RATE = 1e-3


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

    package, symbolic = "pymc3", "theano.tensor"

    def load(self):
        self.pm, self.tt = import_module(self.package), import_module(self.symbolic)
        self.vi = self.pm

    def build(self, name, data):
        from benchmarks.models_pymc import build  # here, because importing it is not what is timed

        self.full_rank = name.startswith("full-rank")
        with self.building():
            self.model = build(name, self.pm, self.tt, data)

    def building(self):
        return contextlib.nullcontext()

    def compile(self):
        with self.model:
            self.inference = (self.vi.FullRankADVI if self.full_rank else self.vi.ADVI)(random_seed=1)
            self.inference.fit(1, progressbar=False, obj_optimizer=self.vi.adam(learning_rate=RATE))

    def steps(self, n):
        self.inference.refine(n, progressbar=False)
        return n

    def fit(self, n):
        method = "fullrank_advi" if self.full_rank else "advi"
        with self.model:
            self.approx = self.vi.fit(n, method=method, progressbar=False, random_seed=1)

    def sample(self, n):
        self.approx.sample(n)


class PyMC5(PyMC):
    package, symbolic = "pymc", "pytensor.tensor"


class PyMC3VI(PyMC):
    def load(self):
        self.vi = import_module("pymc3_vi")
        self.pm, self.tt = import_module("pymc3"), import_module(self.symbolic)

    def building(self):
        return self.vi.fast_build()


class NumPyro:
    """A scan over steps in one compiled function, which is the fastest way there; double precision as the others."""

    chunk = 100

    def load(self):
        self.numpyro, self.jax = import_module("numpyro"), import_module("jax")
        import_module("numpyro.infer.autoguide")
        self.numpyro.enable_x64()

    def build(self, name, data):
        from benchmarks.models_numpyro import build

        infer, guides = self.numpyro.infer, self.numpyro.infer.autoguide
        model = build(name, data)
        guide = guides.AutoMultivariateNormal if name.startswith("full-rank") else guides.AutoNormal
        self.guide = guide(model)
        self.svi = infer.SVI(model, self.guide, self.numpyro.optim.Adam(RATE), infer.Trace_ELBO())

    def compile(self):
        self.state = self.svi.init(self.jax.random.PRNGKey(1))
        body = lambda state, _: self.svi.update(state)  # noqa: E731
        self.run = self.jax.jit(lambda state: self.jax.lax.scan(body, state, None, length=self.chunk))
        self.run = self.run.lower(self.state).compile()

    def steps(self, n):
        n = self.chunk * max(1, n // self.chunk)
        for _ in range(n // self.chunk):
            self.state, losses = self.run(self.state)
        losses.block_until_ready()
        return n

    def fit(self, n):
        self.result = self.svi.run(self.jax.random.PRNGKey(1), n, progress_bar=False)
        self.result.losses.block_until_ready()

    def sample(self, n):
        draws = self.guide.sample_posterior(self.jax.random.PRNGKey(2), self.result.params, sample_shape=(n,))
        self.jax.block_until_ready(draws)


PACKAGES = {"pymc3_vi": PyMC3VI, "pymc3": PyMC, "pymc5": PyMC5, "numpyro": NumPyro}


def _time_steps(package, seconds):
    """[wall, processor] seconds of one step, over about `seconds`."""
    package.steps(20)
    begin = time.perf_counter()
    done = package.steps(100)
    n = int(min(max(seconds * done / (time.perf_counter() - begin), 20), 50000))
    trial = Phases()
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.worker")
    parser.add_argument("package", choices=list(PACKAGES))
    parser.add_argument("model")
    parser.add_argument("job", choices=["step", "fit"])
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--fit-steps", type=int, default=20000)
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
    if options.job == "step":
        with phases("compile"):
            package.compile()
        phases["step"] = _time_steps(package, options.seconds)
        phases["pass"] = _one_pass(data)
    else:
        with phases("fit"):
            package.fit(options.fit_steps)
        with phases("sample"):
            package.sample(options.draws)
    print(json.dumps(phases))


if __name__ == "__main__":
    main()
