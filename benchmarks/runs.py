"""Processes of `benchmarks.worker` and their caches; every failure comes back as ``{"error": its words}``."""

import contextlib
import json
import shutil
import subprocess
import tempfile
import threading

from benchmarks.environments import BENCH, ROOT, environment, interpreter

__all__ = ["Steps", "fits"]

CACHES = BENCH / "caches"


def _command(package, model, job, options, draws=0):
    command = [interpreter(package), "-m", "benchmarks.worker", package, model, job]
    for name in ("seconds", "fit_steps", "fit_seconds", "loss_steps", "loss_scale"):
        command += ["--" + name.replace("_", "-"), str(getattr(options, name))]
    return command + ["--draws", str(draws)]


def _error(stderr):
    return {"error": (stderr.strip().splitlines() or ["no message"])[-1]}


def _fit(package, model, cache, options, draws):
    try:
        done = subprocess.run(
            _command(package, model, "fit", options, draws),
            env=environment(package, cache, options.threads),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=options.timeout,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"more than {options.timeout:g} s"}
    return json.loads(done.stdout.strip().splitlines()[-1]) if not done.returncode else _error(done.stderr)


def fits(package, model, options, draws):
    """Pairs of ``"cold"`` or ``"warm"`` and the phases of a fit; the warm one finds what the cold one compiled."""
    CACHES.mkdir(parents=True, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="cache", dir=CACHES)
    try:
        cold = _fit(package, model, folder, options, draws)
        if "cold" in options.cache:
            yield "cold", cold
        if "warm" in options.cache and "error" not in cold:
            yield "warm", _fit(package, model, folder, options, draws)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Steps(contextlib.AbstractContextManager):
    """A process that has compiled the step of a package on a model and takes steps when asked to.

    ``begun`` holds the phases until then.  What it compiled stays in a cache that all steps of the package share.
    """

    def __init__(self, package, model, options):
        self.timeout = options.timeout
        cache = CACHES / f"{package}-steps"
        cache.mkdir(parents=True, exist_ok=True)
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            _command(package, model, "step", options),
            env=environment(package, cache, options.threads),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            universal_newlines=True,
        )
        self.begun = self._answer()

    def _answer(self):
        timer = threading.Timer(self.timeout, self.process.kill)
        timer.start()
        try:
            line = self.process.stdout.readline()
        finally:
            timer.cancel()
        if line:
            return json.loads(line)
        if self.process.wait() == -9:
            return {"error": f"killed, perhaps after {self.timeout:g} s"}
        self.errors.seek(0)
        return _error(self.errors.read())

    def ask(self, question):
        """The answer of the process to ``"step"`` or ``"loss"``."""
        if self.process.poll() is not None:
            return {"error": "ended before"}
        print(question, file=self.process.stdin, flush=True)
        return self._answer()

    def __exit__(self, *exception):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        if exception[0] is not None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()
