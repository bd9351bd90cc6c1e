"""Thousands of wrong arguments, one at a time: an error of ours that names the parameter, or what the table allows."""

import pymc3_vi
from pymc3_vi.errors import VariationalInferenceError
from pymc3_vi.parameters import PARAMETERS, Refused

import matplotlib.pyplot as plt
import numpy as np
import pytest
import theano
import theano.tensor as tt

from .calls import OPTIMIZERS, calls

#: Rows without a call of their own: bases of classes that have one, and what only says what to do instead.
WITHOUT_CALL = {
    "SingleGroupApproximation", "GaussianADVI", "Tracker", "frequentist_se", "DADVI.run_profiling",
    "Inference.run_profiling", "ASVGD.run_profiling",
}  # fmt: skip
#: Other tests may define optimizers, which add rows.
OTHERS = {name for name, rows in PARAMETERS.items() if "loss_or_grads" in rows} - {"get_or_compute_grads", *OPTIMIZERS}
NAMES = sorted(set(PARAMETERS) - WITHOUT_CALL - OTHERS)


class Foreign:
    """Something that no parameter takes."""


WRONG = {
    "None": None,
    "minus one": -1,
    "zero": 0,
    "a half": 0.5,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "10**20": 10**20,
    "text": "no such thing",
    "bytes": b"x",
    "empty list": [],
    "list of None": [None],
    "dict": {"no such thing": 1},
    "dict of None": {"mu": None},
    "object": Foreign(),
    "class": pymc3_vi.Tracker,
    "function": lambda: 0,
    "array": np.array([1.0, 2.0]),
    "complex": 1j,
    "vector": tt.dvector("free"),
}


@pytest.fixture(scope="module")
def working(tmp_path_factory):
    with theano.config.change_flags(cxx=""), pytest.warns():
        return calls(tmp_path_factory.mktemp("arguments"))


def test_every_row_of_the_table_has_a_call(working):
    assert set(working) | WITHOUT_CALL == set(NAMES) | WITHOUT_CALL
    assert sum(len(PARAMETERS[name]) for name in NAMES) * len(WRONG) > 300


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [n for n in NAMES if n not in OPTIMIZERS[1:]])
def test_wrong_arguments(name, working, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)  # some paths among them are fine
    function, given = working[name]
    problems = []
    with theano.config.change_flags(cxx=""):
        function(**given)
        for parameter, constraint in PARAMETERS[name].items():
            for words, value in WRONG.items():
                try:
                    function(**dict(given, **{parameter: value}))
                except VariationalInferenceError as error:
                    if parameter not in str(error):
                        problems.append(f"{parameter}={words}: not named in {error!r}")
                except FileNotFoundError:  # as documented
                    assert parameter == "path"
                except Exception as error:
                    problems.append(f"{parameter}={words}: {error!r}")
                else:
                    if not _documented(constraint, value):
                        problems.append(f"{parameter}={words} was accepted")
    plt.close("all")
    assert not problems, "\n".join(problems)


def _documented(constraint, value):
    try:
        constraint.take(value)
    except Refused:
        return False
    return True
