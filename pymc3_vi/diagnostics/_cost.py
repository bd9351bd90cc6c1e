"""What evaluations of log p cost, known before anything is compiled."""

from ..model import data_size, is_streamed
from ._density import point_density

__all__ = ["affordable_steps", "chains_take_seconds"]

#: Steps after which chains that nobody asked for stop (half a second of one processor where log p is cheap),
#: and what a point's bytes times steps may be: some two to five seconds.  Those that converge take 80 to 400 steps,
#: those that show q to be wrong 150 to 500; where fewer than 200 are allowed none is made.  Not seconds: the verdict
#: would be another one on a busy machine.
MOST_STEPS, MOST_BYTES, FEWEST_STEPS = 1_000, 120e6, 200


def affordable_steps(approx):
    """Steps of trajectories that chains may take unasked."""
    return int(min(MOST_STEPS, MOST_BYTES / point_density(approx).bytes_per_point))


def chains_take_seconds(approx):
    """Whether corrected draws are cheap enough to be made unasked."""
    least = 8 * (data_size(approx.view) + int(approx.ddim))  # bytes; data in files are not to be read for it
    if is_streamed(approx.view) or approx.has_batched or least * FEWEST_STEPS > MOST_BYTES:
        return False
    return affordable_steps(approx) >= FEWEST_STEPS
