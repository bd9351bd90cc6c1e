"""Breaks one place of the package at a time and runs the tests of its folder: which breaks are caught?

Usage: python scripts/mutate.py [FIRST LAST]   works on a copy of the tree in a temporary folder.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: File, what is there, what is put there, tests that should notice.
PLACES = [
    (
        "operators/_kl.py",
        "self.logq_norm - self.varlogp_norm",
        "self.logq_norm - 0.9 * self.varlogp_norm",
        "operators contracts",
    ),
    (
        "operators/_kl.py",
        "prior_part - self.datalogp_norm",
        "prior_part - 3 * self.datalogp_norm",
        "operators contracts",
    ),
    (
        "approximations/_full_rank.py",
        "- tt.sum(log_diagonal)",
        "+ tt.sum(log_diagonal)",
        "contracts/test_families.py contracts",
    ),
    ("approximations/_full_rank.py", "return -solved if", "return solved if", "contracts/test_families.py contracts"),
    (
        "test_functions/_rbf.py",
        "tt.exp(-H / (2 * h)), h",
        "tt.exp(-H / h), h",
        "test_functions/test_kernels.py test_functions",
    ),
    ("test_functions/_imq.py", "* (-beta / h)", "* (beta / h)", "test_functions/test_kernels.py test_functions"),
    (
        "test_functions/_distances.py",
        "(2 * tt.log(n + 1))",
        "(2 * tt.log(n))",
        "test_functions/test_kernels.py test_functions",
    ),
    (
        "flows/_planar.py",
        "square + (1.0 - square) * stretch",
        "square + (1.0 + square) * stretch",
        "flows/test_contract.py flows",
    ),
    ("flows/_radial.py", "(soft - alpha) * h", "(soft + alpha) * h", "flows/test_contract.py flows"),
    ("flows/_householder.py", "2.0 * inner(x, v)", "1.9 * inner(x, v)", "flows/test_contract.py flows"),
    (
        "updates/_adam.py",
        "tt.sqrt(1 - beta2**t) / (1 - beta1**t)",
        "tt.sqrt(1 - beta2**t)",
        "updates/test_rules.py updates",
    ),
    ("updates/_rmsprop.py", "tt.sqrt(accu_new + epsilon)", "tt.sqrt(accu + epsilon)", "updates/test_rules.py updates"),
    (
        "updates/_adadelta.py",
        "tt.sqrt(delta_accu + epsilon)",
        "tt.sqrt(accu + epsilon)",
        "updates/test_rules.py updates",
    ),
    (
        "updates/_constraints.py",
        "tt.minimum(norm, max_norm) / (norm + epsilon)",
        "tt.minimum(norm, max_norm) / (norm + 0.1)",
        "updates/test_constraints.py updates",
    ),
    (
        "diagnostics/_importance.py",
        "top + np.log(total) - np.log(len(raw))",
        "top + np.log(total)",
        "diagnostics/test_importance.py",
    ),
    (
        "diagnostics/_importance.py",
        "min(1.0 - 1.0 / np.log10(draws), 0.7)",
        "min(1.0 - 1.0 / np.log10(draws), 0.9)",
        "diagnostics/test_importance.py diagnostics/test_diagnose.py",
    ),
    (
        "diagnostics/_linear_response.py",
        "(REPLICATES * (REPLICATES - 1))",
        "(REPLICATES - 1)",
        "inference/dadvi diagnostics inference",
    ),
    ("correct/_convergence.py", "np.sqrt(1.0 + between /", "np.sqrt(1.0 + 0.1 * between /", "correct"),
    ("correct/_convergence.py", "/ (2 * sd)", "/ sd", "correct"),
    ("correct/_evidence.py", "0.5 * z.shape[1] * np.log(2 * np.pi)", "z.shape[1] * np.log(2 * np.pi)", "correct"),
    (
        "algorithms/stochastic/_annealed_adam.py",
        "sigma + tt.log(-tt.expm1(-sigma))",
        "sigma + tt.log(tt.expm1(sigma))",
        "inference/test_annealing.py",
    ),
    (
        "algorithms/newton/_newton.py",
        "self.values ** (-0.5 * length)",
        "self.values ** (-0.4 * length)",
        "inference/newton",
    ),
    (
        "algorithms/newton/_averaged_newton.py",
        "self._loaded = False  # from here",
        "pass  # from here",
        "inference/test_nothing_is_lost.py",
    ),
    ("algorithms/passes/_subsets.py", "total / rows)", "total / (2 * rows))", "algorithms"),
    ("many/_collection.py", "at += size", "at += 1", "many"),
    ("results/_loo.py", '"negative_log": -1', '"negative_log": 1', "results/test_loo.py"),
    (
        "graph/_layout.py",
        "slice(self.size, self.size + length)",
        "slice(self.size, self.size + max(length - 1, 1))",
        "core model",
    ),
    ("model/_view.py", '(t.kind == "prior") is prior', 't.kind == ("prior" if prior else "data")', "model"),
    ("steps/_left_out.py", "self.count += count", "self.count = count", "steps"),
    ("data/_order.py", "(i + 1) * self.batch_size)", "(i + 1) * self.batch_size - 1)", "data"),
]


def _files(name, tests, work):
    """Test files in the order in which they run: those named after the broken module first, then as they are listed."""
    stem = Path(name).stem.strip("_")
    files = []
    for test in tests.split():
        path = work / "tests" / test
        files += [path] if path.suffix else sorted(path.rglob("test_*.py"))
    return sorted(
        dict.fromkeys(files),
        key=lambda path: (stem not in path.stem, not set(stem.split("_")) & set(path.stem.split("_"))),
    )


def caught(place, work):
    """Whether the tests fail with one place broken, and the last line that they print."""
    name, here, instead, tests = place
    path = work / "pymc3_vi" / name
    text = path.read_text(encoding="utf-8")
    if here not in text:
        raise SystemExit(f"{name} has no {here!r} any more: change PLACES")
    path.write_text(text.replace(here, instead, 1), encoding="utf-8")
    try:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not slow"]
        paths = [str(path) for path in _files(name, tests, work)]
        environment = dict(os.environ, PYTHONPATH=str(work), PYMC3_VI_TEST_CACHE=str(work / f".theano{os.getpid()}"))
        run = subprocess.run(command + paths, cwd=work, env=environment, capture_output=True, text=True)
        return run.returncode == 1, run.stdout.strip().splitlines()[-1]
    finally:
        path.write_text(text, encoding="utf-8")


def main(first=0, last=None):
    """Try the places from `first` to before `last`."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "copy"
        shutil.copytree(ROOT, work, ignore=shutil.ignore_patterns(".venv", ".git", ".theano", ".matrix"))
        found = []
        for place in PLACES[first:last]:
            is_caught, said = caught(place, work)
            found.append(is_caught)
            print(
                f"{'caught' if is_caught else 'MISSED'}  {place[0]}: {place[1]!r} -> {place[2]!r}  ({said})", flush=True
            )
        print(f"{sum(found)} of {len(found)} caught")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
