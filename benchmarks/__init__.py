"""Paired timings of the package, `pymc3.variational`, PyMC 5 and NumPyro; run ``python -m benchmarks --help``."""
