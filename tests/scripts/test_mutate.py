"""The places that ``scripts/mutate.py`` breaks are there, once each, and so are the tests that should notice."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("mutate", ROOT / "scripts" / "mutate.py")
MUTATE = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(MUTATE)


@pytest.mark.parametrize("place", MUTATE.PLACES, ids=lambda place: f"{place[0]}: {place[1]}")
def test_places_are_there(place):
    name, here, instead, tests = place
    assert (ROOT / "pymc3_vi" / name).read_text(encoding="utf-8").count(here) == 1 and here != instead
    assert all((ROOT / "tests" / test).exists() for test in tests.split())
