import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
VERSION = re.search(r'^__version__ = "([^"]+)"', (ROOT / "pymc3_vi" / "__init__.py").read_text(), re.M).group(1)

# PyMC3 3.11.6 refuses Python 3.11 and 3.11.4 does not; each line has its own NumPy, SciPy and ArviZ.  The caps on
# fastprogress, cachetools and pandas, which PyMC3 leaves open, keep out releases that do not work with it.
UP_TO_310 = '; python_version < "3.11"'
FROM_311 = '; python_version >= "3.11"'

INSTALL_REQUIRES = [
    "pymc3==3.11.6" + UP_TO_310,
    "numpy>=1.21,<1.22.2" + UP_TO_310,
    "scipy>=1.7.3,<1.8" + UP_TO_310,
    "pymc3==3.11.4" + FROM_311,
    "numpy>=1.23,<1.24" + FROM_311,
    "scipy>=1.9,<1.11" + FROM_311,
    "arviz<0.16" + FROM_311,
    "Theano-PyMC==1.1.2",
    "fastprogress<1.1",
    "cachetools<6",
    # ArviZ 0.12, which PyMC3 3.11.6 brings, cannot compare models with pandas 1.5
    "pandas<1.5; python_version < '3.11'",
    "pandas<2; python_version >= '3.11'",
    # Imported at run time: NumPy wants distutils.msvccompiler (gone in 74), ArviZ pkg_resources (gone in 82).
    "setuptools<74",
]

PLOTS = ["matplotlib>=3.5"]
EXTRAS_REQUIRE = {
    # The newest JAX that each Python line's NumPy and SciPy allow.
    "jax": [
        'jax==0.4.13; python_version < "3.9"',
        'jaxlib==0.4.13; python_version < "3.9"',
        'jax>=0.4.13,<=0.4.18; python_version >= "3.9" and python_version < "3.11"',
        'jaxlib>=0.4.13,<=0.4.18; python_version >= "3.9" and python_version < "3.11"',
        "jax>=0.4.13,<=0.4.30" + FROM_311,
        "jaxlib>=0.4.13,<=0.4.30" + FROM_311,
    ],
    "dask": ["dask[array,distributed]>=2022.2"],
    "plots": PLOTS,
    "dev": PLOTS + ["pytest>=7", "pytest-xdist>=3", "scikit-learn>=1.0", "netCDF4", "h5py" + FROM_311],
    "docs": ["sphinx>=5", "numpydoc>=1.5", "myst-parser>=0.18"],
}

setup(
    name="pymc3_vi",
    version=VERSION,
    description="Variational inference for PyMC3 models on Theano-PyMC",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["pymc3_vi", "pymc3_vi.*"]),
    python_requires=">=3.8,<3.12",
    install_requires=INSTALL_REQUIRES,
    extras_require=EXTRAS_REQUIRE,
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3.8",
        "Programming Language :: Python :: 3.9",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Mathematics",
    ],
)
