"""The notebooks of the gallery: run at reduced size, and what is stored of them."""

import functools
import importlib
import json
import re
import sys

import pymc3_vi

import matplotlib.pyplot as plt
import numpy as np
import pytest

from .pages import DOCS

GALLERY = DOCS / "gallery"
NAMES = sorted(page.name.split(".")[0] for page in GALLERY.glob("*.nb.md"))
STEPS, DRAWS = 1000, 400
# Sds; far off without a correction, as their verdicts say, or after a tenth of the steps.
FAR = {"neural_network": 1.2, "stochastic_volatility": 1.2, "factor_analysis": 1.5}
SMALLER = [
    (r"\b(sample|to_inference_data)\(\d+", rf"\1({DRAWS}"),
    (r"draws=\d[\d_]*", f"draws={DRAWS}"),
    (r"\bdiagnose\(", f"diagnose({DRAWS}, correct=None, "),
    (r"correct=\"\w+\"", "correct=None"),
]


@pytest.fixture()
def helpers(monkeypatch):
    """The modules `cells` and `nuts` of the notebooks' folder, and that folder as the working directory."""
    pytest.importorskip("yaml")
    monkeypatch.syspath_prepend(str(GALLERY))
    monkeypatch.chdir(GALLERY)
    yield importlib.import_module("cells"), importlib.import_module("nuts")
    for name in ("cells", "nuts"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_those_of_the_code(name, helpers):
    """Stored by `make gallery` after the code's last change, with a picture, a verdict and a table against NUTS."""
    cells, nuts = helpers
    text = cells.page(name)
    stored = json.loads((GALLERY / "outputs" / f"{name}.json").read_text(encoding="utf-8"))
    assert cells.header(text)["name"] == name
    assert stored["digest"] == cells.digest(text) and len(stored["outputs"]) == len(cells.code(text))
    outputs = [output for cell in stored["outputs"] for output in cell]
    texts = ["".join(output.get("data", {}).get("text/plain", "")) for output in outputs]
    assert any("k-hat  " in text or "Stein" in text for text in texts), "no verdict"
    assert any("NUTS mean" in text for text in texts), "no comparison"
    assert any("image/png" in output.get("data", {}) for output in outputs), "no picture"
    for row in nuts.load(name).values():
        assert np.isfinite(row["mean"]).all() and (row["sd"] >= 0).all() and row["mean"].shape == row["sd"].shape


def test_the_tutorial_shows_every_result_as_a_table():
    stored = json.loads((GALLERY / "outputs" / "tutorial.json").read_text(encoding="utf-8"))
    shown = ["".join(output.get("data", {}).get("text/html", "")) for cell in stored["outputs"] for output in cell]
    for of, words in {
        "approximation": "<strong>MeanField</strong><table>",
        "report": "<td style='text-align:left'>ADVI, KL[MeanField]</td>",
        "verdict": "<code>MeanField{MeanFieldGroup[15]}</code>",
        "inference": "<strong>FullRankADVI</strong><table>",
        "summary": "hdi_3%</th>",
        "collection": "11 fits of ",
    }.items():
        assert any(words in text and "<table" in text for text in shown), of


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_runs_at_reduced_size(name, helpers, monkeypatch, unoptimized):
    """A tenth of the steps and draws, uncorrected: every cell runs, most means near those of NUTS."""
    cells, nuts = helpers
    fit, found = pymc3_vi.Inference.fit, []

    def compare(name, draws):
        for variable, row in nuts.load(name).items():
            found.extend(np.ravel(np.abs(np.mean(draws[variable], axis=0) - row["mean"]) / row["sd"]))
        return compared(name, draws)

    @functools.wraps(fit)
    def short(self, n=STEPS, **keywords):
        return fit(self, min(n, STEPS), **keywords)

    compared = nuts.compare
    monkeypatch.setattr(nuts, "compare", compare)
    monkeypatch.setattr(pymc3_vi.Inference, "fit", short)
    namespace = {}
    try:
        for number, source in enumerate(cells.code(cells.page(name)), 1):
            for pattern, replacement in SMALLER:
                source = re.sub(pattern, replacement, source)
            exec(compile(source, f"{name}, cell {number}", "exec"), namespace)  # noqa: S102
    finally:
        plt.close("all")
        pymc3_vi.uninstall()
    assert np.median(found) < FAR.get(name, 0.5)  # not so for nan, nor without a comparison
