"""Saved approximations come back as they were; files of anything else do not."""

import json

import pymc3_vi
from pymc3_vi.errors import FileFormatError
from pymc3_vi.results import load
from pymc3_vi.results._container import read_container, write_container

import numpy as np
import pytest
import theano
import theano.tensor as tt

from .models import hierarchy, vector


def _shaken(approx, rng):
    """The approximation with random parameters, so that nothing is at its initial value."""
    for param in approx.params:
        value = param.get_value()
        param.set_value((value + rng.normal(size=value.shape)).astype(value.dtype))
    return approx


MAKE = {
    "mean field": lambda m: pymc3_vi.MeanField(model=m, random_seed=3, cost_part_grad_scale=0.5),
    "full rank": lambda m: pymc3_vi.FullRank(model=m, random_seed=3),
    "particles": lambda m: pymc3_vi.Empirical(size=7, jitter=1.0, model=m, random_seed=3),
    "flow with head": lambda m: pymc3_vi.NormalizingFlow("planar*2-hh", model=m, random_seed=3),
    "flow without head": lambda m: pymc3_vi.NormalizingFlow("scale-radial-loc", model=m, random_seed=3),
    "groups": lambda m: pymc3_vi.Approximation(
        [pymc3_vi.Group([m["w"]], vfam="fr", model=m, random_seed=[1, 2]), pymc3_vi.Group(None, vfam="mf", model=m)],
        model=m,
    ),
    "shared params": lambda m: pymc3_vi.Approximation(
        [pymc3_vi.Group(None, params={"mu": theano.shared(np.ones(3)), "rho": np.zeros(3)}, model=m, random_seed=1)],
        model=m,
    ),
    "flow params": lambda m: pymc3_vi.Approximation(
        [
            pymc3_vi.Group(
                None,
                params={0: {"rho": theano.shared(np.ones(3))}, 1: {"loc": theano.shared(np.ones(3))}},
                model=m,
                random_seed=1,
            )
        ],
        model=m,
    ),
}


@pytest.mark.parametrize("name", MAKE)
def test_round_trip(name, tmp_path, rng):
    model = hierarchy()
    approx = _shaken(MAKE[name](model), rng)
    approx.hist = rng.normal(size=10)
    approx.sample(3)  # moves the approximation's own stream
    approx.save(tmp_path / "x.npz")
    loaded = load(tmp_path / "x.npz", hierarchy())
    assert type(loaded) is type(approx) and loaded.title == approx.title
    assert loaded.cost_part_grad_scale == approx.cost_part_grad_scale
    np.testing.assert_array_equal(loaded.hist, approx.hist)
    assert len(loaded.params) == len(approx.params)
    for a, b in zip(approx.params, loaded.params):
        np.testing.assert_array_equal(a.get_value(), b.get_value())
        assert a.get_value().dtype == b.get_value().dtype
    for seed in (None, 5):
        first, second = approx.sample(20, random_seed=seed), loaded.sample(20, random_seed=seed)
        for variable in first.varnames:
            np.testing.assert_array_equal(first[variable], second[variable])


def test_rows(tmp_path, rng):
    make = lambda m: pymc3_vi.MeanField(model=m, rowwise=True, random_seed=1)  # noqa: E731
    approx = _shaken(make(vector()), rng)
    approx.save(tmp_path / "x.npz")
    loaded = load(tmp_path / "x.npz", vector())
    assert loaded.groups[0].batched and not loaded.groups[0].local
    np.testing.assert_array_equal(approx.sample(5)["z"], loaded.sample(5)["z"])


def test_encoders_are_loaded_into_an_approximation(tmp_path):
    def build():
        model = vector()
        weight = theano.shared(np.asarray(0.5, dtype=theano.config.floatX), "weight")
        data = tt.ones((3, 2))
        group = pymc3_vi.Group([model["z"]], params={"mu": data * weight, "rho": data * 0}, local=True, model=model)
        return pymc3_vi.Approximation([group], model=model)

    approx = build()
    approx.hist = np.arange(3.0)
    approx.save(tmp_path / "x.npz")
    with pytest.raises(FileFormatError, match="'mu' of the MeanFieldGroup of z is an expression") as caught:
        load(tmp_path / "x.npz", vector())
    assert caught.value.reason == "kind"
    other = build()
    assert load(tmp_path / "x.npz", into=other) is other
    np.testing.assert_array_equal(other.hist, approx.hist)
    np.testing.assert_array_equal(other.sample(3)["z"], approx.sample(3)["z"])


