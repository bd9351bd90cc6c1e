"""Imports Theano and PyMC3 without what they log at every import and nobody can mend.

PyMC3 3.11.6 says that it is very outdated, Theano that it found no BLAS to link (this package calls SciPy's), and
ArviZ, once a day, that releases beyond the ones that PyMC3 3.11 works with will be others.
"""

import importlib
import logging
import warnings

_LOGGED = {"pymc3": "The version of PyMC you are using", "theano.tensor.blas": "Using NumPy C-API based implementation"}
_WARNED = r"\nArviZ is undergoing a major refactor"


class _Without(logging.Filter):
    """Drops the messages that begin so."""

    def __init__(self, words):
        super().__init__()
        self.words = words

    def filter(self, record):
        return not record.getMessage().startswith(self.words)


def _import():
    filters = [(logging.getLogger(name), _Without(words)) for name, words in _LOGGED.items()]
    for logger, drop in filters:
        logger.addFilter(drop)
    warnings.filterwarnings("ignore", _WARNED, FutureWarning)
    added = warnings.filters[0]
    try:
        importlib.import_module("pymc3")
    finally:
        for logger, drop in filters:
            logger.removeFilter(drop)
        warnings.filters.remove(added)  # imports may add filters, and those stay


_import()
