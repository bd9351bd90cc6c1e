"""Fixtures that tests of fits share."""

import pytest


@pytest.fixture
def interrupted_evaluation(monkeypatch):
    """Context manager in which the 8th evaluation of a warm start's target is interrupted, as by Ctrl-C."""

    class Interrupted:
        def __init__(self, target):
            self.target, self.calls = target, 0

        def __enter__(self):
            evaluate = self.target.evaluate

            def interrupted(*args):
                self.calls += 1
                if self.calls == 8:
                    raise KeyboardInterrupt
                return evaluate(*args)

            monkeypatch.setattr(self.target, "evaluate", interrupted)
            return self

        def __exit__(self, *_):
            monkeypatch.undo()
            assert self.calls >= 8

    return Interrupted
