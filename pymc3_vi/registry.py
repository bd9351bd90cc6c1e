"""One kind of registry for families, flows, kernels, optimizers, engines and methods."""

from .errors import UnknownNameError
from .validation import did_you_mean

__all__ = ["Registry"]


class Registry:
    """Case-insensitive mapping from names and aliases to implementations.

    Parameters
    ----------
    kind : str
        What is registered, in the words of an error message, e.g. ``"optimizer"``.

    Examples
    --------
    >>> kernels = Registry("kernel")
    >>> kernels.register("rbf", max)
    <built-in function max>
    >>> kernels.get("RBF")
    <built-in function max>
    """

    def __init__(self, kind):
        self.kind = kind
        self._entries = {}
        self._aliases = {}

    def register(self, name, entry, aliases=()):
        """Add `entry` under `name` and `aliases`; returns `entry`, so that it can end a decorator."""
        for key in (name, *aliases):
            taken = self._aliases.get(key.lower())
            if taken is not None and self._entries[taken] is not entry:
                raise ValueError(f"The {self.kind} name {key!r} is taken by {self._entries[taken]!r}.")
            self._aliases[key.lower()] = name.lower()
        self._entries[name.lower()] = entry
        return entry

    def get(self, name):
        """Entry called `name`; an unknown one raises `UnknownNameError` with the close match."""
        key = self._aliases.get(str(name).lower())
        if key is None:
            raise UnknownNameError(
                f"Unknown {self.kind} {name!r}.{did_you_mean(str(name).lower(), self._aliases)} "
                f"Known: {', '.join(sorted(self._aliases))}."
            )
        return self._entries[key]

    def __contains__(self, name):
        return str(name).lower() in self._aliases

    def names(self):
        """Registered names in order of registration, aliases left out."""
        return list(self._entries)

    def items(self):
        """Pairs of name and entry in order of registration."""
        return list(self._entries.items())
