"""PyMC3's past in one place: what other packages need to be imported at all, and this package in PyMC3's place.

Importing this folder imports neither Theano nor PyMC3; ``_install`` does, and is imported from the package itself.
``python -m pymc3_vi.compat`` lists every patch of another package, with its reason; the environment variable
``PYMC3_VI_WITHOUT_PATCHES`` switches off those that it names.
"""

from . import _import_hook, _import_time, _numpy2, _old_pythons, _python312

__all__ = ["BEFORE_THEANO"]

_EDITS = [*_python312.EDITS, *_numpy2.EDITS, *_import_time.EDITS]
BEFORE_THEANO = [*_old_pythons.STAND_INS, *_EDITS]

_old_pythons.forget_broken_theano()  # before the stand-ins, one of which is a module of Theano
for _patch in _old_pythons.STAND_INS:
    _patch.apply()
_import_hook.apply_source_edits(_EDITS)
