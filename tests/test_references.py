"""The stored NUTS runs belong to the models of today and are accurate enough to judge others by."""

import json

import numpy as np
import pytest
from scipy import stats

from examples.references import REFERENCES, load_reference
from tests.example_models import EXAMPLES, beta_binomial_data


@pytest.fixture(params=sorted(EXAMPLES))
def example(request, model_fast):
    with model_fast():
        model = EXAMPLES[request.param]()
    return request.param, model


def test_reference_is_of_this_model(example, model_fast):
    name, model = example
    stored = json.loads((REFERENCES / f"{name}.json").read_text())
    with model_fast():
        assert float(model.logp(model.test_point)) == pytest.approx(stored["logp_at_test_point"], rel=1e-6)
    reference = load_reference(name)
    visible = {v.name: v.tag.test_value.shape for v in model.unobserved_RVs if not v.name.endswith("__")}
    assert {variable: s["mean"].shape for variable, s in reference.items()} == visible


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_reference_is_accurate(name):
    for variable, s in load_reference(name).items():
        assert np.all(s["sd"] > 0), variable
        assert np.all(s["mcse_mean"] < 0.02 * s["sd"]), variable
        assert np.all(s["rhat"] < 1.01), variable


def test_beta_binomial_reference_agrees_with_the_closed_form():
    successes = beta_binomial_data()
    exact = stats.beta(2 + successes.sum(), 3 + (20 - successes).sum())
    theta = load_reference("beta_binomial")["theta"]
    assert abs(theta["mean"] - exact.mean()) < 4 * theta["mcse_mean"]
    assert abs(theta["sd"] - exact.std()) < 4 * theta["mcse_sd"]
