"""Run PyMC3's own tests of its variational module against this package.

Usage: python tests/parity/run_pymc3_tests.py [--stock] [pytest arguments]

The package is installed into PyMC3 before its test files are imported, so that everything they import from
``pymc3.variational`` is ours.  ``--stock`` leaves PyMC3 as it is, for the counts to compare with.
"""

import contextlib
import sys
from pathlib import Path

import pymc3_vi

import pymc3
import pytest
import theano

FILES = ["test_variational_inference.py", "test_updates.py"]

#: Tests that fail by design; docs/differences.md gives the reason of each.
DELIBERATE = Path(__file__).with_name("deliberate_differences.txt")


def deliberate_differences():
    """Names of the tests that are expected to fail, one a line; text behind ``#`` is ignored."""
    lines = [line.split("#")[0].strip() for line in DELIBERATE.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line]


class Report:
    """Collects outcomes by test name."""

    def __init__(self):
        self.outcomes = {}

    def pytest_runtest_logreport(self, report):
        name = report.nodeid.split("::", 1)[-1]
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[name] = report.outcome


def main(arguments):
    stock = "--stock" in arguments
    arguments = [a for a in arguments if a != "--stock"]
    if not stock:
        pymc3_vi.install()
    folder = Path(pymc3.__file__).parent / "tests"
    report = Report()
    flags = ["-p", "no:cacheprovider", "-q", "-x"] if "-x" in arguments else ["-p", "no:cacheprovider", "-q"]
    flags += [f"--rootdir={folder}", "-c", "/dev/null", "-W", "ignore"]
    # Theano's own functions (test values, .eval()) run in Python; fits compile.
    with contextlib.nullcontext() if stock else pymc3_vi.fast_build():
        pytest.main(flags + [str(folder / name) for name in FILES] + arguments, plugins=[report])
    counts = {o: sum(1 for x in report.outcomes.values() if x == o) for o in ("passed", "failed", "skipped")}
    print(f"{'pymc3.variational' if stock else 'pymc3_vi'}: {counts} (theano {theano.__version__})")
    if stock:
        return 0
    expected = deliberate_differences()
    failed = [n for n, o in report.outcomes.items() if o == "failed"]
    unexpected = [n for n in failed if not any(n.startswith(e) for e in expected)]
    for name in unexpected:
        print("unexpected failure:", name)
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
