"""After ``with model:`` the flags of Theano are what they were."""

import pickle
import subprocess
import sys
import threading

import pymc3_vi

import numpy as np
import pymc3 as pm
import pytest
import theano
import theano.tensor as tt

FLAG = "compute_test_value"


class Nested(pm.Model):
    """A user's model class, with a model of its own inside."""

    def __init__(self):
        super().__init__(name="nested")
        with pm.Model(name="inner"):
            pm.Normal("y", 0.0, 1.0)
        self.Var("x", pm.Normal.dist(0.0, 1.0))


def entered_twice():
    with pm.Model() as model:
        pm.Normal("x", 0.0, 1.0)  # PyMC3 enters the model once more
        with model, pm.Model():
            assert theano.config.compute_test_value == "raise"
            with model:
                pass
        assert theano.config.compute_test_value == "raise"


def a_class():
    with Nested():
        assert theano.config.compute_test_value == "raise"


def other_flags():
    with pm.Model(theano_config={FLAG: "ignore", "floatX": "float32"}) as model:
        with model:
            assert (theano.config.compute_test_value, theano.config.floatX) == ("ignore", "float32")
        assert (theano.config.compute_test_value, theano.config.floatX) == ("ignore", "float32")


def exceptions():
    with pytest.raises(KeyError), pm.Model() as model:
        with pytest.raises(ValueError), model:
            raise ValueError
        assert theano.config.compute_test_value == "raise"
        raise KeyError


def by_hand_in_another_order():
    first, second = pm.Model(), pm.Model()
    for model in (first, second):
        model.__enter__()
    for model in (first, second):
        model.__exit__(None, None, None)
        assert (theano.config.compute_test_value == "raise") == (len(pm.Model.get_contexts()) > 0)


def generators_left_open():
    """As fixtures of tests are: each ends when nobody needs it."""

    def built(name):
        with pymc3_vi.fast_build(), pm.Model() as model:
            pm.Normal(name, 0.0, 1.0)
            yield model

    one, two = built("x"), built("y")
    next(one), next(two)
    one.close()
    two.close()
    with pytest.raises(ValueError), pymc3_vi.fast_build(), pm.Model():
        theano.config.compute_test_value = "warn"  # set inside
        raise ValueError


def copied():
    with pm.Model() as model:
        pm.Normal("x", 0.0, 1.0)
    with pickle.loads(pickle.dumps(model)) as again, model, again:
        assert theano.config.compute_test_value == "raise"


@pytest.mark.parametrize("install", [False, True], ids=["imported", "installed"])
@pytest.mark.parametrize("before", ["off", "ignore"])
@pytest.mark.parametrize(
    "build",
    [entered_twice, a_class, other_flags, exceptions, by_hand_in_another_order, generators_left_open, copied],
)
def test_flags_come_back(build, before, install, request):
    if install:
        pymc3_vi.install()
        request.addfinalizer(pymc3_vi.uninstall)
    float_x = theano.config.floatX
    with theano.config.change_flags(cxx="", compute_test_value=before):
        build()
        assert theano.config.compute_test_value == before and theano.config.floatX == float_x
    assert pm.Model.get_contexts() == []


@pytest.mark.parametrize("patch", [pymc3_vi.install, pymc3_vi.uninstall])
def test_patches_that_change_inside_of_a_model(patch, request):
    request.addfinalizer(pymc3_vi.uninstall)
    with theano.config.change_flags(cxx=""):
        for _ in range(2):
            with pm.Model() as model:
                pm.Normal("x", 0.0, 1.0)
                patch()
                with model:
                    assert theano.config.compute_test_value == "raise"
            assert theano.config.compute_test_value == "off"
            pymc3_vi.install()


def test_expressions_of_what_was_drawn_outside_of_the_model():
    """As PyMC3's quickstart has it: 100 draws for 3 new rows, compared with 3 labels, where the model has 5 rows."""
    rows = theano.shared(np.arange(20.0).reshape(5, 4))
    with theano.config.change_flags(cxx=""):
        with pm.Model() as model:
            p = tt.nnet.softmax(rows.dot(pm.Normal("b", 0.0, 100.0, shape=(4, 3))))
            pm.Categorical("obs", p=p, observed=[0, 1, 2, 1, 0])
        for method in (lambda: pymc3_vi.SVGD(n_particles=4, jitter=1, random_seed=1).approx, pymc3_vi.MeanField):
            with model:
                drawn = method().sample_node(p, more_replacements={rows: np.ones((3, 4))}, size=100)
            right = tt.eq(drawn.argmax(-1), np.array([0, 1, 2])).mean(-1)
            assert not hasattr(right.tag, "test_value") and right.eval().shape == (100,)


def test_threads_in_models_do_not_disturb_each_other():
    """The first one leaves its model while the second is in its own."""
    inside, left, seen = threading.Event(), threading.Event(), []

    def second():
        with pymc3_vi.fast_build(), pm.Model():
            inside.set()
            left.wait(60)
            seen.append(theano.config.compute_test_value)
            pm.Normal("x", 0.0, 1.0)

    thread = threading.Thread(target=second)
    with pm.Model():
        thread.start()
        inside.wait(60)
    assert theano.config.compute_test_value == "off"
    left.set()
    thread.join()
    assert seen == ["raise"] and theano.config.compute_test_value == "off"


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="PyMC3 cannot be imported first")
@pytest.mark.parametrize("flags, expected", [("", "off"), ("compute_test_value=raise", "raise")])
def test_what_models_before_the_import_left_is_taken_back(flags, expected, monkeypatch):
    script = """
        import numpy.distutils.__config__ as c
        c.blas_opt_info = getattr(c, "blas_opt_info", {})
        import pymc3 as pm, theano
        with theano.config.change_flags(cxx=""), pm.Model(): pm.Normal("x", 0.0, 1.0)
        assert theano.config.compute_test_value == "raise"
        import pymc3_vi
        print("now", theano.config.compute_test_value)
    """
    monkeypatch.setenv("THEANO_FLAGS", f"{flags},base_compiledir={theano.config.base_compiledir}".lstrip(","))
    script = "\n".join(line.strip() for line in script.splitlines())
    out = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True)
    assert out.stdout.strip().endswith(f"now {expected}")
