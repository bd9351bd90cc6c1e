import numpy as np
import pytest

from tests.diagnostics.conftest import Conjugate


@pytest.fixture(scope="session")
def conjugate():
    """Ten rows of y_i ~ N(mu, 1) in three columns, mu ~ N(0, 1)."""
    return Conjugate(np.random.RandomState(1).normal(0.5, 1.0, (10, 3)))


@pytest.fixture(scope="session")
def biased(conjugate):
    """An approximation with one mean half a posterior sd off and one sd 1.3 times too large."""
    return conjugate.gaussian([0.5, 0, 0], [1.0, 1.3, 1.0])
