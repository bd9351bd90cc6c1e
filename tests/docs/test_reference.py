"""The reference has every public name, and the pages show every picture."""

import inspect
import re

import pymc3_vi

from .pages import DOCS

REFERENCE = "".join(page.read_text(encoding="utf-8") for page in sorted((DOCS / "reference").glob("*.md")))


def _documented(name):
    """Whether the reference documents the member `name` of the package by itself."""
    return (
        re.search(rf"(autofunction|autoclass|autodata):: (pymc3_vi\.)?{name}\n|[ ,]{name}[,\n]", REFERENCE) is not None
    )


def test_every_public_name_is_in_the_reference():
    modules = [name for name in pymc3_vi.__all__ if inspect.ismodule(getattr(pymc3_vi, name))]
    whole = re.findall(r"automodule:: pymc3_vi\.(\w+)\n   :members:\n", REFERENCE)
    in_whole = {member for module in whole for member in getattr(pymc3_vi, module).__all__}
    missing = [n for n in pymc3_vi.__all__ if n not in modules and n not in in_whole and not _documented(n)]
    assert missing == []
    assert not _documented("fitt") and {"plots", "errors", "callbacks"} <= set(whole)


def test_every_picture_is_shown():
    pages = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    pictures = sorted(path.name for path in (DOCS / "pictures").glob("*.png"))
    assert [f"{name[len('plot_') :]}.png" for name in sorted(pymc3_vi.plots.__all__)] == pictures
    assert [name for name in pictures if f"(pictures/{name})" not in pages] == []


def test_every_page_is_reachable():
    listed = set()
    for index in ("index.md", "api.md", "gallery/index.md", "extending/index.md"):
        folder = f"{index.rpartition('/')[0]}/".lstrip("/")
        lines = re.findall(r"^(?:.*<)?([\w/]+)>?$", (DOCS / index).read_text(encoding="utf-8"), re.M)
        listed |= {folder + name for name in lines}
    there = {str(page.relative_to(DOCS)).split(".")[0] for page in DOCS.rglob("*.md") if "_build" not in page.parts}
    assert there - {"index"} - listed == set()
