"""What a notebook shows of a fit: escaped tables with the words of the text."""

import html

import pymc3_vi

import numpy as np
import pymc3 as pm
import pytest
import theano


@pytest.fixture(scope="module")
def fitted():
    with theano.config.change_flags(cxx=""):
        with pm.Model() as model:
            x = pm.Normal("<x>", 0.0, 1.0, shape=2)
            pm.Normal("y", x.sum(), 1.0, observed=pm.Data("rows", np.ones(3)))
        inference = pymc3_vi.ADVI(model=model, random_seed=1)
        before = repr(inference), inference._repr_html_()
        inference.fit(20, progressbar=False)
        many = pymc3_vi.fit_many(model, {"rows": np.ones((2, 3))}, random_seed=1, progressbar=False)
        return inference, before, many


def test_an_inference(fitted):
    inference, (text, table), _ = fitted
    assert text == "<ADVI: 0 steps in 0.00 s, not fitted yet; MeanField{MeanFieldGroup[2]}>"
    assert "not fitted yet" in table
    assert repr(inference).startswith("<ADVI: 20 steps in ")
    shown = inference._repr_html_()
    assert shown.startswith("<strong>ADVI</strong><table>") and "ran all 20 steps" in shown


def test_an_approximation_and_its_groups(fitted):
    approx = fitted[0].approx
    assert repr(approx).splitlines()[0] == "MeanField{MeanFieldGroup[2]}" and "20 steps" in repr(approx)
    shown = approx._repr_html_()
    assert "MeanFieldGroup[2]</th>" in shown and "&lt;x&gt;" in shown and "<x>" not in shown
    assert repr(approx.groups[0]) == "<MeanFieldGroup[2] of <x>>"
    rest = pymc3_vi.Group(None, vfam="mf", model=fitted[0].approx.model)
    assert repr(rest) == "<MeanFieldGroup[undefined]>" and "MeanFieldGroup[undefined]" in rest._repr_html_()
    table = approx.groups[0]._repr_html_()
    assert (
        table.startswith("<strong>MeanFieldGroup[2]</strong><table>") and "&lt;x&gt;" in table and "shape (2,)" in table
    )


def test_reports_verdicts_tables_and_collections(fitted):
    inference, _, many = fitted
    assert "ran all 20 steps" in inference.report._repr_html_()
    diagnosis = inference.approx.diagnose(draws=200, random_seed=1)
    assert html.escape(diagnosis.sentence) in diagnosis._repr_html_()
    table = inference.approx.summary(draws=200, random_seed=1)
    assert html.escape(table.note) in table._repr_html_() and "&lt;x&gt;[0]" in table._repr_html_()
    assert "2 fits of" in many._repr_html_() and "<table" in many._repr_html_()
