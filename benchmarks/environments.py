"""The environments that the packages run in: interpreters, caches and threads."""

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["BENCH", "PEERS", "ROOT", "environment", "interpreter", "prepare"]

ROOT = Path(__file__).resolve().parents[1]
BENCH = ROOT / ".bench"

#: package -> its requirement file, for those that cannot live beside PyMC3
PEERS = {"pymc5": "pymc5.txt", "numpyro": "numpyro.txt"}


def interpreter(package):
    """Python of the environment of `package`."""
    return str(BENCH / package / "bin" / "python") if package in PEERS else sys.executable


def prepare(package):
    """Make the environment of a peer from its pinned requirements; does nothing when it is up to date."""
    if package not in PEERS:
        return
    requirements = ROOT / "benchmarks" / "requirements" / PEERS[package]
    folder, wanted = BENCH / package, requirements.read_text()
    stamp = folder / ".installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"Making {folder}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    pip = [interpreter(package), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "-r", str(requirements)], check=True)
    stamp.write_text(wanted)


def environment(package, cache, threads):
    """Environment variables of a run of `package` with its compiled code in the folder `cache`."""
    variables = dict(os.environ, PYTHONPATH=str(ROOT), PYTHONWARNINGS="ignore")
    variables.pop("PYTHONDONTWRITEBYTECODE", None)  # what pip installs has its bytecode
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        variables[name] = str(threads)
    # With the empty BLAS flag Theano does not look for a system library, which few machines have.
    variables["THEANO_FLAGS"] = f"base_compiledir={cache},blas__ldflags="
    variables["PYTENSOR_FLAGS"] = f"base_compiledir={cache}"
    if threads == 1:
        variables["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    variables["JAX_PLATFORMS"] = "cpu"
    variables["JAX_COMPILATION_CACHE_DIR"] = str(cache)
    variables["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    variables["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    return variables
