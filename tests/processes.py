"""Python processes for tests, forked from one that has imported the package already: that takes three seconds anew."""

import contextlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
import textwrap
import threading

_FORKS, _lock = multiprocessing.get_context("forkserver"), threading.Lock()


def _child(script, environment, folder):
    for number, name in ((1, "out"), (2, "err")):
        with open(os.path.join(folder, name), "wb") as file:
            os.dup2(file.fileno(), number)
    sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))
    os.environ.clear()
    os.environ.update(environment)
    try:
        exec(compile(script, "<script>", "exec"), {"__name__": "__main__"})
    finally:
        sys.stdout.flush()


def forked(script, check=True, **environment):
    """Run `script` in a process that has imported the package and compiled nothing; variables are set after that.

    Returns a ``subprocess.CompletedProcess`` with texts.
    """
    with tempfile.TemporaryDirectory() as folder:
        context = dict(os.environ, **environment)
        _FORKS.set_forkserver_preload(["pymc3_vi"])
        process = _FORKS.Process(target=_child, args=(textwrap.dedent(script), context, folder))
        with _lock, _no_main():
            process.start()
        process.join()
        out, err = (open(os.path.join(folder, name)).read() for name in ("out", "err"))
    assert not check or process.exitcode == 0, err
    return subprocess.CompletedProcess(["forked"], process.exitcode, out, err)


@contextlib.contextmanager
def _no_main():
    """The child need not import the program that runs the tests."""
    main = sys.modules["__main__"]
    kept = {name: main.__dict__.pop(name) for name in ("__file__",) if name in main.__dict__}
    spec, main.__spec__ = main.__spec__, None
    try:
        yield
    finally:
        main.__spec__ = spec
        main.__dict__.update(kept)
