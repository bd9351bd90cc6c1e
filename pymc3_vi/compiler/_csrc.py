"""C and C++ source: files of the folder ``csrc``, with placeholders that the code which generates modules fills in."""

import functools
import re
from pathlib import Path

__all__ = ["c_source"]

_FOLDER = Path(__file__).parent / "csrc"
_PLACEHOLDER = re.compile(r"@(\w+)@")


@functools.lru_cache(maxsize=None)
def _text(name):
    return (_FOLDER / name).read_text(encoding="utf-8")


def c_source(file, /, **values):
    """Text of `file`, with each ``@key@`` replaced by ``values[key]``.

    Raises
    ------
    KeyError
        If a placeholder has no value.
    """
    return _PLACEHOLDER.sub(lambda match: str(values[match[1]]), _text(file))
