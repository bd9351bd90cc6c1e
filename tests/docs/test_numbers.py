"""Measured numbers come from commands that their pages name, and those that prose repeats are those of the tables."""

import json
import re

import pytest

from benchmarks import report

from .pages import DOCS

MEASURED = re.compile(r"\d(\.\d+)? ?(%|sd|s|x|MB|GB|CPU s|seconds)(?=[ ,.;:)|]|$)", re.M)
COMMAND = re.compile(r"`(?:make ([\w-]+)|python -m benchmarks\.(\w+)([^`]*))`")
RUN_AS_TESTS = ("results.md", "usage_examples.md")  # whose numbers are printed by their own code


def text_of(page):
    """A page without its code, whose numbers are inputs."""
    return re.sub(r"^```.*?^```", "", (DOCS / page).read_text(encoding="utf-8"), flags=re.M | re.S)


def table(page, heading):
    """Rows of the table whose first line begins with `heading`, each a dict from columns to cells."""
    lines = text_of(page).splitlines()
    (at,) = [k for k, line in enumerate(lines) if line.startswith(heading)]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[at:]]
    end = next((k for k, line in enumerate(lines[at:]) if not line.startswith("|")), len(cells))
    return [dict(zip(cells[0], row)) for row in cells[2:end]]


def number(cell):
    return float(re.match(r"[-\d.,e]+", cell.replace("<", "")).group().replace(",", ""))


def without_command(page):
    """Paragraphs with measured numbers where neither the page nor a page that they link to names a command."""
    text = text_of(page)
    if COMMAND.search(text):
        return []
    found = []
    for paragraph in re.split(r"\n\s*\n|\n(?=[-|*] )|\n(?=\|)", text):
        links = [DOCS / page.rpartition("/")[0] / link for link in re.findall(r"\(([\w/]+\.md)\)", paragraph)]
        sources = [link.read_text(encoding="utf-8") for link in links if link.exists()]
        tested = re.search(r"`tests/\w+", paragraph)
        if MEASURED.search(paragraph) and not tested and not any(COMMAND.search(source) for source in sources):
            found.append(paragraph)
    return found


PAGES = sorted(
    str(page.relative_to(DOCS))
    for page in DOCS.rglob("*.md")
    if "_build" not in page.parts and not page.name.endswith(".nb.md") and page.name not in RUN_AS_TESTS
)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_with_measured_numbers_names_the_command_that_makes_them(page):
    assert without_command(page) == []
    makefile = (DOCS.parent / "Makefile").read_text(encoding="utf-8")
    for target, module, options in COMMAND.findall(text_of(page)):
        if target:
            assert f"\n{target}:" in makefile
            continue
        source = (DOCS.parent / "benchmarks" / f"{module}.py").read_text(encoding="utf-8")
        assert [option for option in re.findall(r"--[\w-]+", options) if f'"{option}"' not in source] == []


def test_a_number_without_a_command_is_found(tmp_path):
    assert (
        MEASURED.search("fits take 31.2 s.") and MEASURED.search("| 0.36 GB |") and not MEASURED.search("5 steps of 3")
    )
    (tmp_path / "made.md").write_text("Made by `make accuracy`.\n", encoding="utf-8")
    (tmp_path / "page.md").write_text("Off by 0.3 %, see [there](made.md).\n\nIt takes 31.2 s.", encoding="utf-8")
    assert without_command(str(tmp_path / "page.md")) == ["It takes 31.2 s."]


# What prose repeats: the page, the words with a number in braces, the number by the tables.
def repeated():
    accuracy = table("accuracy.md", "| family |")
    errors = [row for row in table("accuracy_dadvi.md", "| | mean error") if row[""] == "models"][0]
    of_mean_field, of_response = (
        100 * number(errors[f"sd error of the {family}: median"]) for family in ("mean field", "linear response")
    )
    for page in ("dadvi.md", "choosing.md"):
        yield page, f"{of_mean_field:.2g} %"
        yield page, f"{of_response:.2g} %"
    largest = number([row for row in accuracy if row["family"] == "mean field"][0]["largest"])
    for page in ("index.md", "choosing.md"):
        yield page, f"{largest:.1g} sd"

    rows = table("large_data.md", "| model | rows | by | steps | passes |")
    stock = [number(row["means off, sd"]) for row in rows if row["by"] == "PyMC3"]
    yield "large_data.md", f"end {min(stock):.1g} to {float(f'{max(stock):.2g}'):,.0f} standard deviations off"
    (short,) = [row for row in rows if row["passes"] == "0"]
    yield (
        "large_data.md",
        f"it says {short['said']} standard deviations, and is {number(short['means off, sd']):.1f} off",
    )

    many = table("many_models.md", "| model | data sets |")
    assert many[0]["data sets"] == "10,000" and 20 < number(many[0]["seconds"]) < 40
    yield "index.md", "Ten thousand small fits in half a minute"

    cluster = table("cluster.md", "| workers |")
    one, *others = (row["longest way"] for row in cluster)
    for stated in others:
        assert number(stated.split(", ")[1]) == pytest.approx(number(one) / number(stated.split(",")[0]), rel=0.01)
    worker = number(cluster[0]["CPU s, busiest worker"])
    yield "cluster.md", f"{worker / 2e7 * 1e6:.1f} µs a row of 20 predictors ({worker} s for 2 x 10,000,000)"
    for row in table("cluster.md", "| values | workers | sent"):
        assert number(row["draws and sums"]) * number(row["ratio"]) == pytest.approx(
            number(row["sent"]) + number(row["received"]), rel=0.006
        )

    text = text_of("ingredients.md")
    for family, of in (("Mean field", "mean-field"), ("Full rank", "full-rank")):
        lines = text.split(f"### {family}, ")[1].splitlines()
        row = next(line for line in lines if line.startswith("| - no path to a start")).split("|")
        yield "ingredients.md", f"{row[8].strip()} of 16 {of}"


@pytest.mark.parametrize("page, words", list(repeated()))
def test_what_is_repeated_is_what_the_table_says(page, words):
    assert words in re.sub(r"\s+", " ", text_of(page))


def test_the_tables_of_benchmarks_are_those_of_the_stored_runs():
    stored = sorted((DOCS.parent / "benchmarks" / "results").glob("*.json"))[-1]
    made = report.markdown(json.loads(stored.read_text(encoding="utf-8")))
    page = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    rows = [[line for line in text.splitlines() if line.startswith("|")] for text in (made, page)]
    assert rows[0] == rows[1] and len(rows[0]) > 50
