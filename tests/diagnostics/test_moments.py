"""Changes of moments by importance weights, against their definitions, draw by draw."""

from pymc3_vi.diagnostics import _draws as draws_module
from pymc3_vi.diagnostics._moments import moment_changes

import numpy as np
import pytest

LABELS = list("abcdef")


class Given:
    """Draws in chunks of `rows` rows."""

    def __init__(self, z, b, rows):
        self.z, self.rows, self.draws, self.heaviest = z, rows, len(z), z[np.argmax(b)]

    def chunks(self):
        for begin in range(0, self.draws, self.rows):
            yield slice(begin, min(begin + self.rows, self.draws)), self.z[begin : begin + self.rows]


def by_definition(z, b):
    """Changes and their errors: squares of what each draw changes, added up."""
    a = 1 / len(z)
    mean, weighted_mean = z.mean(axis=0), b @ z
    variance, weighted_variance = np.mean((z - mean) ** 2, axis=0), b @ (z - weighted_mean) ** 2
    sd = np.sqrt(weighted_variance)
    shift, ratio = (weighted_mean - mean) / sd, np.sqrt(variance) / sd
    in_sd = a * ((z - mean) ** 2 / variance - 1) / 2
    in_weighted_sd = b[:, None] * ((z - weighted_mean) ** 2 / weighted_variance - 1) / 2
    in_shift = (b[:, None] * (z - weighted_mean) - a * (z - mean)) / sd - shift * in_weighted_sd
    errors = np.sqrt(np.sum(in_shift**2, axis=0)), ratio * np.sqrt(np.sum((in_sd - in_weighted_sd) ** 2, axis=0))
    return np.abs(shift), errors[0], ratio, errors[1]


@pytest.mark.parametrize("location", [0.0, -1e-8, 1e6])
@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0, 10.0, 30.0])  # of the last, one draw has all the weight
@pytest.mark.parametrize("rows", [4000, 700, 1])
def test_changes_are_those_of_their_definition(location, spread, rows, rng):
    z = location + rng.standard_normal((4000, 6)) * 10 ** np.linspace(-1, 3, 6)
    b = np.exp(spread * rng.standard_normal(4000) + 0.1 * (z[:, 2] - location) / 4)
    b /= b.sum()
    shift, shift_error, ratio, ratio_error = by_definition(z, b)
    found = moment_changes(Given(z, b, rows), b, LABELS)
    at = int(np.argmax(shift - 2 * shift_error))
    assert found.mean_shift.name == LABELS[at]
    assert found.mean_shift[1:] == pytest.approx((shift[at], shift_error[at]), rel=1e-6)
    at = int(np.argmax(np.abs(ratio - 1) - 2 * ratio_error))
    assert found.sd_ratio.name == LABELS[at]
    assert found.sd_ratio[1:] == pytest.approx((ratio[at], ratio_error[at]), rel=1e-6)


def test_equal_weights_change_nothing_and_constants_are_no_trouble(rng):
    z = np.column_stack([rng.standard_normal(500), np.full(500, 7.0)])
    b = np.full(500, 1 / 500)
    found = moment_changes(Given(z, b, 100), b, ["a", "constant"])
    assert found.mean_shift.value == pytest.approx(0, abs=1e-12)
    assert found.sd_ratio.value == pytest.approx(1, abs=1e-12) and found.small


def test_draws_that_are_not_kept_are_made_twice_when_no_chains_ask_for_them(conjugate, monkeypatch):
    monkeypatch.setattr(draws_module, "KEEP_BUDGET", 0)
    passes, fresh = [], draws_module.DensityDraws._fresh_noise
    monkeypatch.setattr(draws_module.DensityDraws, "_fresh_noise", lambda self: passes.append(1) or fresh(self))
    monkeypatch.setattr("pymc3_vi.diagnostics._diagnose.chains_take_seconds", lambda approx: False)
    report = conjugate.gaussian().diagnose(random_seed=1)
    assert len(passes) == 2 and report.chains is None and report.notes
