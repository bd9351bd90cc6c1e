"""Links from one page or folder of the repository to another."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (
    ". docs docs/extending docs/gallery docs/gallery/data docs/howto docs/reference examples/data requirements "
    "pymc3_vi/compiler benchmarks"
).split()
PAGES = [page for folder in FOLDERS for page in sorted((ROOT / folder).glob("*.md"))]
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")


def anchors(page):
    """Anchors of a page's headings, as GitHub and MyST make them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    titles = re.findall(r"^#+ +(.+?)\s*$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def dead_links(page):
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.S)
    dead = []
    for link in LINK.findall(text):
        if re.match(r"\w+:", link):
            continue  # other hosts are not asked
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            dead.append(link)
    return dead


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    assert dead_links(page) == []


def test_dead_links_are_found(tmp_path):
    (tmp_path / "a.md").write_text(
        "# One title\n[b](b.md) [c](c.md) [](x) [t](#one-title) [u](#two) [h](https://x.y)\n"
    )
    (tmp_path / "b.md").write_text("")
    assert dead_links(tmp_path / "a.md") == ["c.md", "#two"]
