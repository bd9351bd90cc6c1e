"""What the ablation switches off is there."""

import pymc3_vi  # noqa: F401  (before Theano)

import pytest

from benchmarks.ablation import FORK, SWITCHES


@pytest.mark.parametrize("switch", SWITCHES)
def test_every_part_can_be_switched_off(switch):
    """In a process of its own, which it stays off in."""
    process = FORK.Process(target=SWITCHES[switch])
    process.start()
    process.join(60)
    assert process.exitcode == 0
