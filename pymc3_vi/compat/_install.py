"""Puts this package's names in the place of PyMC3's, and takes them out again; the list of all patches."""

import importlib
import sys

import pymc3
import theano.graph.op

from ..compiler import THREAD_FLAGS, compute_test_value
from ..errors import UnknownNameError
from ..validation import did_you_mean
from . import BEFORE_THEANO
from ._building import CONNECTIONS, REFUSED_REWRITES, SHUFFLES
from ._contexts import take_back_flags
from ._patch import VARIABLE, Replacements, switched_off
from ._repairs import REPAIRS

__all__ = ["PATCHES", "install", "uninstall"]

#: Submodules that PyMC3 exports at its top level, as `pm.variational.<name>` and as `pm.<name>`.
_SUBMODULES = (
    "approximations",
    "callbacks",
    "flows",
    "inference",
    "operators",
    "opvi",
    "stein",
    "test_functions",
    "updates",
)
#: Names that PyMC3 re-exports from its variational module.
_NAMES = (
    "Empirical", "FullRank", "MeanField", "NormalizingFlow", "sample_approx",
    "ADVI", "ASVGD", "NFVI", "SVGD", "FullRankADVI", "ImplicitGradient", "Inference", "KLqp", "fit",
    "Approximation", "Group", "Stein",
    "adadelta", "adagrad", "adagrad_window", "adam", "adamax", "apply_momentum", "apply_nesterov_momentum",
    "momentum", "nesterov_momentum", "norm_constraint", "rmsprop", "sgd", "total_norm_constraint",
)  # fmt: skip
#: Names of this package that PyMC3 does not have at its top level: its tutorials use them there, or they are new.
_EXTRA_NAMES = ("Tracker", "CheckParametersConvergence", "DADVI")

_PACKAGE = __package__.partition(".")[0]


def _names():
    package = importlib.import_module(_PACKAGE)
    modules = {name: importlib.import_module(f"{_PACKAGE}.{name}") for name in _SUBMODULES}
    found = [(pymc3, "variational", package), (sys.modules, "pymc3.variational", package)]
    for name, module in modules.items():
        found += [(pymc3, name, module), (sys.modules, f"pymc3.variational.{name}", module)]
    return found + [(pymc3, name, getattr(package, name)) for name in _NAMES + _EXTRA_NAMES]


NAMES = Replacements(
    "names",
    "The names of variational inference in pymc3 are this package's.",
    _names,
    when="install",
)
TEST_VALUES = Replacements(
    "test_values",
    "Models are built without compiling their test values, which costs half a minute of g++ the first time.",
    lambda: [(theano.graph.op, "compute_test_value", compute_test_value)],
    when="install",
)

#: What `install` applies.
_INSTALLED = [NAMES, TEST_VALUES, REFUSED_REWRITES, SHUFFLES, CONNECTIONS]

#: All that this package changes in others.
PATCHES = [*BEFORE_THEANO, THREAD_FLAGS, *REPAIRS, REFUSED_REWRITES, SHUFFLES, CONNECTIONS, NAMES, TEST_VALUES]

_installed = False


def _check_switched_off():
    names = [patch.name for patch in PATCHES]
    for name in sorted(switched_off().difference(names)):
        raise UnknownNameError(
            f"The environment variable {VARIABLE} names {name!r}, which is no patch. Allowed are: {', '.join(names)}."
            + did_you_mean(name, names)
        )


_check_switched_off()
for _patch in REPAIRS:
    _patch.apply()
take_back_flags()


class _Installation:
    """What :func:`install` returns: leaving its ``with`` block uninstalls."""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        uninstall()

    def __repr__(self):
        return "<pymc3_vi is installed into pymc3>"


def install():
    """Make every variational-inference name that PyMC3 exports ours.

    ``pm.fit``, ``pm.ADVI``, ``pm.variational``, ``pm.updates``, ``pm.callbacks``, ``pm.sample(init='advi')`` and so
    on then run this package.  Models are built as in :func:`fast_build`, without compiling their test values; what
    else Theano compiles, for ``pm.sample`` say, is left as it is.  Calling it twice is the same as once.

    Returns
    -------
    context manager
        ``with pymc3_vi.install(): ...`` uninstalls at the end of the block; without ``with``, the names stay.

    Examples
    --------
    >>> import pymc3_vi
    >>> import pymc3 as pm
    >>> with pymc3_vi.install():
    ...     pm.fit is pymc3_vi.fit
    True
    """
    global _installed
    if not _installed:
        for patch in _INSTALLED:
            patch.apply()
        _installed = True
    return _Installation()


def uninstall():
    """Take back all that :func:`install` changed; does nothing when not installed."""
    global _installed
    if _installed:
        for patch in reversed(_INSTALLED):
            patch.undo()
        _installed = False
