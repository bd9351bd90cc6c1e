"""In which order the rows of stochastic batches come."""

import numpy as np

__all__ = ["BatchOrder"]

#: Blocks of neighbouring rows whose rows are mixed, unless rows are so wide that fewer fit into memory.
WINDOW = 32


class BatchOrder:
    """Row numbers of batch after batch; each epoch has every row once.

    With `shuffle`, blocks of neighbouring rows come in a random order, and the rows of some blocks at a time are mixed:
    those of a window, which is all that has to be in memory.  Batches run on over the end of an epoch: all have
    `batch_size` rows, and none is left out.

    Parameters
    ----------
    length, batch_size : int
    shuffle : bool
    seed : int
        The same seed gives the same order; batch i can be asked for at any time.
    block, blocks : int
        Rows of a block, and blocks of a window.
    """

    def __init__(self, length, batch_size, shuffle, seed, block, blocks=WINDOW):
        self.length, self.batch_size = int(length), int(batch_size)
        self.shuffle, self.seed = bool(shuffle), int(seed)
        self.block, self.blocks = int(block), int(blocks)
        self._blocks = self._window = (None, None)

    def rows(self, i):
        """Row numbers (batch_size,) of batch number `i`."""
        return np.concatenate([self.window(*window)[inside] for window, inside in self.parts(i)])

    def parts(self, i):
        """Where the rows of batch number `i` are: pairs of a window and a slice of its rows."""
        return self._parts(i * self.batch_size, (i + 1) * self.batch_size)

    def epoch(self):
        """Iterator of the parts of the batches of the first epoch; the last one is what is left."""
        for begin in range(0, self.length, self.batch_size):
            yield self._parts(begin, min(begin + self.batch_size, self.length))

    def _parts(self, begin, end):
        found, size = [], self.block * self.blocks
        while begin < end:
            epoch, first = divmod(begin, self.length)
            number, inside = divmod(first, size)
            count = min(end - begin, size - inside, self.length - first)
            found.append(((epoch if self.shuffle else 0, number), slice(inside, inside + count)))
            begin += count
        return found

    def window(self, epoch, number):
        """Row numbers of a window, in the order in which they come."""
        kept = self._window  # threads may share an order
        if kept[0] != (epoch, number):
            kept = self._window = (epoch, number), self._rows_of_window(epoch, number)
        return kept[1]

    def _rows_of_window(self, epoch, number):
        blocks = range(number * self.blocks, (number + 1) * self.blocks)
        if self.shuffle:
            blocks = self._block_order(epoch)[blocks.start : blocks.stop]
        rows = [np.arange(b * self.block, min((b + 1) * self.block, self.length)) for b in blocks]
        rows = np.concatenate(rows)
        return self._generator(epoch, 1 + number).permutation(rows) if self.shuffle else rows

    def _block_order(self, epoch):
        kept = self._blocks
        if kept[0] != epoch:
            full = self._generator(epoch, 0).permutation(self.length // self.block)
            # A shorter last block comes last, so that all windows before it have the same number of rows.
            rest = [self.length // self.block] if self.length % self.block else []
            kept = self._blocks = epoch, np.append(full, rest).astype("int64")
        return kept[1]

    def _generator(self, *purpose):
        return np.random.Generator(np.random.SFC64([self.seed, *purpose]))
