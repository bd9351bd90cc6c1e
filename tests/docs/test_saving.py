"""The page on saving, run from top to bottom."""

import json

from pymc3_vi.errors import FileFormatError

import numpy as np

from .pages import DOCS, run_page

PAGE = (DOCS / "saving.md").read_text(encoding="utf-8")


def _first_column(table):
    """Words in code style in the first column of a table."""
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return [word.strip(" `'") for row in rows for word in row.split(",")]


def test_saving(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = run_page("saving.md")
    printed = capsys.readouterr().out
    assert "ran all 2,000 steps" in printed and "model - fit.npz is of another model" in printed
    assert "pymc3_vi 1 approximation" in printed
    np.testing.assert_array_equal(names["trace"]["mu"], names["approx"].sample(1000)["mu"])
    assert names["resumed"].state.i == 5000 and names["resumed"].report.runs[-1].steps == 1000
    # the table of the header names all its keys, and no others
    documented = _first_column(PAGE.split("Keys of the header:")[1].split("Arrays:")[0])
    with np.load("checkpoint.npz", allow_pickle=False) as file:
        assert sorted(json.loads(file["header"].tobytes().decode())) == sorted(documented)


def test_the_table_of_reasons_is_that_of_the_error():
    reasons = _first_column(PAGE.split("`FileFormatError.reason` is one of")[1].split("## ")[0])
    assert len(reasons) == FileFormatError.__doc__.count("``'")
    assert all(f"``'{reason}'``" in FileFormatError.__doc__ for reason in reasons)


def test_the_page_is_listed():
    assert "\nsaving\n" in (DOCS / "index.md").read_text(encoding="utf-8")
