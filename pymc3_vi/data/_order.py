"""In which order the rows of stochastic batches come."""

import numpy as np

__all__ = ["BatchOrder"]

#: Rows that are read together, and how many such blocks are shuffled among each other.
BLOCK, WINDOW = 2048, 32


class BatchOrder:
    """Row numbers of batch after batch; each epoch has every row once.

    With `shuffle`, blocks of neighbouring rows come in a random order, and the rows of some blocks at a time are mixed,
    so that a few thousand rows in memory are enough.  Batches run on over the end of an epoch: all have `batch_size`
    rows, and none is left out.

    Parameters
    ----------
    length, batch_size : int
    shuffle : bool
    seed : int
        The same seed gives the same order; batch i can be asked for at any time.
    """

    def __init__(self, length, batch_size, shuffle, seed):
        self.length, self.batch_size = int(length), int(batch_size)
        self.shuffle, self.seed = bool(shuffle), int(seed)
        self._blocks = self._window = (None, None)

    def rows(self, i):
        """Row numbers (batch_size,) of batch number `i`."""
        return self._rows(i * self.batch_size, (i + 1) * self.batch_size)

    def epoch(self):
        """Iterator of the row numbers of the batches of the first epoch; the last one is what is left."""
        for begin in range(0, self.length, self.batch_size):
            yield self._rows(begin, min(begin + self.batch_size, self.length))

    def _rows(self, begin, end):
        found = []
        while begin < end:
            epoch, first = divmod(begin, self.length)
            if not self.shuffle:
                count = min(end - begin, self.length - first)
                found.append(np.arange(first, first + count))
            else:
                number, inside = divmod(first, BLOCK * WINDOW)
                rows = self._rows_of_window(epoch, number)[inside : inside + end - begin]
                found.append(rows)
                count = len(rows)
            begin += count
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _rows_of_window(self, epoch, number):
        if self._window[0] != (epoch, number):
            blocks = self._block_order(epoch)[number * WINDOW : (number + 1) * WINDOW]
            rows = [np.arange(b * BLOCK, min((b + 1) * BLOCK, self.length)) for b in blocks]
            self._window = (epoch, number), self._generator(epoch, 1 + number).permutation(np.concatenate(rows))
        return self._window[1]

    def _block_order(self, epoch):
        if self._blocks[0] != epoch:
            full = self._generator(epoch, 0).permutation(self.length // BLOCK)
            # A shorter last block comes last, so that all windows before it have the same number of rows.
            rest = [self.length // BLOCK] if self.length % BLOCK else []
            self._blocks = epoch, np.append(full, rest).astype("int64")
        return self._blocks[1]

    def _generator(self, *purpose):
        return np.random.Generator(np.random.SFC64([self.seed, *purpose]))
