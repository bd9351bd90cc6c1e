"""Notebooks as text: pages ``NAME.nb.md``, which Jupyter opens with jupytext, with code in ``{code-cell}`` fences."""

import hashlib
import re
from pathlib import Path

import yaml

__all__ = ["FOLDER", "names", "page", "cells", "code", "header", "digest"]

FOLDER = Path(__file__).resolve().parent
_CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", re.M | re.S)


def names():
    """Names of all notebooks, in the order of the alphabet."""
    return sorted(path.name[: -len(".nb.md")] for path in FOLDER.glob("*.nb.md"))


def page(name):
    """The text of the notebook called `name`."""
    return (FOLDER / f"{name}.nb.md").read_text(encoding="utf-8")


def header(text):
    """The YAML between the first two lines of dashes."""
    return yaml.safe_load(text.split("---\n")[1])


def cells(text):
    """The cells of a notebook as (kind, source), where kind is ``'code'`` or ``'markdown'``."""
    body, found, end = text.split("---\n", 2)[2], [], 0
    for match in _CELL.finditer(body):
        found += [("markdown", body[end : match.start()].strip()), ("code", match.group(1).rstrip("\n"))]
        end = match.end()
    return [cell for cell in [*found, ("markdown", body[end:].strip())] if cell[1]]


def code(text):
    """Sources of the cells of code."""
    return [source for kind, source in cells(text) if kind == "code"]


def digest(text):
    """What says whether stored outputs are those of this code."""
    return hashlib.sha256("\n\n".join(code(text)).encode()).hexdigest()[:16]
