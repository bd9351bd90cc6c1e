"""What nobody expects, sent to every row of the table without calling anything: taken, or refused by name."""

import collections
import datetime
import decimal
import enum
import fractions
import functools
import types

from pymc3_vi.errors import VariationalInferenceError
from pymc3_vi.parameters import PARAMETERS
from pymc3_vi.parameters._checked import check

import numpy as np
import pandas as pd
import pytest
import theano
import theano.tensor as tt


class Kind(enum.Enum):
    A = 1


class Raising:
    """Everything about it fails."""

    __hash__ = None

    def __array__(self, dtype=None):
        raise RuntimeError("no array")

    def __eq__(self, other):
        raise RuntimeError("not comparable")

    def __bool__(self):
        raise RuntimeError("no truth value")

    def __repr__(self):
        raise RuntimeError("no words")


ODD = {
    "numbers": [
        np.float64("nan"), np.float32("inf"), 10**400, -(10**400), np.complex128(1j), np.bool_(True), pd.NA, pd.NaT,
        decimal.Decimal("1.5"), decimal.Decimal("sNaN"), fractions.Fraction(1, 3), Kind.A,
    ],
    "texts": ["", "  ", "a\0b", "a\nb", "\ud800", "x" * 10**5, b"advi", bytearray(b"x"), memoryview(b"abc")],
    "dicts": [collections.OrderedDict(mu=1.0), collections.Counter("mu"), dict, types.SimpleNamespace(a=1)],
    "tables": [pd.Series([1.0, 2.0]), pd.DataFrame({"mu": [1.0]}), pd.Index(["mu"]), np.zeros(2, [("a", float)])],
    "arrays": [
        np.array(3.0), np.array("advi"), np.array(None), np.array([]), np.array([None, 1], object), np.array(["mu"]),
        np.ma.masked, np.ma.masked_array([1.0, 2.0], [0, 1]), np.datetime64("2020"), np.broadcast_to(1.0, 3),
    ],
    "graphs": [
        tt.constant(np.int8(3)), tt.constant(np.complex128(1j)), tt.constant(np.ones(2)), theano.shared(np.array(True)),
        theano.shared(np.float32(1)), tt.iscalar(), tt.tensor4(),
    ],
    "iterables": [range(3), {1, 2}, frozenset(["mu"]), (1, 2), iter([1]), map(str, [1]), (i for i in [1]), list],
    "functions": [print, lambda: 1, lambda a, b, c, d, e: 1, functools.partial(print, 1), np, datetime.date],
    "others": [..., NotImplemented, slice(3), ValueError("x"), np.random.PCG64(1), Raising()],
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
def test_no_row_fails_in_another_way(kind):
    problems, refused = [], 0
    for function, rows in PARAMETERS.items():
        for parameter, constraint in rows.items():
            for number, value in enumerate(ODD[kind]):
                try:
                    check(function, parameter, constraint, value)
                except VariationalInferenceError as error:
                    refused += 1
                    if f"The {parameter!r} parameter of {function} must be" not in str(error):
                        problems.append(f"{function}({parameter}=...{number}): {error}")
                except Exception as error:
                    problems.append(f"{function}({parameter}=...{number}): {error!r}")
    assert not problems, "\n".join(problems)
    assert refused > 1000
