"""The progress bar: at once, late, or never."""

from pymc3_vi import progress
from pymc3_vi.progress import Progress, speed

import pytest


@pytest.fixture
def clock(monkeypatch):
    """Seconds, as a list with one entry."""
    now = [100.0]
    for name in ("perf_counter", "time"):
        monkeypatch.setattr(progress.time, name, lambda: now[0])
    return now


@pytest.mark.parametrize("display, after", [(True, 0.0), (None, 3.1), (False, None)])
def test_a_bar_comes_when_it_is_to(clock, display, after):
    bar = Progress(10, display)
    came = 0.0 if bar.bar is not None else None
    for second in range(1, 9):
        clock[0] = 100.0 + second
        bar.update(second)
        if came is None and bar.bar is not None:
            came = float(second)
    bar.close(8)
    assert came is None if after is None else came >= after and came <= after + 1


def test_what_is_done_in_three_seconds_shows_no_bar(clock, capsys):
    bar = Progress(2, None)
    clock[0] += 2.0
    bar.update(1)
    clock[0] += 60.0
    bar.update(2)  # the last one: nothing is left to wait for
    bar.close(2)
    assert bar.bar is None and capsys.readouterr().out == ""


def test_refreshes_are_apart_and_the_last_one_is_shown(clock):
    bar, shown = Progress(10, True), []
    bar.bar.update = shown.append
    for done in range(1, 11):
        clock[0] += 0.1
        bar.update(done)
    assert shown == [3, 6, 9, 10]


def test_no_time_left_is_guessed_from_the_first_steps(clock):
    bar, shown = Progress(1000, True), []
    bar.bar.on_update = lambda done, text: shown.append(text)
    for done in (1, 49, 50, 900):
        clock[0] += 1.0
        bar.update(done, "fast")
    assert [f"[{done}/1000" in text and text.endswith(" fast]") for done, text in zip((1, 49, 50, 900), shown)] == [
        True
    ] * 4
    assert ["?" in text for text in shown] == [True, True, False, False]


@pytest.mark.parametrize(
    "count, seconds, words", [(12_345, 1.0, "12,000"), (937, 0.5, "1,900"), (3, 2.0, "1.5"), (0, 0.0, "0.0")]
)
def test_speed_in_two_digits(count, seconds, words):
    assert speed(count, seconds, "rows") == f"{words} rows/s"
