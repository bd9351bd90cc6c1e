"""Where random numbers come from: one seed, named streams, blocks for compiled loops."""

import zlib

import numpy as np
import theano
import theano.tensor as tt
from theano.tensor.random.utils import RandomStream

__all__ = ["SeedStream", "NoiseBlock", "StepNoise", "balance"]


class SeedStream:
    """Independent random generators derived from one seed by name.

    The same seed and the same name give the same numbers, whatever else was asked for in between, so adding a new
    use of randomness never changes an old one.

    Parameters
    ----------
    seed : int, sequence of int or None
        None takes a seed from NumPy's global generator, so that ``np.random.seed`` makes a whole script repeatable.
    """

    def __init__(self, seed=None):
        if isinstance(seed, SeedStream):
            seed = seed.entropy
        if seed is None:
            seed = int(np.random.randint(0, 2**31 - 1))
        self.entropy = seed

    def _sequence(self, name):
        base = np.random.SeedSequence(self.entropy).entropy
        words = list(base) if isinstance(base, (list, tuple)) else [int(base)]
        return np.random.SeedSequence(words + [zlib.crc32(name.encode())])

    def generator(self, name):
        """NumPy Generator for the purpose `name`."""
        return np.random.Generator(np.random.SFC64(self._sequence(name)))

    def symbolic(self, name):
        """Theano random stream for the purpose `name`, for graphs that must stay symbolic."""
        return RandomStream(int(self._sequence(name).generate_state(1)[0] % (2**31 - 1)))

    def child(self, name):
        """Seed stream of a part, e.g. of one group of an approximation."""
        return SeedStream([int(word) for word in self._sequence(name).generate_state(4)])


class NoiseBlock:
    """Base noise of `rows` consecutive steps in one shared array; step t reads row t.

    Filling a block with NumPy costs a few nanoseconds a number and keeps random number code out of the compiled
    graph.

    Parameters
    ----------
    shape : tuple of int
        Shape of one step's noise.
    generator : numpy.random.Generator
    kind : {'normal', 'uniform'}
    balanced : bool
        Match the moments of normal noise within a block, see :func:`balance`.
    """

    def __init__(self, shape, generator, kind="normal", balanced=False):
        self.balanced = balanced
        self.shape = tuple(int(n) for n in shape)
        self.generator = generator
        self.kind = kind
        self.shared = None

    def allocate(self, rows, counter):
        """Create the array of `rows` rows and return the symbolic row at `counter`."""
        value = np.zeros((rows,) + self.shape, dtype=theano.config.floatX)
        self.shared = theano.shared(value, "noise_block")
        row = self.shared[counter]
        return tt.patternbroadcast(row, (False,) * row.ndim)

    def draw(self, rows):
        """Further noise for `rows` steps, (rows, ...); the block stays as it is."""
        value = np.empty((rows,) + self.shape, dtype=self.shared.dtype)
        self._fill(value)
        return value

    def _fill(self, value):
        if self.kind == "normal":
            self.generator.standard_normal(out=value, dtype=value.dtype)
        else:
            self.generator.random(out=value, dtype=value.dtype)

    def refill(self):
        """Draw new noise for all rows."""
        value = self.shared.get_value(borrow=True)
        self._fill(value)
        if self.kind == "normal" and self.balanced:
            balance(value)
        self.shared.set_value(value, borrow=True)


def balance(block):
    """Match the first two moments of a block of standard normal noise in place.

    Every second row becomes the negative of the one before, so odd moments vanish; then the columns are scaled to
    unit variance, and made uncorrelated where there are at least eight times as many rows as columns.  Each row on
    its own stays (nearly) standard normal, but what stochastic gradients average over a block then has only the
    error of higher moments: the average of the iterates is several times more accurate for the same steps.

    Parameters
    ----------
    block : ndarray (rows, ...)
    """
    flat = block.reshape(len(block), -1)
    pairs = len(flat) // 2
    if pairs < 8:
        return
    flat[1 : 2 * pairs : 2] = -flat[0 : 2 * pairs : 2]
    half = flat[0 : 2 * pairs : 2]
    if pairs >= 4 * flat.shape[1]:
        root = np.linalg.cholesky(half.T @ half / pairs)
        half = np.linalg.solve(root, half.T).T
    else:
        half = half / np.sqrt(np.mean(half**2, axis=0))
    flat[0 : 2 * pairs : 2], flat[1 : 2 * pairs : 2] = half, -half


class StepNoise:
    """All noise of one step function: a counter and the blocks that it indexes.

    Parameters
    ----------
    max_rows : int
        Most steps in one block.
    budget : int
        Bytes that all blocks together may take (they should stay in cache).
    balanced : bool
        Match the moments of the noise within each block, see :func:`balance`.
    """

    def __init__(self, max_rows=1000, budget=512 * 1024, balanced=False):
        self.balanced = balanced
        self.counter = theano.shared(np.int64(0), "step_in_block")
        self.blocks = []
        self._max_rows = max_rows
        self._budget = budget
        self.rows = None
        self._placeholders, self._draws = [], []

    @property
    def draws(self):
        """Number of draws in a row; 1 too where blocks differ in it."""
        numbers = set(self._draws)
        return numbers.pop() if len(numbers) == 1 else 1

    def add(self, shape, generator, kind="normal", draws=1):
        """Placeholder for noise of `shape`; :meth:`allocate` gives its replacement.

        With more than one of `draws` they are the first axis.
        """
        self._draws.append(draws)
        block = NoiseBlock(shape, generator, kind, self.balanced)
        placeholder = tt.TensorType(theano.config.floatX, (False,) * len(block.shape))("eps")
        self.blocks.append(block)
        self._placeholders.append(placeholder)
        return placeholder

    def allocate(self):
        """Fix the number of rows; returns {placeholder: symbolic row}."""
        bytes_per_step = (
            sum(int(np.prod(b.shape, dtype=int)) for b in self.blocks) * np.dtype(theano.config.floatX).itemsize
        )
        self.rows = int(np.clip(self._budget // max(bytes_per_step, 1), 1, self._max_rows))
        return {p: b.allocate(self.rows, self.counter) for p, b in zip(self._placeholders, self.blocks)}

    def sample(self, rows, generator):
        """Noise of `rows` steps from another generator, an array (rows, ...) per block; the blocks stay as they are."""
        draw = {"normal": generator.standard_normal, "uniform": generator.random}
        return [draw[b.kind]((rows,) + b.shape).astype(b.shared.dtype) for b in self.blocks]

    def refill(self):
        """New noise in every block, counter back to 0; an exception in between (Ctrl-C) leaves the streams alone."""
        states = [block.generator.bit_generator.state for block in self.blocks]
        try:
            for block in self.blocks:
                block.refill()
            self.counter.set_value(np.int64(0))
        except BaseException:
            if self.counter.get_value():
                for block, state in zip(self.blocks, states):
                    block.generator.bit_generator.state = state
            raise
