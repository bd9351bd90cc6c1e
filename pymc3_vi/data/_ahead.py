"""Reading ahead: the next block is read by a thread while one is worked on."""

import threading

__all__ = ["read_ahead"]


class _Read(threading.Thread):
    """One call in a thread of its own, which ends with it: nothing is left running where a pass is left."""

    def __init__(self, read, item):
        super().__init__(name="pymc3_vi reads ahead", daemon=True)
        self.read, self.item, self.found, self.error = read, item, None, None
        self.start()

    def run(self):
        try:
            self.found = self.read(self.item)
        except BaseException as error:  # belongs to whoever asked
            self.error = error

    def result(self):
        """What the call gave, or its exception."""
        self.join()
        if self.error is not None:
            raise self.error
        return self.found


def read_ahead(read, items):
    """Iterator of ``read(item)`` in the order of `items`; one more than was asked for is being read, and no other."""
    ahead = None
    try:
        for item in items:
            now, ahead = ahead, None
            if now is None:
                now = _Read(read, item)
                ahead = now
                continue
            found = now.result()
            ahead = _Read(read, item)
            yield found
        if ahead is not None:
            now, ahead = ahead, None
            yield now.result()
    finally:
        if ahead is not None:
            ahead.join()