def test_particles_of_another_number_are_put_in(tmp_path):
    model = hierarchy()
    pymc3_vi.Empirical(size=7, jitter=1.0, model=model, random_seed=1).save(tmp_path / "x.npz")
    other = pymc3_vi.Empirical(size=2, model=model)
    assert load(tmp_path / "x.npz", into=other).histogram.get_value().shape == (7, 3)


def test_another_make_is_refused(tmp_path):
    model = hierarchy()
    pymc3_vi.MeanField(model=model).save(tmp_path / "x.npz")
    with pytest.raises(FileFormatError, match="MeanFieldGroup .s_log__, w.*FullRankGroup") as caught:
        load(tmp_path / "x.npz", into=pymc3_vi.FullRank(model=model))
    assert caught.value.reason == "model"


def test_model_from_the_context(tmp_path):
    pymc3_vi.MeanField(model=hierarchy()).save(tmp_path / "x.npz")
    with hierarchy():
        assert load(tmp_path / "x.npz").title.startswith("MeanField")
    with pytest.raises(TypeError):
        load(tmp_path / "x.npz")


def test_another_model_is_named(tmp_path):
    path = tmp_path / "x.npz"
    pymc3_vi.MeanField(model=hierarchy()).save(path)
    for other, words in (
        (hierarchy(shape=3), r"is of another model: variable 'w' has shape \[3\] in the model and \[2\] in the file"),
        (
            hierarchy(prior_sd=4.0),
            "'s_log__' has another formula.* Pass same_data=False if that was changed on purpose",
        ),
        (vector(), "the model has no variable 's_log__', 'w', the file has"),
    ):
        with pytest.raises(FileFormatError, match=words) as caught:
            load(path, other)
        assert caught.value.reason == "model"
    assert load(path, hierarchy(prior_sd=4.0), same_data=False).title.startswith("MeanField")


def _rewritten(path, change):
    """The file with its header changed and a seal that fits."""
    header, arrays = read_container(path)
    header = json.loads(json.dumps(header))
    for key in ("format", "format_version"):
        header.pop(key)
    change(header, arrays)
    write_container(path, header, arrays)


def _set(*keys_and_value):
    def change(header, arrays):
        *keys, last, value = keys_and_value
        for key in keys:
            header = header[key]
        header[last] = value

    return change


GROUP = ("approximation", "groups", 0)
NONSENSE = {
    "no model": lambda header, arrays: header.pop("model"),
    "no approximation": lambda header, arrays: header.pop("approximation"),
    "groups are a number": _set("approximation", "groups", 3),
    "class is a list": _set("approximation", "class", []),
    "an array is missing": lambda header, arrays: arrays.pop("group0/param0"),
    "an array has another shape": lambda header, arrays: arrays.update({"group0/param0": np.zeros(99)}),
    "class that is no approximation": _set("approximation", "class", "Popen"),
    "family that does not exist": _set(*GROUP, "family", "os.system"),
    "variables that do not exist": _set(*GROUP, "variables", ["nothing"]),
    "keywords that the family lacks": _set(*GROUP, "keywords", {"command": "ls"}),
    "seed is text": _set(*GROUP, "seed", "import os"),
    "generator is nonsense": _set("approximation", "generator", {"bit_generator": "SFC64", "state": {}}),
    "another generator": _set("approximation", "generator", {"bit_generator": "os.system"}),
    "another kind": _set("kind", "pictures"),
    "report is a list": _set("report", [1]),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_sealed_nonsense_is_refused(tmp_path, name):
    path = tmp_path / "x.npz"
    pymc3_vi.MeanField(model=hierarchy()).save(path)
    _rewritten(path, NONSENSE[name])
    with pytest.raises(FileFormatError) as caught:
        load(path, hierarchy())
    assert str(path) in str(caught.value) and caught.value.reason in ("foreign", "kind", "model")


def test_classes_of_ones_own_must_be_imported(tmp_path):
    path = tmp_path / "x.npz"
    pymc3_vi.MeanField(model=hierarchy()).save(path)
    _rewritten(path, _set("approximation", "class", "MyMeanField"))
    with pytest.raises(FileFormatError, match="holds a MyMeanField, which is not known here. Import the module"):
        load(path, hierarchy())

    class MyMeanField(pymc3_vi.MeanField):
        pass

    assert type(load(path, hierarchy())) is MyMeanField


def test_float32_files_are_of_another_model_than_float64_ones(tmp_path):
    path = tmp_path / "x.npz"
    pymc3_vi.MeanField(model=hierarchy()).save(path)
    saved = theano.config.floatX
    other = "float64" if saved == "float32" else "float32"
    with theano.config.change_flags(floatX=other):
        with pytest.raises(FileFormatError, match=f"has dtype {other} in the model and {saved} in the file"):
            load(path, hierarchy())
