"""Notebooks with the outputs that ``make gallery`` stored for them, in ``outputs/NAME.json``."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import nbformat  # noqa: E402
from cells import FOLDER, cells, digest, header  # noqa: E402

__all__ = ["OUTPUTS", "read"]

OUTPUTS = FOLDER / "outputs"


def read(text):
    """The notebook of a page's text, with its stored outputs; without any where its code has changed since."""
    path = OUTPUTS / f"{header(text)['name']}.json"
    stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    outputs = iter(stored["outputs"] if stored.get("digest") == digest(text) else [])
    notebook = nbformat.v4.new_notebook(
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3"},
            "language_info": {"name": "python", "pygments_lexer": "python"},
        }
    )
    for kind, source in cells(text):
        if kind == "code":
            found = [nbformat.from_dict(output) for output in next(outputs, [])]
            notebook.cells.append(nbformat.v4.new_code_cell(source, outputs=found))
        else:
            notebook.cells.append(nbformat.v4.new_markdown_cell(source))
    return notebook
