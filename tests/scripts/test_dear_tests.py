"""Tests that are listed as taking long exist."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_listed_tests_are_there():
    for line in (ROOT / "tests" / "dear_tests.txt").read_text().splitlines():
        file, name = line.split("::")
        assert f"def {name.split('[')[0]}(" in (ROOT / file).read_text(), line
