"""PyMC3's past in one place: what other packages need to be imported at all, and this package in PyMC3's place.

Importing this folder imports neither Theano nor PyMC3; ``_install`` does, and is imported from the package itself.
"""

from . import _before_theano  # noqa: F401  (must run before Theano is imported)
