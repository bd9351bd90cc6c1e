"""Imports Theano and PyMC3 without what they log at every import and nobody can mend.

PyMC3 3.11.6 says that it is very outdated, and ArviZ, once a day, that releases beyond the ones that PyMC3 3.11 works
with will be others.  (That Theano found no BLAS to link it does not say, see ``_import_time.py``.)
"""

import contextlib
import gc
import importlib
import logging
import warnings

_LOGGED = "The version of PyMC you are using"
_WARNED = r"\nArviZ is undergoing a major refactor"


def _is_news(record):
    return not record.getMessage().startswith(_LOGGED)


@contextlib.contextmanager
def _uncollected():
    """Python does not look for garbage among what is being imported, which stays: a fifth of the time of an import.

    Nor does it afterwards before it looks through everything: what is frozen and unfrozen again is of the oldest
    generation.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()
        if collecting:
            gc.enable()


def _import():
    logger = logging.getLogger("pymc3")
    logger.addFilter(_is_news)
    warnings.filterwarnings("ignore", _WARNED, FutureWarning)
    added = warnings.filters[0]
    try:
        with _uncollected():
            importlib.import_module("pymc3")
    finally:
        logger.removeFilter(_is_news)
        warnings.filters.remove(added)  # imports may add filters, and those stay


_import()
