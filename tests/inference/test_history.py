"""The losses that callbacks and users see."""

from pymc3_vi.inference import History, LossView

import numpy as np
import pytest


def test_history_grows():
    history = History()
    for block in np.array_split(np.arange(5000.0), 37):
        history.extend(block)
    np.testing.assert_array_equal(history.array, np.arange(5000.0))
    assert history.running_mean(10) == 4994.5
    with pytest.raises(ValueError):
        history.array[0] = 1.0


def test_running_mean_skips_what_is_not_finite():
    history = History()
    assert np.isnan(history.running_mean())
    history.extend([1.0, np.inf, 3.0])
    assert history.running_mean() == 2.0


def test_view_formats_compares_and_converts_as_the_latest():
    losses = LossView([3.0, 2.0, 1.25])
    assert f"{losses:.2f}" == "1.25" and f"{losses:8.3f}" == "   1.250"
    assert float(losses) == 1.25 and int(losses) == 1 and str(losses) == "1.25"
    assert losses < 2 and losses <= 1.25 and losses > 1 and losses >= 1.25
    assert losses == 1.25 and losses != 3.0
    assert not losses < 1.25
    assert f"{LossView([]):.1f}" == "nan"


def test_comparisons_select_losses_and_decide_by_the_latest():
    losses = LossView([5.0, 3.0, np.nan, 4.5, 2.0])
    np.testing.assert_array_equal(losses[losses < 4], [3.0, 2.0])
    np.testing.assert_array_equal(losses[np.isfinite(losses) & (losses >= 4)], [5.0, 4.5])
    np.testing.assert_array_equal(losses[~(losses < 4) & ~np.isnan(losses)], [5.0, 4.5])
    np.testing.assert_array_equal(np.where(losses == 3.0)[0], [1])
    assert (losses < 4).sum() == 2 and (losses != 3.0).mean() == 0.8 and not (losses > 0).all()
    assert (4 > losses) and not (losses > 4) and np.isfinite(losses) and not np.isnan(losses)
    assert not np.isnan(losses) | (losses > 4) and (losses < 4) & (losses > 1)
    assert min(losses, 3.0) is losses and max(losses, 3.0) == 3.0
    assert losses != None and not LossView([]) < 3  # noqa: E711
    assert isinstance(losses[1:] < 4, np.ndarray)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(losses[1:] < 4)  # a part is an array like any other


def test_view_is_the_array_of_all_losses():
    losses = LossView([3.0, 2.0, 1.0])
    assert losses[-1] == 1.0 and len(losses) == 3 and losses.shape == (3,)
    assert isinstance(losses[1:], np.ndarray) and not isinstance(losses[1:], LossView)
    assert np.mean(losses) == 2.0 and losses.mean() == 2.0
    np.testing.assert_array_equal(losses * 2, [6.0, 4.0, 2.0])
    np.testing.assert_array_equal(np.diff(losses), [-1.0, -1.0])
    np.testing.assert_array_equal(losses == np.array([3.0, 0.0, 1.0]), [True, False, True])
    assert list(losses) == [3.0, 2.0, 1.0]
