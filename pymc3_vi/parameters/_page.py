"""The table as a page of the documentation."""

from ._answering import ANSWERING
from ._approximating import APPROXIMATING
from ._fitting import FITTING
from ._optimizing import OPTIMIZING
from ._table import PARAMETERS

__all__ = ["as_markdown"]

_SECTIONS = (
    ("Fitting", FITTING),
    ("Approximations, operators, kernels and flows", APPROXIMATING),
    ("Draws, tables, files, diagnostics and plots", ANSWERING),
    ("Updates", OPTIMIZING),
)


def as_markdown():
    """Markdown of the table: the rows of the table, and those of the registered optimizers."""
    lines = []
    for title, rows in _SECTIONS:
        lines.append(f"## {title}\n")
        for name in rows:
            lines.extend(_entry(name, rows[name]))
    lines.append("## Optimizers\n")
    known = {name for _, rows in _SECTIONS for name in rows}
    for name in PARAMETERS:
        if name not in known:
            lines.extend(_entry(name, PARAMETERS[name]))
    return "\n".join(lines)


def _entry(name, parameters):
    if not parameters:
        return []
    rows = [f"| `{parameter}` | {_cell(constraint.allowed)} |" for parameter, constraint in parameters.items()]
    return [f"### `{name}`\n", "| parameter | takes |", "| --- | --- |", *rows, ""]


def _cell(words):
    return words.replace("|", "\\|")
