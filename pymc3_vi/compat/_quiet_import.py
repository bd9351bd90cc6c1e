"""Imports Theano and PyMC3 without what they log at every import and nobody can mend.

PyMC3 3.11.6 says that it is very outdated, and Theano that it found no BLAS to link (this package calls SciPy's).
"""

import importlib
import logging

_LOGGED = {"pymc3": "The version of PyMC you are using", "theano.tensor.blas": "Using NumPy C-API based implementation"}


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
    try:
        importlib.import_module("pymc3")
    finally:
        for logger, drop in filters:
            logger.removeFilter(drop)


_import()
