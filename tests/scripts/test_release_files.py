"""What stands in more than one file because tools want it so."""

import re
from pathlib import Path

import pymc3_vi

import pytest

ROOT = Path(__file__).resolve().parents[2]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_versions_agree():
    assert re.search(r"^version: (.+)$", text("CITATION.cff"), re.M).group(1) == pymc3_vi.__version__
    assert re.search(r"^## (\S+)", text("CHANGELOG.md"), re.M).group(1) == pymc3_vi.__version__


@pytest.mark.parametrize("tool, repository", [("ruff", "ruff-pre-commit"), ("mypy", "mirrors-mypy")])
def test_hooks_run_the_locked_linters(tool, repository):
    hook = re.search(rf"{repository}\n +rev: v(.+)", text(".pre-commit-config.yaml")).group(1)
    assert f"\n{tool}=={hook}\n" in text("requirements/py310.txt")
