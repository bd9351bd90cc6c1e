"""Changes the source of other packages' modules while they are imported, and keeps the bytecode.

Installed files stay as they are.  The bytecode lies beside that of the unchanged source, under a name of its own that
holds a checksum of the edits; where that folder cannot be written to, in the user's cache.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import re
import sys
import zlib

__all__ = ["apply_source_edits", "edit"]


def edit(text, pairs, module):
    """`text` with every pair of (regular expression, replacement) applied.

    Raises
    ------
    ImportError
        When one of them finds nothing: the module is then of another version, and what the edit is for would happen.
    """
    for pattern, replacement in pairs:
        text, count = re.subn(pattern, replacement, text)
        if not count:
            raise ImportError(
                f"pymc3_vi cannot adapt {module} to this Python and NumPy: nothing in it matches {pattern!r}. Install "
                "the versions that pymc3_vi asks for: pip install --force-reinstall pymc3_vi"
            )
    return text


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name, path, pairs):
        super().__init__(name, path)
        self._pairs = pairs
        self._tag = f"pymc3_vi-{zlib.crc32(repr(pairs).encode()):08x}"

    def source_to_code(self, data, path, **options):
        text = edit(importlib.util.decode_source(data), self._pairs, self.name)
        return super().source_to_code(text, path, **options)

    def get_data(self, path):
        return super().get_data(self._own_bytecode(path) if path.endswith(".pyc") else path)

    def set_data(self, path, data, **options):
        super().set_data(self._own_bytecode(path) if path.endswith(".pyc") else path, data, **options)

    def _own_bytecode(self, path):
        folder, name = os.path.split(path)
        name = f"{name[:-4]}.{self._tag}.pyc"
        beside = os.path.join(folder, name)
        existing = folder
        while not os.path.exists(existing) and existing != os.path.dirname(existing):
            existing = os.path.dirname(existing)
        if os.path.exists(beside) or os.access(existing, os.W_OK):
            return beside
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        return os.path.join(cache, "pymc3_vi", "bytecode", f"{zlib.crc32(folder.encode()):08x}", name)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules that have edits, as Python does, and gives them a loader that makes the edits."""

    def __init__(self, pairs):
        self._pairs = pairs

    def find_spec(self, fullname, path=None, target=None):
        if fullname not in self._pairs:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is importlib.machinery.SourceFileLoader:
            spec.loader = _Loader(fullname, spec.loader.path, self._pairs[fullname])
        return spec


def apply_source_edits(patches):
    """Make the edits of `patches` in every module that is imported from now on."""
    pairs = {}
    for patch in patches:
        if patch.enabled:
            for module, edits in patch.edits.items():
                pairs.setdefault(module, []).extend(edits)
    if pairs:
        sys.meta_path.insert(0, _Finder(pairs))
