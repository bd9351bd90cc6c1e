"""NumPy's global generator, which PyMC3 seeds and draws from."""

import contextlib
import threading

import numpy as np

__all__ = ["kept_random_state"]

_lock = threading.RLock()


@contextlib.contextmanager
def kept_random_state():
    """Context after which the state of NumPy's global generator is what it was; one thread at a time is in it."""
    with _lock:
        state = np.random.get_state()
        try:
            yield
        finally:
            np.random.set_state(state)
