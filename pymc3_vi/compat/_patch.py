"""A named change of another package, which can be switched off and taken back."""

import os
import sys
import threading
import types

__all__ = ["VARIABLE", "Patch", "Replacements", "SourceEdits", "StandIn", "switched_off"]

#: Environment variable with the names of patches, separated by commas, that are not to be applied.
VARIABLE = "PYMC3_VI_WITHOUT_PATCHES"

_MISSING = object()


def switched_off():
    """Names in the environment variable `VARIABLE`."""
    return {name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()}


class Patch:
    """What is changed in other packages under one name.

    Parameters
    ----------
    name : str
        Name to switch it off by.
    reason : str
        What goes wrong without it.
    needed : bool
        False where the version of Python or of the other package does not ask for it.
    """

    #: When it is applied: "import" of this package, "build" (while graphs are built and rewritten), or "install".
    when = "import"

    def __init__(self, name, reason, needed=True):
        self.name, self.reason, self.needed = name, reason, bool(needed)

    @property
    def enabled(self):
        """Whether it is needed and not switched off."""
        return self.needed and self.name not in switched_off()

    def __repr__(self):
        return f"<{type(self).__name__} {self.name!r}>"


class StandIn(Patch):
    """A module put in the place of one that is not there.

    Parameters
    ----------
    module : str
        Full name of the module.
    make : callable
        Gives the module, or None, for which importing it is an ImportError.
    """

    def __init__(self, name, reason, module, make, needed=True):
        super().__init__(name, reason, needed)
        self.module, self._make = module, make

    def apply(self):
        """Put it there, once."""
        if self.enabled:
            sys.modules.setdefault(self.module, self._make())


class SourceEdits(Patch):
    """Changes of the source text of modules, made while they are imported.

    Parameters
    ----------
    edits : dict
        Full name of a module to a list of pairs (regular expression, replacement as of `re.sub`).
    """

    def __init__(self, name, reason, edits, needed=True):
        super().__init__(name, reason, needed)
        self.edits = edits


class Replacements(Patch):
    """Attributes of other packages replaced for a while.

    Parameters
    ----------
    make : callable
        Gives a list of (owner, name, value); the owner is an object, or a dict such as `sys.modules`.  It is called
        once, when the patch is applied for the first time.
    when : str

    Notes
    -----
    Applying it twice and taking it back once leaves it applied, so that uses may overlap, in threads too.
    """

    def __init__(self, name, reason, make, when, needed=True):
        super().__init__(name, reason, needed)
        self.when, self._make = when, make
        self._values, self._old, self._uses = None, [], 0
        self._lock = threading.RLock()

    def apply(self):
        """Put the replacements in place, unless it is switched off or not needed."""
        with self._lock:
            if not self._uses and self.enabled:
                if self._values is None:
                    self._values = list(self._make())
                for owner, name, value in self._values:
                    self._old.append((owner, name, _get(owner, name)))
                    _put(owner, name, value)
            self._uses += 1

    def undo(self):
        """Give back what was there before the first use."""
        with self._lock:
            self._uses -= 1
            while not self._uses and self._old:
                _put(*self._old.pop())

    @property
    def applied(self):
        """Whether the replacements are in place."""
        return bool(self._old)

    def __enter__(self):
        self.apply()
        return self

    def __exit__(self, *exception):
        self.undo()


def _get(owner, name):
    return (owner if isinstance(owner, dict) else vars(owner)).get(name, _MISSING)


def _put(owner, name, value):
    if isinstance(owner, dict):
        if value is _MISSING:
            del owner[name]
        else:
            owner[name] = value
    elif value is _MISSING:
        delattr(owner, name)
    else:
        setattr(owner, name, value)


def module_with(name, **names):
    """New module that holds `names`."""
    module = types.ModuleType(name)
    vars(module).update(names)
    return module
