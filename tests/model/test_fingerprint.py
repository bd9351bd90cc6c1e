"""The fingerprint tells models apart and tells equal ones equal."""

import json

from pymc3_vi.model import ModelView, model_differences, model_fingerprint

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt

from tests.processes import forked

Y = np.array([1.0, 2.0, 0.5, -1.0])


def build(name="w", shape=3, prior_sd=5.0, covariates=None, y=Y, family=pm.HalfNormal, slope=2.0, swap=False, extra=0):
    covariates = np.arange(12.0).reshape(4, 3) if covariates is None else covariates
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        if swap:
            w = pm.Normal(name, 0, 1.0, shape=shape)
            s = family("s", prior_sd)
        else:
            s = family("s", prior_sd)
            w = pm.Normal(name, 0, 1.0, shape=shape)
        pm.Normal("y", tt.dot(covariates, w[:3]), s, observed=y)
        pm.Normal("batch", w.sum(), 1.0, observed=pm.Minibatch(np.arange(100.0), 10), total_size=100)
        scanned, _ = theano.scan(lambda a: tt.tanh(a) * slope, sequences=[w])
        pm.Potential("p", scanned.sum())
        for i in range(extra):
            pm.Normal(f"extra{i}", 0, 1)
    return model


def fingerprint(**kwargs):
    return model_fingerprint(ModelView(build(**kwargs)))


@pytest.fixture(scope="module")
def saved():
    # As it comes back from a file.
    return json.loads(json.dumps(fingerprint(), sort_keys=True))


def test_equal_models_are_equal(saved):
    assert saved == json.loads(json.dumps(fingerprint()))
    assert model_differences(saved, fingerprint()) == []


def test_missing_values_and_several_observed_arrays():
    def build():
        with theano.config.change_flags(cxx=""), pm.Model() as model:
            mu = pm.Normal("mu", 0, 1)
            pm.Normal("gappy", mu, 1.0, observed=np.ma.masked_invalid([1.0, np.nan, 3.0]))
            pm.DensityDist("pair", lambda a, b: -((a - mu) ** 2) - b, observed={"a": np.ones(3), "b": np.zeros(3)})
        return model_fingerprint(ModelView(model))

    assert build() == build()
    assert build()["observed"]["gappy"]["data"] is not None


CHANGES = {
    "has no variable 'w'": dict(name="v"),
    "the variable 'v', the file has not": dict(name="v"),
    "variable 'w' has shape [4] in the model and [3] in the file": dict(shape=4),
    "'s_log__' has distribution HalfCauchy in the model and HalfNormal in the file": dict(family=pm.HalfCauchy),
    "variable 's_log__' has another formula or other constants": dict(prior_sd=4.0),
    "observed variable 'y' has another formula or other constants": dict(covariates=np.ones((4, 3))),
    "observed variable 'y' has other observed values": dict(y=Y * (1 + 1e-6)),
    "potential 'p' has another formula": dict(slope=3.0),
    "defines its variables in another order": dict(swap=True),
    "the variable 'extra0', 'extra1'": dict(extra=2),
}


@pytest.mark.parametrize("words", CHANGES)
def test_differences_are_named(saved, words):
    assert any(words in line for line in model_differences(saved, fingerprint(**CHANGES[words])))


def test_other_data_can_be_allowed(saved):
    assert model_differences(saved, fingerprint(y=Y + 1.0, prior_sd=4.0), data=False) == []
    assert model_differences(saved, fingerprint(shape=4), data=False) != []


def test_formulas_of_other_versions_are_not_compared(saved):
    older = dict(saved, versions={"pymc3": "3.9", "theano": "1.0"})
    assert model_differences(older, fingerprint(prior_sd=4.0)) == []
    assert model_differences(older, fingerprint(y=Y + 1.0)) != []


def test_trained_weights_do_not_count():
    def build(value):
        with theano.config.change_flags(cxx=""), pm.Model() as model:
            mu = pm.Normal("mu", 0, 1)
            pm.Normal("y", mu * theano.shared(value, "weight"), 1.0, observed=Y)
        return model_fingerprint(ModelView(model))

    assert model_differences(build(1.0), build(2.0)) == []


def test_changed_data_container_counts():
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        data = pm.Data("data", Y)
        pm.Normal("y", pm.Normal("mu", 0, 1), 1.0, observed=data)
        before = model_fingerprint(ModelView(model))
        pm.set_data({"data": Y + 1})
        after = model_fingerprint(ModelView(model))
    assert "observed variable 'y' has other observed values" in model_differences(before, after)


def test_streams_have_no_data():
    with theano.config.change_flags(cxx=""), pm.Model() as model:
        stream = pm.generator(np.ones(3) for _ in range(100))
        pm.Normal("y", pm.Normal("mu", 0, 1), 1.0, observed=stream, total_size=10)
    assert model_fingerprint(ModelView(model))["observed"]["y"]["data"] is None


@pytest.mark.slow
def test_another_process_computes_the_same(saved):
    code = (
        "import pymc3_vi, json; from tests.model.test_fingerprint import fingerprint; "
        "print(json.dumps(fingerprint(), sort_keys=True))"
    )
    assert json.loads(forked(code).stdout.strip().splitlines()[-1]) == saved
