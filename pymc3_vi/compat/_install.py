"""Puts this package's names in the place of PyMC3's, and takes them out again."""

import importlib
import sys

import pymc3
import theano.graph.op

from ..compiler import compute_test_value

__all__ = ["install", "uninstall"]

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
_MISSING = object()
_saved = None


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
    global _saved
    if _saved is not None:
        return _Installation()
    package = importlib.import_module(_PACKAGE)
    modules = {name: importlib.import_module(f"{_PACKAGE}.{name}") for name in _SUBMODULES}
    attributes, entries = {}, {}

    def replace(owner, name, value):
        attributes[(owner, name)] = owner.__dict__.get(name, _MISSING)
        setattr(owner, name, value)

    def replace_module(path, module):
        entries[path] = sys.modules.get(path, _MISSING)
        sys.modules[path] = module

    replace(pymc3, "variational", package)
    replace_module("pymc3.variational", package)
    for name, module in modules.items():
        replace(pymc3, name, module)
        replace_module(f"pymc3.variational.{name}", module)
    for name in _NAMES:
        replace(pymc3, name, getattr(package, name))
    for name in _EXTRA_NAMES:
        replace(pymc3, name, getattr(package, name))
    replace(theano.graph.op, "compute_test_value", compute_test_value)
    _saved = attributes, entries
    return _Installation()


def uninstall():
    """Give PyMC3 its own names back; does nothing when not installed."""
    global _saved
    if _saved is None:
        return
    attributes, entries = _saved
    for (owner, name), value in attributes.items():
        if value is _MISSING:
            delattr(owner, name)
        else:
            setattr(owner, name, value)
    for path, module in entries.items():
        if module is _MISSING:
            del sys.modules[path]
        else:
            sys.modules[path] = module
    _saved = None
