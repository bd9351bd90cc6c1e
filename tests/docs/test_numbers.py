"""Numbers that one page repeats are those of the page that a command makes."""

import pytest

from .pages import DOCS


@pytest.mark.parametrize("page", ["dadvi.md", "choosing.md"])
def test_errors_of_deterministic_fits(page):
    table = (DOCS / "accuracy_dadvi.md").read_text(encoding="utf-8")
    (row,) = [line for line in table.splitlines() if line.startswith("| models |")]
    of_mean_field, of_linear_response = [100 * float(row.split("|")[k]) for k in (4, 6)]
    text = (DOCS / page).read_text(encoding="utf-8")
    assert f"{of_mean_field:.2g} %" in text and f"{of_linear_response:.2g} %" in text


def test_the_distance_of_default_fits():
    table = (DOCS / "accuracy.md").read_text(encoding="utf-8")
    (row,) = [line for line in table.splitlines() if line.startswith("| mean field | pymc3_vi |")]
    largest = float(row.split("|")[5])
    for page in ("index.md", "choosing.md"):
        assert f"{largest:.1g} sd" in (DOCS / page).read_text(encoding="utf-8")
